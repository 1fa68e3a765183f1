package lite

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/http"
	"strings"
	"sync"
)

// tap decodes what goes over a connection in both directions, checks the framing of what
// the server sends, and keeps all messages.
type tap struct {
	net.Conn
	violate func(rule, format string, args ...any)

	mu       sync.Mutex
	in, out  direction
	messages []Message
	asked    map[askedKey]string // profiles of requests, by who asked and number
	drop     int                 // cut the connection after so many messages of the server; 0: never
	seen     int
}

type askedKey struct {
	byServer bool
	number   uint64
}

// direction is what one side sends.
type direction struct {
	fromServer bool
	upgraded   bool
	plain      bool // an answer that refuses the handshake
	buffer     []byte
	frame      []byte // of a WebSocket message in several frames
	blip       blipReader
}

func newTap(c net.Conn, violate func(rule, format string, args ...any)) *tap {
	t := &tap{Conn: c, violate: violate, asked: make(map[askedKey]string)}
	t.in.fromServer = true
	t.in.blip.init()
	t.out.blip.init()
	return t
}

// Read implements net.Conn.
func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.mu.Lock()
	cut := t.feed(&t.in, b[:n])
	t.mu.Unlock()
	if cut {
		_ = t.Conn.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// Write implements net.Conn.
func (t *tap) Write(b []byte) (int, error) {
	t.mu.Lock()
	t.feed(&t.out, b)
	t.mu.Unlock()
	return t.Conn.Write(b)
}

// recorded is what went over the connection so far.
func (t *tap) recorded() []Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Message(nil), t.messages...)
}

func (t *tap) feed(d *direction, b []byte) (cut bool) {
	d.buffer = append(d.buffer, b...)
	for t.step(d) {
	}
	return t.drop > 0 && t.seen >= t.drop
}

func (t *tap) step(d *direction) bool {
	if !d.upgraded {
		end := bytes.Index(d.buffer, []byte("\r\n\r\n"))
		if end < 0 {
			return false
		}
		t.head(d, string(d.buffer[:end]))
		d.buffer = d.buffer[end+4:]
		return true
	}
	if d.plain {
		return false
	}
	return t.webSocketFrame(d)
}

// head notes the head of the request or of the answer.
func (t *tap) head(d *direction, text string) {
	lines := strings.Split(text, "\r\n")
	m := Message{FromServer: d.fromServer, Kind: Handshake, Body: []byte(text), Length: len(text)}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		m.Properties = append(m.Properties, Property{http.CanonicalHeaderKey(name), strings.TrimSpace(value)})
	}
	t.messages = append(t.messages, m)
	d.upgraded = true
	d.plain = d.fromServer && !strings.HasPrefix(text, "HTTP/1.1 101 ")
}

// webSocketFrame takes one frame of RFC 6455 from the buffer.
func (t *tap) webSocketFrame(d *direction) bool {
	b := d.buffer
	if len(b) < 2 {
		return false
	}
	final, reserved, op, masked := b[0]&0x80 != 0, b[0]&0x70, b[0]&15, b[1]&0x80 != 0
	size, at := uint64(b[1]&127), 2
	switch {
	case size == 126 && len(b) >= 4:
		size, at = uint64(binary.BigEndian.Uint16(b[2:])), 4
	case size == 127 && len(b) >= 10:
		size, at = binary.BigEndian.Uint64(b[2:]), 10
	case size >= 126:
		return false
	}
	var key []byte
	if masked && len(b) >= at+4 {
		key = b[at : at+4]
		at += 4
	}
	if uint64(len(b)) < uint64(at)+size || masked && key == nil {
		return false
	}
	payload := bytes.Clone(b[at : uint64(at)+size])
	for i := range payload {
		if masked {
			payload[i] ^= key[i%4]
		}
	}
	d.buffer = b[uint64(at)+size:]
	if d.fromServer {
		t.checkFrame(masked, reserved, size)
	}
	t.webSocketMessage(d, op, final, payload)
	return true
}

func (t *tap) checkFrame(masked bool, reserved byte, size uint64) {
	if masked || reserved != 0 {
		t.violate("blip.md 1.1", "a WebSocket frame that is masked or uses an extension")
	}
	if size > 1<<20 {
		t.violate("blip.md 1.5", "a WebSocket message of %d bytes", size)
	}
}

func (t *tap) webSocketMessage(d *direction, op byte, final bool, payload []byte) {
	m := Message{FromServer: d.fromServer}
	switch op {
	case 8:
		m.Kind = Close
		if len(payload) >= 2 {
			m.Code, m.Body = int(binary.BigEndian.Uint16(payload)), payload[2:]
			m.Length = len(m.Body)
		}
	case 9:
		m.Kind = Ping
	case 10:
		m.Kind = Pong
	case 0, 2:
		d.frame = append(d.frame, payload...)
		if final {
			t.blipFrame(d, d.frame)
			d.frame = nil
		}
		return
	default:
		if d.fromServer {
			t.violate("blip.md 2.2", "a WebSocket message of kind %d", op)
		}
		return
	}
	t.messages = append(t.messages, m)
}

func (t *tap) blipFrame(d *direction, frame []byte) {
	m, err := d.blip.frame(frame)
	if err != nil {
		if d.fromServer {
			t.violate("blip.md 2.8", "%v", err)
		}
		return
	}
	if m == nil {
		return
	}
	m.FromServer = d.fromServer
	switch m.Kind {
	case Req:
		t.asked[askedKey{d.fromServer, m.Number}] = m.Profile()
	case Res, Err:
		key := askedKey{!d.fromServer, m.Number}
		profile, ok := t.asked[key]
		if !ok && d.fromServer {
			t.violate("blip.md 2.1", "an answer to request %d, which has been answered or was never sent", m.Number)
		}
		delete(t.asked, key)
		m.To = profile
	}
	if d.fromServer && m.Kind != AckReq && m.Kind != AckRes {
		t.seen++
	}
	t.messages = append(t.messages, *m)
}
