package blip

import (
	"context"
	"crypto/rand"
	"math"
	"runtime"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// stuckSocket is of a peer that does not read.
type stuckSocket struct {
	testSocket
	stuck chan<- struct{}
}

func (s *stuckSocket) Write(ctx context.Context, kind websocket.MessageType, p []byte) error {
	s.stuck <- struct{}{}
	return s.testSocket.Write(ctx, kind, p)
}

// Not parallel: memory of other tests would count.
func TestAPeerThatDoesNotReadHoldsLittleMemory(t *testing.T) {
	const peers = 200
	stuck := make(chan struct{})
	body := make([]byte, 100<<10)
	var before, m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range peers {
		ws := &stuckSocket{testSocket{in: make(chan []byte), out: make(chan []byte), closed: make(chan struct{})}, stuck}
		c := newConn(ws, Options{})
		go func() { _ = c.Run(context.Background()) }()
		t.Cleanup(func() {
			c.Drop(ErrClosed)
			<-c.Done()
		})
		require.NoError(t, c.Send(t.Context(), &Message{Body: body}))
		<-stuck
	}
	runtime.GC()
	runtime.ReadMemStats(&m)
	require.Less(t, (int64(m.HeapAlloc)-int64(before.HeapAlloc))/peers, int64(80<<10), "three buffers, and what the socket copied")
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
