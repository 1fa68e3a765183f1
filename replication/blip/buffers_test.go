package blip

import (
	"context"
	"crypto/rand"
	"io"
	"math"
	"net"
	"runtime"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// stuckSocket is of a peer that does not read.
type stuckSocket struct {
	*testSocket
	stuck chan<- struct{}
}

func (s *stuckSocket) Write(ctx context.Context, kind websocket.MessageType, p []byte) error {
	s.stuck <- struct{}{}
	return s.testSocket.Write(ctx, kind, p)
}

// slowSocket is of a peer whose frame does not come to its end.
type slowSocket struct {
	*testSocket
	stuck chan<- struct{}
}

func (s *slowSocket) Reader(context.Context) (websocket.MessageType, io.Reader, error) {
	return websocket.MessageBinary, s, nil
}

// Read implements io.Reader.
func (s *slowSocket) Read([]byte) (int, error) {
	s.stuck <- struct{}{}
	<-s.closed
	return 0, net.ErrClosed
}

// Not parallel: memory of other tests would count.
func TestAPeerThatIsSlowHoldsLittleMemory(t *testing.T) {
	stuck, body := make(chan struct{}), make([]byte, 100<<10)
	require.Less(t, heldByEach(t, func(ws *testSocket) {
		c := run(t, &stuckSocket{ws, stuck})
		require.NoError(t, c.Send(t.Context(), &Message{Body: body}))
		<-stuck
	}), int64(80<<10), "three buffers to write from, and what the socket copied")
	require.Less(t, heldByEach(t, func(ws *testSocket) {
		run(t, &slowSocket{ws, stuck})
		<-stuck
	}), int64(30<<10), "one to read into")
}

// heldByEach tells how many bytes each of many connections holds.
func heldByEach(t *testing.T, connect func(*testSocket)) int64 {
	t.Helper()
	const peers = 200
	var before, m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range peers {
		connect(&testSocket{in: make(chan []byte), out: make(chan []byte), closed: make(chan struct{})})
	}
	runtime.GC()
	runtime.ReadMemStats(&m)
	return (int64(m.HeapAlloc) - int64(before.HeapAlloc)) / peers
}

func run(t *testing.T, ws socket) *Conn {
	t.Helper()
	c := newConn(ws, Options{})
	go func() { _ = c.Run(context.Background()) }()
	t.Cleanup(func() {
		c.Drop(ErrClosed)
		<-c.Done()
	})
	return c
}

func TestAFrameFitsItsBuffer(t *testing.T) {
	t.Parallel()
	content := make([]byte, frameSize-frameOverhead)
	_, _ = rand.Read(content)
	for _, flags := range []byte{0, flagCompressed} {
		var e encoder
		b, _, err := e.encode(nil, math.MaxUint64, flags, content)
		require.NoError(t, err)
		require.LessOrEqual(t, len(b), frameSize)
		e.release()
	}
}
