package rest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

const (
	// socketProtocol is the subprotocol that a page offers beside its one-time token: browsers
	// close a WebSocket whose server picks none of those that they offered.
	socketProtocol = "sync-changes"
	// socketReadBuffer and socketWriteBuffer are in bytes. What comes is one message, and
	// control frames. A row and its frame fit into what is written; what is longer goes out without it.
	socketReadBuffer  = 256
	socketWriteBuffer = 256
	// socketPatience is how long a message may take to be sent. Clients that work off what they
	// got do not read meanwhile; one that never reads gives its memory back.
	socketPatience = 5 * time.Minute
	// closePatience bounds the closing handshake: a feed whose lease ends must be gone within a
	// second (DECISIONS 38).
	closePatience = 500 * time.Millisecond
	// maxCloseReason is the longest reason of a close frame, in bytes (RFC 6455 section 5.5).
	maxCloseReason = 123
)

// errSocket is in every error of the connection itself, which nobody can be told of.
var errSocket = errors.New("the WebSocket failed")

// statusUnauthorized is registered for it (IANA, WebSocket Close Code Number Registry).
const statusUnauthorized websocket.StatusCode = 3000

// feedSocket is the WebSocket of a feed: each piece of it is a message, an array of rows.
type feedSocket struct {
	ws   *websocket.Conn
	conn net.Conn // below ws
	// ctx ends with the connection.
	ctx context.Context //nolint:containedctx // a feed lives as long as its connection
	// gzip packs the messages; nil if the client did not ask for it.
	gzip *gzipFrames
}

// acceptSocket makes a WebSocket of a request; if it cannot, it has answered.
func acceptSocket(w http.ResponseWriter, r *http.Request) (*feedSocket, error) {
	h := &socketHijack{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // checkHandshakeOrigin has looked at it
		Subprotocols:       []string{socketProtocol},
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, fmt.Errorf("accepting a WebSocket: %w", err)
	}
	return &feedSocket{ws: ws, conn: h.conn}, nil
}

// socketHijack gives a WebSocket small buffers in place of those of net/http, of 4 KiB each.
type socketHijack struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack implements http.Hijacker.
func (h *socketHijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return conn, rw, err
	}
	h.conn = conn
	_ = conn.SetDeadline(time.Time{}) // those of the server are for requests
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	reader := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn), max(socketReadBuffer, len(early)))
	_, _ = reader.Peek(len(early)) // what is buffered is what websocket.Accept takes over
	return conn, bufio.NewReadWriter(reader, bufio.NewWriterSize(conn, socketWriteBuffer)), nil
}

// send sends rows as a message, each of which has a comma before it, and returns their
// memory.
func (s *feedSocket) send(rows []byte) ([]byte, error) {
	if len(rows) == 0 {
		return rows, nil
	}
	rows[0] = '['
	rows = append(rows, ']')
	if s.gzip == nil {
		return rows, s.write(websocket.MessageText, rows)
	}
	packed, err := s.gzip.pack(rows)
	if err != nil {
		return rows, fmt.Errorf("packing changes: %w", err)
	}
	return rows, s.write(websocket.MessageBinary, packed)
}

// caughtUp tells the client that it has all there was. It is text even where messages are
// packed: Couchbase Lite for .NET looks for these two characters.
func (s *feedSocket) caughtUp() error { return s.write(websocket.MessageText, []byte("[]")) }

// heartbeat sends an empty message, which clients pass over.
func (s *feedSocket) heartbeat() error { return s.write(websocket.MessageText, nil) }

// write sends a message. How long it may take is up to the feed's lease: a context with a deadline
// would stay with the connection, ten thousand times, until the next message.
func (s *feedSocket) write(kind websocket.MessageType, message []byte) error {
	if err := s.ws.Write(s.ctx, kind, message); err != nil {
		return fmt.Errorf("%w: sending changes: %w", errSocket, err)
	}
	return nil
}

// cut makes a stuck write fail.
func (s *feedSocket) cut() { _ = s.conn.SetDeadline(time.Unix(1, 0)) }

// close ends the connection with a close frame. It does not wait long for the client's.
func (s *feedSocket) close(code websocket.StatusCode, reason string) {
	if len(reason) > maxCloseReason {
		reason = string(bytes.ToValidUTF8([]byte(reason[:maxCloseReason-3]), nil)) + "…"
	}
	_ = s.conn.SetDeadline(time.Now().Add(closePatience))
	_ = s.ws.Close(code, reason) // that the client did not confirm it changes nothing
	_ = s.ws.CloseNow()
}
