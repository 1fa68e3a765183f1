package blip

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// faulty is a stream with a fault in it.
type faulty struct{ closed chan struct{} }

func (*faulty) Read([]byte) (int, error) { panic("fault") }
func (f *faulty) Close() error           { close(f.closed); return nil }

func TestAPanicWhileWritingEndsTheConnectionAlone(t *testing.T) {
	t.Parallel()
	fault := errors.New("the fault")
	var conn *Conn
	p := newPeer(t, Options{Recover: func() {
		if recover() != nil {
			conn.Drop(fault)
		}
	}})
	conn = p.conn
	stream := &faulty{make(chan struct{})}
	came := make(chan error, 1)
	require.NoError(t, conn.Start(t.Context(), &Message{Stream: stream}, func(_ *Response, err error) { came <- err }))
	require.ErrorIs(t, <-came, fault)
	select {
	case <-stream.closed:
	case <-time.After(10 * time.Second):
		require.Fail(t, "the stream is not closed")
	}
	require.ErrorIs(t, <-p.run, fault)
}
