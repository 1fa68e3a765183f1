package harness

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is a client's TCP connection for one WebSocket. It remembers what a WebSocket library
// does not tell: the answer as it was sent, and whether the server closed with a close frame.
type wire struct {
	net.Conn

	mu     sync.Mutex
	frames frameScanner
	ended  time.Time // when the end was found, zero before

	stalled atomic.Bool
	gone    chan struct{} // closed by Close
	closing sync.Once
}

func newWire(conn net.Conn) *wire { return &wire{Conn: conn, gone: make(chan struct{})} }

// Close implements net.Conn.
func (w *wire) Close() error {
	w.closing.Do(func() { close(w.gone) })

	return w.Conn.Close()
}

// Read implements net.Conn.
func (w *wire) Read(b []byte) (int, error) {
	if w.stalled.Load() {
		<-w.gone
	}

	n, err := w.Conn.Read(b)

	w.mu.Lock()
	defer w.mu.Unlock()

	w.frames.take(b[:n])

	if err != nil && w.ended.IsZero() {
		w.ended = time.Now()
	}

	return n, err
}

// over notes the end where writing found it, before reading did.
func (w *wire) over() {
	w.mu.Lock()
	defer w.mu.Unlock()

	if w.ended.IsZero() {
		w.ended = time.Now()
	}
}

func (w *wire) state() (head string, closeFrame bool, ended time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()

	return string(w.frames.head), w.frames.closed, w.ended
}

// frameScanner follows what a server sends on a WebSocket's connection: the head of its
// answer, then frames, which are not masked (RFC 6455 section 5.2).
type frameScanner struct {
	head   []byte
	open   bool // the head is complete
	header []byte
	skip   uint64 // bytes of the payload that are to come
	closed bool   // there was a close frame
	count  int    // of frames that began
}

var endOfHead = []byte("\r\n\r\n") // a constant

func (s *frameScanner) take(b []byte) {
	for len(b) > 0 {
		switch {
		case s.skip > 0:
			n := min(s.skip, uint64(len(b)))
			b, s.skip = b[n:], s.skip-n
		case !s.open:
			s.head = append(s.head, b[0])
			s.open = bytes.HasSuffix(s.head, endOfHead)
			b = b[1:]
		default:
			s.header = append(s.header, b[0])
			s.takeHeader()
			b = b[1:]
		}
	}
}

// takeHeader begins a frame when its header is complete.
func (s *frameScanner) takeHeader() {
	const lengthBits, opcodeBits, opcodeClose = 0x7f, 0x0f, 0x08

	if len(s.header) < 2 {
		return
	}

	size := uint64(s.header[1] & lengthBits)

	switch {
	case size == 126 && len(s.header) < 4, size == 127 && len(s.header) < 10:
		return
	case size == 126:
		size = uint64(binary.BigEndian.Uint16(s.header[2:]))
	case size == 127:
		size = binary.BigEndian.Uint64(s.header[2:])
	}

	s.closed = s.closed || s.header[0]&opcodeBits == opcodeClose
	s.count++
	s.header, s.skip = s.header[:0], size
}
