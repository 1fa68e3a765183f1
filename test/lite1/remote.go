package lite1

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
)

// StatusError is an answer that refuses.
type StatusError struct {
	Status int
	Reason string
	// scheme and login are of the challenge.
	scheme, login string
}

// Error implements error.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Reason) }

// statusOf is the status of an answer that refuses, 0 for any other error.
func statusOf(err error) int {
	if refused, ok := errors.AsType[*StatusError](err); ok {
		return refused.Status
	}
	return 0
}

// documentError reports whether an error is of one document: the replication goes on.
func documentError(err error) bool {
	switch statusOf(err) {
	case http.StatusNotFound, http.StatusForbidden, http.StatusGone:
		return true
	}
	return false
}

// remote is the server as one replication sees it.
type remote struct {
	device *Device
	config *Config
	client *http.Client
	// server is the Server header of the first answer: what it says decides what is done.
	server string
	// bearer is the ID token, until there is a session.
	bearer string
}

func newRemote(d *Device, c *Config) *remote {
	return &remote{device: d, config: c, client: &http.Client{Jar: d.jar}}
}

// gateway reports whether the server is Sync Gateway of at least a version.
func (r *remote) gateway(version string) bool {
	have, ok := strings.CutPrefix(r.server, "Couchbase Sync Gateway/")
	return ok && have >= version
}

// request makes a request of the edition.
func (r *remote) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encoding a body: %w", err)
		}
	}
	encoding := ""
	if r.gateway("0.92") && len(text) >= packFrom {
		if small := packed(text); len(small) < len(text) {
			text, encoding = small, "gzip"
		}
	}
	q, err := r.raw(ctx, method, path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Accept", r.device.edition.accept())
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
		if r.device.edition == Java {
			q.Header.Set("Content-Type", "application/json; charset=utf-8")
		}
	}
	if encoding != "" {
		q.Header.Set("Content-Encoding", encoding)
	}
	return q, nil
}

func (r *remote) raw(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	q, err := http.NewRequestWithContext(ctx, method, r.config.URL+"/"+path, body)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	r.sign(q.Header)
	q.Header.Set("Accept-Encoding", "gzip, deflate")
	return q, nil
}

// sign sets what every request has.
func (r *remote) sign(h http.Header) {
	h.Set("User-Agent", r.device.edition.agent())
	switch {
	case r.config.User != "":
		q := http.Request{Header: h}
		q.SetBasicAuth(r.config.User, r.config.Password)
	case r.bearer != "":
		h.Set("Authorization", "Bearer "+r.bearer)
	}
}

// send sends a request and returns the answer with its body unpacked.
func (r *remote) send(q *http.Request) (*http.Response, []byte, error) {
	r.device.note(q.Method + " " + shown(q.URL))
	answer, err := r.ask(q)
	if err != nil {
		return nil, nil, fmt.Errorf("asking the server: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.Header.Get("Content-Encoding") == "gzip" {
		body, err = unpacked(body)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading an answer: %w", err)
	}
	if r.server == "" && !r.config.CouchDB {
		r.server = answer.Header.Get("Server")
	}
	if answer.StatusCode < http.StatusMultipleChoices {
		return answer, body, nil
	}
	refused := &StatusError{Status: answer.StatusCode}
	var text struct{ Reason string }
	if json.Unmarshal(body, &text) == nil {
		refused.Reason = text.Reason
	}
	// One challenge is looked at, by this very expression in all editions.
	if c := challengeForm.FindStringSubmatch(answer.Header.Get("WWW-Authenticate")); c != nil {
		refused.scheme = c[1]
		if c[2] == "login" {
			refused.login = c[4] + c[5]
		}
	}
	return answer, body, refused
}

// ask asks once more if the connection ended without an answer: at a reload Caddy closes those
// that were kept, and Linux those that nobody had accepted yet at the old socket. All editions
// do, since what they send may come twice.
func (r *remote) ask(q *http.Request) (*http.Response, error) {
	answer, err := r.client.Do(q)
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		return answer, err
	}
	if q.GetBody != nil {
		if q.Body, err = q.GetBody(); err != nil {
			return nil, fmt.Errorf("sending a body again: %w", err)
		}
	}
	return r.client.Do(q)
}

var challengeForm = regexp.MustCompile(`(\w+)\s+(\w+)=((\w+)|"([^"]+))`)

// json asks for JSON.
func (r *remote) json(ctx context.Context, method, path string, body, into any) error {
	q, err := r.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	answer, text, err := r.send(q)
	if err != nil {
		return err
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s %s answered %q as %s: %w", method, path, text, answer.Header.Get("Content-Type"), err)
	}
	return nil
}

// shown is a URL as Requests shows it.
func shown(u *url.URL) string {
	path := u.EscapedPath()
	if _, after, ok := strings.Cut(path, "/_local/"); ok && after != "" {
		path = strings.TrimSuffix(path, after) + "…"
	}
	q := u.Query()
	for _, name := range []string{"code", "state", "refresh_token", "rev"} {
		if q.Has(name) {
			q.Set(name, "…")
		}
	}
	if len(q) > 0 {
		path += "?" + strings.NewReplacer("%E2%80%A6", "…").Replace(q.Encode())
	}
	return path
}

// escape is a value as all editions put it into a path or a query.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
