package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// Retrying is one client with one connection kept open. It does what DECISIONS 40 grants
// and no more: a request that gets no byte of an answer on a reused connection is sent
// once more on a new one, as browsers do. Go's own client would not do it for PUT and
// POST, and would do more for GET. Not for concurrent use.
type Retrying struct {
	host string
	conn net.Conn
	in   *countingReader
	buf  *bufio.Reader
	// fresh: no request was sent on the connection yet.
	fresh bool
}

// Answer is a whole response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Retried tells that the request was sent twice.
	Retried bool
}

// NewRetrying is a client of the server at base, a URL.
func NewRetrying(base string) (*Retrying, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", base, err)
	}

	return &Retrying{host: u.Host}, nil
}

// Do sends a request to a path (with its query) and reads the whole answer.
func (c *Retrying) Do(ctx context.Context, method, path string, header http.Header, body []byte) (*Answer, error) {
	reused := c.conn != nil
	answer, silent, err := c.once(ctx, method, path, header, body)

	if err != nil && reused && silent && ctx.Err() == nil {
		answer, _, err = c.once(ctx, method, path, header, body)
		if err == nil {
			answer.Retried = true
		}
	}

	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}

	return answer, nil
}

// Close drops the connection.
func (c *Retrying) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// once sends the request; silent tells that no byte of an answer came.
func (c *Retrying) once(ctx context.Context, method, path string, header http.Header, body []byte) (_ *Answer, silent bool, err error) {
	if c.conn == nil {
		if err := c.dial(ctx); err != nil {
			return nil, false, err
		}
	}

	// The end of the context ends a read that would wait for ever.
	conn := c.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	c.in.n = 0
	fresh := c.fresh
	c.fresh = false

	answer, err := c.exchange(ctx, method, path, header, body)
	if err != nil {
		silent = c.in.n == 0
		c.Close()

		if fresh && silent {
			err = fmt.Errorf("%w: %w", ErrNotTaken, err)
		}
	}

	return answer, silent, err
}

func (c *Retrying) dial(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.host)
	if err != nil {
		return connectError(err)
	}

	c.conn, c.fresh = conn, true
	c.in = &countingReader{from: conn}
	c.buf = bufio.NewReader(c.in)

	return nil
}

// connectError says what a failure to connect means. A listener that closes resets what
// waits in its queue, and where the client has not yet seen its connection made, it sees
// the reset at connect. That is the same loss as a reset right after: no request was
// taken. A refused connection is not: it says that nobody listened.
func connectError(err error) error {
	if errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("connecting: %w: %w", ErrNotTaken, err)
	}

	return fmt.Errorf("connecting: %w", err)
}

func (c *Retrying) exchange(ctx context.Context, method, path string, header http.Header, body []byte) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.host+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}

	maps.Copy(req.Header, header)

	if err := req.Write(c.conn); err != nil {
		return nil, fmt.Errorf("sending: %w", err)
	}

	res, err := http.ReadResponse(c.buf, req)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }()

	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer's body: %w", err)
	}

	if res.Close {
		c.Close()
	}

	return &Answer{Status: res.StatusCode, Header: res.Header, Body: text}, nil
}

type countingReader struct {
	from io.Reader
	n    int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.n += int64(n)

	return n, err
}
