package blip

import (
	"bufio"
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// Accept makes a connection of a request for a WebSocket. If it cannot, it has answered.
//
// It differs from websocket.Accept and NewConn in two ways. There is never
// permessage-deflate: frames are deflated already (blip.md 1.1). And pings are answered by
// the goroutine that writes: the WebSocket gives itself five seconds to write a pong, and
// ends the connection if a frame of data takes longer, which it does on a slow link
// (blip.md 1.5).
func Accept(w http.ResponseWriter, r *http.Request, a *websocket.AcceptOptions, o Options) (*Conn, error) {
	options := websocket.AcceptOptions{}
	if a != nil {
		options = *a
	}
	var c *Conn // is set before anything is read
	options.CompressionMode = websocket.CompressionDisabled
	options.OnPingReceived = func(_ context.Context, payload []byte) bool {
		c.ping(payload)
		return false
	}
	h := &hijack{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &options)
	if err != nil {
		return nil, err
	}
	c = newCorked(ws, h.cork, o)
	return c, nil
}

// hijack puts a cork on the network connection that a WebSocket is made of, and keeps it.
type hijack struct {
	http.ResponseWriter
	cork *cork
}

// Hijack implements http.Hijacker.
func (h *hijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return conn, rw, err
	}
	h.cork = &cork{Conn: conn}
	return h.cork, bufio.NewReadWriter(rw.Reader, bufio.NewWriterSize(h.cork, rw.Writer.Size())), nil
}

// ping has a ping answered. Only the last one needs to be (RFC 6455 5.5.3).
func (c *Conn) ping(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.pong = append(make([]byte, 0, len(payload)), payload...)
		c.kick()
	}
}

// appendPong makes the frame of a pong: final, not masked as it is a server's, and at most
// 125 bytes as its ping was (RFC 6455 5.2, 5.5).
func appendPong(b, payload []byte) []byte {
	const finalPong = 0x80 | 0xa
	b = append(b, finalPong, byte(len(payload)))
	return append(b, payload...)
}
