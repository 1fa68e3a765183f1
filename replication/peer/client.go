package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// clientAttempts is how often a Client asks for the same, clientDelay how long it waits after the
	// first time; it doubles.
	clientAttempts = 6
	clientDelay    = time.Second
	// maxClientAnswer is the longest answer that a Client reads into memory.
	maxClientAnswer = 64 << 20
)

// Client asks another server for what is no replication: its users, its settings. What may pass
// (429, 5xx, a connection that breaks) is tried again for about half a minute; what is asked must be
// such that doing it twice does no harm.
type Client struct {
	r     remote
	delay time.Duration
}

// NewClient makes a client of the server at a URL, which need not be that of a database. patience is
// how long nothing may come before a request is given up, 0 for a minute; delay how long is waited
// after the first failure, 0 for a second.
func NewClient(to *Remote, patience, delay time.Duration) *Client {
	setDefault(&patience, minPatience)
	setDefault(&delay, clientDelay)
	transport := to.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	return &Client{r: remote{to: to, client: newClient(transport), patience: patience, who: ErrRemote}, delay: delay}
}

// At is a client of another URL on the same server, with the same credentials.
func (c *Client) At(u *url.URL) *Client {
	to := *c.r.to
	to.URL = u
	other := *c
	other.r.to = &to
	return &other
}

// JSON sends a request with a body in JSON, unless that is nil, and reads the answer into answer,
// unless that is nil. path is below the URL, escaped. An answer that refuses is a *StatusError.
func (c *Client) JSON(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	a := ask{method: method, path: path, query: query}
	if body != nil {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false) // what is a document stays as it is
		if err := encoder.Encode(body); err != nil {
			return fmt.Errorf("asking the server: %w", err)
		}
		a.json = text.Bytes()
	}
	return c.again(ctx, func() error {
		if answer == nil {
			answer = new(json.RawMessage)
		}
		return c.r.get(ctx, a, maxClientAnswer, answer)
	})
}

// Text reads an answer that is no JSON.
func (c *Client) Text(ctx context.Context, path string) (text string, err error) {
	a := ask{method: http.MethodGet, path: path, accept: "*/*"}
	err = c.again(ctx, func() error {
		answer, err := c.r.do(ctx, a)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		read, err := io.ReadAll(&cappedReader{source: answer.Body, left: maxClientAnswer})
		if err != nil {
			return answerError(a.what(), err)
		}
		text = string(read)
		return nil
	})
	return text, err
}

// again tries until it goes well, or cannot.
func (c *Client) again(ctx context.Context, try func() error) error {
	for failures := 1; ; failures++ {
		err := try()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			// Which of the two the transport tells of is chance, where the other server failed as well.
			return context.Cause(ctx)
		case failures >= clientAttempts:
			return err
		}
		if answer, ok := errors.AsType[*StatusError](err); ok &&
			(answer.Status != http.StatusTooManyRequests && answer.Status/100 != 5 || answer.Status == http.StatusNotImplemented) {
			return err
		}
		if err := wait(ctx, c.delay<<(failures-1), err); err != nil {
			return err
		}
	}
}
