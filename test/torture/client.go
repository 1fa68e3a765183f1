package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

var (
	// errLost is a request without a complete answer: what it did is unknown.
	errLost = errors.New("no complete answer")
	// errRefused is a 429, 503 or 507: the server takes no writes just now.
	errRefused = errors.New("refused for now")
)

// client is one signed-in peer.
type client struct {
	http *http.Client
	url  string // of the database
	name string
	// Either a token or a session.
	token, cookie string
}

func newClient(databaseURL, name, token, cookie string) *client {
	return &client{
		// No limit on the whole: feeds are open for long, and their requests have contexts.
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, ResponseHeaderTimeout: 20 * time.Second}},
		url:  databaseURL, name: name, token: token, cookie: cookie,
	}
}

func (c *client) request(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if c.cookie != "" {
		req.Header.Set("Cookie", "SyncGatewaySession="+c.cookie)
	} else {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLost, err)
	}
	return res, nil
}

// do sends a request and reads the whole answer. The error is errLost, errRefused or
// that of ctx; other statuses are the caller's to judge.
func (c *client) do(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	res, err := c.request(ctx, method, path, body)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errLost, err)
	}
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInsufficientStorage:
		return res.StatusCode, text, fmt.Errorf("%w: %d", errRefused, res.StatusCode)
	}
	return res.StatusCode, text, nil
}

// get reads JSON into to; any status but 200 is an error.
func (c *client) get(ctx context.Context, path string, to any) error {
	status, text, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s: %d %s", cutQuery(path), status, brief(text))
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("GET %s: %w", cutQuery(path), err)
	}
	return nil
}

func cutQuery(path string) string { path, _, _ = strings.Cut(path, "?"); return path }

func brief(text []byte) string {
	if len(text) > 200 {
		text = text[:200]
	}
	return strings.TrimSpace(string(text))
}

// signIn makes a session of a token and returns its ID.
func signIn(ctx context.Context, databaseURL, token string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, databaseURL+"/_session", http.NoBody)
	if err != nil {
		return "", fmt.Errorf("signing in: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("signing in: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	for _, cookie := range res.Cookies() {
		if cookie.Name == "SyncGatewaySession" && cookie.Value != "" {
			return cookie.Value, nil
		}
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, 200))
	return "", fmt.Errorf("signing in: %s without a session cookie: %s", res.Status, brief(text))
}

// sequence reads a sequence, which is a number or a string.
type sequence uint64

func (s *sequence) UnmarshalJSON(text []byte) error {
	var n uint64
	if _, err := fmt.Sscanf(strings.Trim(string(text), `"`), "%d", &n); err != nil {
		return fmt.Errorf("reading a sequence: %w", err)
	}
	*s = sequence(n)
	return nil
}

// databaseInfo is the part of GET /{db} that is looked at.
type databaseInfo struct {
	UpdateSeq sequence `json:"update_seq"`
	DocCount  int      `json:"doc_count"`
	Deleted   int      `json:"doc_del_count"`
}

func (c *client) info(ctx context.Context) (databaseInfo, error) {
	var info databaseInfo
	return info, c.get(ctx, "", &info)
}

// change is a row of _changes as it is sent.
type change struct {
	Seq     sequence `json:"seq"`
	ID      string   `json:"id"`
	Changes []struct {
		Rev string `json:"rev"`
	} `json:"changes"`
	LastSeq *sequence `json:"last_seq"` // of the last line of a continuous feed
}

func (c change) row() row {
	r := row{seq: uint64(c.Seq), doc: c.ID}
	for _, l := range c.Changes {
		r.revs = append(r.revs, l.Rev)
	}
	return r
}

type page struct {
	Results []change `json:"results"`
	LastSeq sequence `json:"last_seq"`
}

// changes reads one page; feed may be "normal" or "longpoll".
func (c *client) changes(ctx context.Context, feed string, since uint64, limit int) (page, error) {
	var p page
	query := url.Values{"feed": {feed}, "since": {fmt.Sprint(since)}, "style": {"all_docs"}, "timeout": {"5000"}}
	if limit > 0 {
		query.Set("limit", fmt.Sprint(limit))
	}
	return p, c.get(ctx, "/_changes?"+query.Encode(), &p)
}

// revision is a leaf with its history, as open_revs answers.
type revision struct {
	Rev       string `json:"_rev"`
	Deleted   bool   `json:"_deleted"`
	N         int64  `json:"n"`
	Revisions struct {
		Start uint64   `json:"start"`
		IDs   []string `json:"ids"`
	} `json:"_revisions"`
}

// tree reads the whole revision tree of a document; a document that is not there has none.
func (c *client) tree(ctx context.Context, doc string) (document, error) {
	d := document{leaves: map[string]leaf{}, history: map[string]struct{}{}}
	status, text, err := c.do(ctx, http.MethodGet, "/"+url.PathEscape(doc)+"?open_revs=all&revs=true", nil)
	if err != nil {
		return d, err
	}
	if status == http.StatusNotFound {
		return d, nil
	}
	var answers []struct {
		OK *revision `json:"ok"`
	}
	if err := json.Unmarshal(text, &answers); err != nil || status != http.StatusOK {
		return d, fmt.Errorf("reading the revisions of %s: %d %s", doc, status, brief(text))
	}
	for _, answer := range answers {
		if answer.OK == nil {
			continue
		}
		d.leaves[answer.OK.Rev] = leaf{n: answer.OK.N, deleted: answer.OK.Deleted}
		d.history[answer.OK.Rev] = struct{}{}
		for i, id := range answer.OK.Revisions.IDs {
			d.history[fmt.Sprintf("%d-%s", answer.OK.Revisions.Start-uint64(i), id)] = struct{}{}
		}
	}
	return d, nil
}
