package rest

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// wire is a server of a handler that is reached by pipes, so that it lives in a bubble of
// synctest, and a client that does not read holds up who writes.
type wire struct {
	t      testing.TB
	conns  chan net.Conn
	client *http.Client
	closed chan struct{}
	once   sync.Once
}

func newWire(tb testing.TB, h *Handler) *wire {
	tb.Helper()
	w := &wire{t: tb, conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{
		Handler: http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			serveNoted(h, answer, r, http.NotFoundHandler())
		}),
		ReadHeaderTimeout: time.Minute,
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case w.conns <- far:
			return near, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	w.client = &http.Client{Transport: transport}
	go func() { _ = server.Serve(w) }()
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return w
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *wire) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// socket is a client's end of a WebSocket feed.
type socket struct {
	t  testing.TB
	ws *websocket.Conn
	// inflate reads the packed messages as one stream; nil before the first.
	inflate io.Reader
	packed  *io.PipeWriter
}

// dial opens the WebSocket of a feed for somebody; "" is a guest.
func (w *wire) dial(who, path string, header ...string) (*socket, *http.Response, error) {
	w.t.Helper()
	h := http.Header{}
	if who != "" {
		h.Set("Authorization", "Bearer "+who)
	}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	o := &websocket.DialOptions{HTTPClient: w.client, HTTPHeader: h}
	if offered := h["Sec-Websocket-Protocol"]; offered != nil {
		o.Subprotocols = strings.Split(offered[0], ",")
		delete(h, "Sec-Websocket-Protocol")
	}
	ws, answer, err := websocket.Dial(w.t.Context(), "http://example.com"+path, o)
	if err != nil {
		return nil, answer, err
	}
	ws.SetReadLimit(-1)
	s := &socket{t: w.t, ws: ws}
	w.t.Cleanup(func() { _ = ws.CloseNow() })
	return s, answer, nil
}

// open opens a feed of the database notes and sends its options.
func (w *wire) open(who, options string) *socket {
	w.t.Helper()
	s, _, err := w.dial(who, "/notes/_changes?feed=websocket")
	require.NoError(w.t, err)
	require.NoError(w.t, s.ws.Write(w.t.Context(), websocket.MessageText, []byte(options)))
	return s
}

// next is the next message that is no heartbeat, unpacked.
func (s *socket) next() string {
	s.t.Helper()
	for {
		text, err := s.read()
		require.NoError(s.t, err)
		if text != "" {
			return text
		}
	}
}

// read reads a message; a packed one is inflated as the next piece of one stream.
func (s *socket) read() (string, error) {
	kind, message, err := s.ws.Read(context.WithoutCancel(s.t.Context()))
	if err != nil || kind == websocket.MessageText {
		return string(message), err
	}
	if s.inflate == nil {
		if !bytes.HasPrefix(message, gzipHeader[:]) {
			return "", errors.New("the first message does not begin a gzip stream")
		}
		message = message[len(gzipHeader):]
		var stream io.Reader
		stream, s.packed = io.Pipe()
		s.inflate = flate.NewReader(stream)
		s.t.Cleanup(func() { _ = s.packed.Close() })
	}
	go func() { _, _ = s.packed.Write(message) }()
	var text []byte
	piece := make([]byte, 1<<10)
	for !json.Valid(text) {
		n, err := s.inflate.Read(piece)
		text = append(text, piece[:n]...)
		if err != nil {
			return string(text), err
		}
	}
	// What is left is the end of a flush, which the next message's read takes.
	return string(text), nil
}

// ended reads to the end and returns the close frame's code and reason, and what came before.
func (s *socket) ended() (websocket.CloseError, []string) {
	s.t.Helper()
	var before []string
	for {
		text, err := s.read()
		if err == nil {
			before = append(before, text)
			continue
		}
		closed, ok := errors.AsType[websocket.CloseError](err)
		require.True(s.t, ok, "no close frame: %v", err)
		return closed, before
	}
}

// rows are the rows of the next message.
func (s *socket) rows() []string {
	s.t.Helper()
	return rowsOf(s.t, s.next())
}

func rowsOf(tb testing.TB, message string) []string {
	tb.Helper()
	var rows []feedRow
	require.NoError(tb, json.Unmarshal([]byte(message), &rows), message)
	all := []string{}
	for _, row := range rows {
		all = append(all, row.String())
	}
	return all
}
