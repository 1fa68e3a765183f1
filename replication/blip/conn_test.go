package blip

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// connect joins two connections by a real WebSocket. Both run until the test ends.
func connect(tb testing.TB, server, client Options) (atServer, atClient *Conn) {
	tb.Helper()
	came := make(chan *Conn, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil, server)
		if err != nil {
			tb.Error(err)
			return
		}
		go func() { _ = c.Run(context.Background()) }()
		came <- c
	}))
	atClient, _, err := Dial(tb.Context(), s.URL, nil, client)
	require.NoError(tb, err)
	go func() { _ = atClient.Run(context.Background()) }()
	atServer = <-came
	tb.Cleanup(func() {
		atClient.Drop(ErrClosed)
		atServer.Drop(ErrClosed)
		<-atClient.Done()
		<-atServer.Done()
		s.Close()
	})
	return atServer, atClient
}

// echo answers with what it was asked.
func echo(r *Request) {
	r.Reply(&Message{Properties: r.Properties, Body: r.Body, Compressed: r.Compressed})
}

// patience is how long tests wait for what must come; a loaded machine takes its time.
const patience = 2 * time.Minute

func withTimeout(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	tb.Cleanup(cancel)
	return ctx
}

func TestARequestIsAnswered(t *testing.T) {
	t.Parallel()
	_, c := connect(t, Options{Handle: echo}, Options{})
	for _, compressed := range []bool{false, true} {
		for _, size := range []int{0, 1, 100, frameSize - 40, frameSize, 200_000, 3 << 20} {
			body := bytes.Repeat([]byte("0123456789abcdef\x00\xff"), size/18+1)[:size]
			r, err := c.Call(withTimeout(t), &Message{
				Properties: Properties{{"Profile", "echo"}, {"", "ü"}}, Body: body, Compressed: compressed,
			})
			require.NoError(t, err)
			require.Equal(t, Properties{{"Profile", "echo"}, {"", "ü"}}, r.Properties)
			require.True(t, bytes.Equal(body, r.Body), "%d", size)
		}
	}
}

func TestWithoutAHandlerRequestsAreRefused(t *testing.T) {
	t.Parallel()
	_, c := connect(t, Options{}, Options{})
	_, err := c.Call(withTimeout(t), &Message{})
	require.Equal(t, &PeerError{Domain: "BLIP", Code: 404, Text: "No handler for BLIP request"}, err)
}
