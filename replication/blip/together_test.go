package blip

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatIsQueuedTogetherIsSentWhenAllOfItIs(t *testing.T) {
	t.Parallel()
	came := make(chan *Request, 3)
	server, client := connect(t, Options{Handle: func(r *Request) { came <- r }}, Options{})
	answered := make(chan struct{}, 3)
	for range 3 {
		require.NoError(t, client.Start(withTimeout(t), &Message{Body: []byte("x")}, func(*Response, error) { answered <- struct{}{} }))
	}
	server.Together(func() {
		for range 3 {
			(<-came).Reply(&Message{})
		}
		server.mu.Lock()
		require.False(t, server.writing)
		require.Len(t, server.queue.messages, 3)
		server.mu.Unlock()
	})
	for range 3 {
		select {
		case <-answered:
		case <-time.After(patience):
			require.Fail(t, "not answered")
		}
	}
}
