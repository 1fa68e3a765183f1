package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// maxErrorBody is how much of an answer that refuses is read.
	maxErrorBody = 16 << 10
	// maxReason is how much of its reason is told.
	maxReason = 200
	// minPatience is how long at least nothing may come, or go, before a request is given up.
	minPatience = time.Minute
)

// errSilent ends a request of which nothing came for too long.
var errSilent = fmt.Errorf("%w sent nothing for too long", ErrRemote)

// remote asks a database of another server.
type remote struct {
	to       *Remote
	client   *http.Client
	patience time.Duration
	// who it is in errors: ErrRemote or ErrTarget.
	who error
	// tries is how often a request is sent to a server that is busy; delay is waited after the first
	// time, and doubles. 0: once.
	tries int
	delay time.Duration
}

// ask is one request.
type ask struct {
	method string
	// path is below the database, escaped; "" is the database.
	path   string
	query  url.Values
	json   []byte
	accept string
	// compressed takes the body as the server has it, with its Content-Encoding, if that is gzip.
	compressed bool
	// stream, if not nil, gives the body in place of json, anew for each try, and its type.
	stream func() (body io.ReadCloser, contentType string)
}

// what names the request in errors and logs: neither host nor query nor a document's ID.
func (a *ask) what() string {
	if a.path == "" {
		return a.method + " of the database"
	}
	if first, rest, deeper := strings.Cut(a.path, "/"); strings.HasPrefix(first, "_") && first != "_design" {
		if deeper && rest != "" && first == "_local" {
			return a.method + " _local"
		}
		return a.method + " " + first
	}
	return a.method + " of a document"
}

// newClient makes the client of a replication: it follows no redirect, since what is sent is
// for the server that was named.
func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// do sends a request, again to a server that is busy. The answer's body must be closed; it ends with
// errSilent if nothing comes for long.
func (r *remote) do(ctx context.Context, a ask) (*http.Response, error) {
	for failures := 1; ; failures++ {
		answer, err := r.signedIn(ctx, a)
		if failures >= r.tries || !isStatus(err, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout) {
			return answer, err
		}
		if err := wait(ctx, r.delay<<(failures-1), err); err != nil {
			return nil, err
		}
	}
}

// wait waits for about a time, or for as long as an answer asks for.
func wait(ctx context.Context, delay time.Duration, failure error) error {
	delay = delay/2 + rand.N(delay/2+1)
	if answer, ok := errors.AsType[*StatusError](failure); ok {
		delay = max(delay, answer.RetryAfter)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// signedIn sends a request, and signs in (again) where that is needed.
func (r *remote) signedIn(ctx context.Context, a ask) (*http.Response, error) {
	if r.to.Credentials.stale() {
		if err := r.to.Credentials.signIn(ctx, r); err != nil {
			return nil, err
		}
	}
	answer, err := r.once(ctx, &a)
	if isStatus(err, http.StatusUnauthorized) && r.to.Credentials.forget() {
		if err := r.to.Credentials.signIn(ctx, r); err != nil {
			return nil, err
		}
		answer, err = r.once(ctx, &a)
	}
	return answer, err
}

func (r *remote) once(ctx context.Context, a *ask) (*http.Response, error) {
	ctx, watch := watchSilence(ctx, r.patience)
	answer, err := r.send(ctx, a, watch)
	if err != nil {
		err = watch.cause(err)
		watch.end()
		return nil, err
	}
	answer.Body = watchedBody{watchedReader: watchedReader{answer.Body, watch}, body: answer.Body}
	return answer, nil
}

func (r *remote) send(ctx context.Context, a *ask, watch *silence) (*http.Response, error) {
	target := r.to.URL.String()
	if a.path != "" {
		target += "/" + a.path
	}
	if len(a.query) > 0 {
		target += "?" + a.query.Encode()
	}
	var body io.Reader
	contentType := "application/json"
	switch {
	case a.stream != nil:
		var stream io.ReadCloser
		stream, contentType = a.stream()
		body = watchedStream{watchedReader{stream, watch}, stream}
	case a.json != nil:
		body = bytes.NewReader(a.json)
	}
	request, err := http.NewRequestWithContext(ctx, a.method, target, body)
	if err != nil {
		return nil, ErrBadURL
	}
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	if a.json != nil && a.stream == nil {
		// Put around what the request has by now, so that its length stays known.
		request.Body = io.NopCloser(watchedReader{request.Body, watch})
	}
	request.Header.Set("User-Agent", "caddy-sync")
	accept := a.accept
	if accept == "" {
		accept = "application/json"
	}
	request.Header.Set("Accept", accept)
	if a.compressed {
		request.Header.Set("Accept-Encoding", "gzip") // which the transport does not undo then
	}
	for name, value := range r.to.Header {
		request.Header.Set(name, value)
	}
	r.to.Credentials.sign(request)
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, r.transportError(a.what(), err)
	}
	if answer.StatusCode/100 != 2 {
		defer answer.Body.Close()
		defer drain(answer.Body)
		return nil, r.statusError(a.what(), answer)
	}
	return answer, nil
}

// get reads an answer of JSON into v, up to limit bytes.
func (r *remote) get(ctx context.Context, a ask, limit int64, v any) error {
	answer, err := r.do(ctx, a)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	defer drain(answer.Body)
	if err := json.NewDecoder(&cappedReader{source: answer.Body, left: limit}).Decode(v); err != nil {
		return answerError(a.what(), err)
	}
	return nil
}

// errTooLong: an answer, or a part of it, is longer than it may be.
var errTooLong = fmt.Errorf("%w answered more than is taken", ErrRemote)

// cappedReader fails with errTooLong behind left bytes.
type cappedReader struct {
	source io.Reader
	left   int64
}

func (c *cappedReader) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooLong
	}
	n, err := c.source.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// answerError is the error of reading an answer.
func answerError(what string, err error) error {
	if errors.Is(err, ErrRemote) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w answered what cannot be read: %w", what, ErrRemote, err)
}

// transportError leaves the URL out of an error of the HTTP client.
func (r *remote) transportError(what string, err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	return fmt.Errorf("%s: %w cannot be reached: %w", what, r.who, err)
}

// statusError reads an answer that refuses.
func (r *remote) statusError(what string, answer *http.Response) *StatusError {
	e := &StatusError{What: what, Status: answer.StatusCode, who: r.who}
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(min(seconds, 3600)) * time.Second
	}
	if e.Status/100 == 3 {
		e.Name, e.Reason = "redirect", "the URL leads elsewhere, and is not followed: name the database where it is"
		return e
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxErrorBody))
	var said struct {
		Error  string `json:"error"`
		Reason any    `json:"reason"`
	}
	if err != nil || json.Unmarshal(text, &said) != nil {
		return e
	}
	e.Name = short(said.Error)
	if reason, ok := said.Reason.(string); ok {
		e.Reason = short(reason)
	}
	return e
}

// short cuts a text of the other server for logs.
func short(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, text)
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}

// drain reads the rest of a short body, so that its connection can be used again.
func drain(body io.Reader) { _, _ = io.CopyN(io.Discard, body, maxErrorBody) }
