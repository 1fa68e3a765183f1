package blip

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// testSocket stands for a WebSocket: what a Conn writes and reads are frames in channels.
type testSocket struct {
	in, out chan []byte

	mu     sync.Mutex
	closed chan struct{}
	code   websocket.StatusCode // of our close frame; 0 if there was none
}

func (s *testSocket) Reader(ctx context.Context) (websocket.MessageType, io.Reader, error) {
	select {
	case b, ok := <-s.in:
		if !ok {
			return 0, nil, websocket.CloseError{Code: websocket.StatusNormalClosure}
		}
		return websocket.MessageBinary, bytes.NewReader(b), nil
	case <-ctx.Done():
		s.close(0)
		return 0, nil, ctx.Err()
	case <-s.closed:
		return 0, nil, net.ErrClosed
	}
}

func (s *testSocket) Write(_ context.Context, _ websocket.MessageType, p []byte) error {
	select {
	case s.out <- bytes.Clone(p):
		return nil
	case <-s.closed:
		return net.ErrClosed
	}
}

func (s *testSocket) Close(code websocket.StatusCode, _ string) error {
	s.close(code)
	return nil
}

func (s *testSocket) CloseNow() error {
	s.close(0)
	return nil
}

func (s *testSocket) close(code websocket.StatusCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
	default:
		s.code = code
		close(s.closed)
	}
}

// peer is the other end of a connection, by hand: it does what a test says, be it wrong.
type peer struct {
	tb   testing.TB
	ws   *testSocket
	conn *Conn
	enc  encoder
	dec  decoder
	run  chan error
	last error
}

// newPeer runs a connection with a peer by hand.
func newPeer(tb testing.TB, o Options) *peer {
	tb.Helper()
	ws := &testSocket{in: make(chan []byte), out: make(chan []byte), closed: make(chan struct{})}
	if o.Handle == nil {
		o.Handle = echo
	}
	p := &peer{tb: tb, ws: ws, conn: newConn(ws, o), run: make(chan error, 1)}
	go func() { p.run <- p.conn.Run(context.Background()) }()
	tb.Cleanup(func() {
		p.conn.Drop(errors.New("the test is over"))
		<-p.conn.Done()
		p.enc.release()
	})
	return p
}

// raw hands in a frame; false if the connection is over.
func (p *peer) raw(b []byte) bool {
	select {
	case p.ws.in <- b:
		return true
	case <-p.ws.closed:
		return false
	}
}

// send hands in a frame with right checksum.
func (p *peer) send(number uint64, flags byte, content []byte) bool {
	b, _, err := p.enc.encode(nil, number, flags, content)
	require.NoError(p.tb, err)
	return p.raw(b)
}

// message encodes a whole message, which tests cut into frames.
func message(body string, properties ...Property) []byte {
	b, err := Properties(properties).encode()
	if err != nil {
		panic(err)
	}
	return append(b, body...)
}

// sent is a frame that the connection has sent.
type sent struct {
	number  uint64
	flags   byte
	content string // without checksum, inflated
	wire    int    // what counts for flow control
	size    int
	total   uint64 // of an acknowledgement
}

func (s sent) kind() byte { return s.flags & typeMask }

// next waits for the next frame.
func (p *peer) next() sent {
	p.tb.Helper()
	select {
	case b := <-p.ws.out:
		return p.parse(b)
	case <-p.ws.closed:
		require.FailNow(p.tb, "the connection is over")
		return sent{}
	}
}

func (p *peer) parse(b []byte) sent {
	p.tb.Helper()
	f, err := parseFrame(b)
	require.NoError(p.tb, err)
	s := sent{number: f.number, flags: byte(f.flags), wire: len(f.payload), size: len(b)}
	if f.kind() >= typeAckRequest {
		s.total, err = parseAck(&f)
		require.NoError(p.tb, err)
		return s
	}
	require.NoError(p.tb, p.dec.decode(&f, func(b []byte) error {
		s.content += string(b)
		return nil
	}))
	return s
}

// nextMessage waits for a message that comes in frames without others between.
func (p *peer) nextMessage() (first sent, properties Properties, body string) {
	p.tb.Helper()
	first = p.next()
	all := first.content
	for s := first; s.flags&flagMore != 0; {
		s = p.next()
		all += s.content
	}
	size, n := binary.Uvarint([]byte(all))
	properties, err := parseProperties([]byte(all[n : n+int(size)]))
	require.NoError(p.tb, err)
	return first, properties, all[n+int(size):]
}

// ended waits for the end of the connection.
func (p *peer) ended() error {
	if p.last == nil {
		p.last = <-p.run
	}
	return p.last
}

// requireEnd says how the connection must have ended.
func (p *peer) requireEnd(is error, code websocket.StatusCode) {
	p.tb.Helper()
	err := p.ended()
	require.ErrorIs(p.tb, err, is)
	require.ErrorIs(p.tb, err, ErrClosed)
	require.Equal(p.tb, code, p.ws.code)
}

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// gate is a writer that takes nothing before it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	all  bytes.Buffer
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) Write(b []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.all.Write(b)
}
