package blip

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a listener whose one connection is a net.Pipe, which has no buffer: a write
// takes as long as the peer wants. It works with the time of synctest.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// pipePeer is the other end of a connection, after the handshake.
func pipePeer(t *testing.T, o Options) (net.Conn, *Conn, chan error) {
	t.Helper()
	came, run := make(chan *Conn, 1), make(chan error, 1)
	listener := pipes{make(chan net.Conn, 1)}
	s := &http.Server{ReadHeaderTimeout: time.Hour, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil, o)
		if err != nil {
			t.Error(err)
			return
		}
		came <- c
		go func() { run <- c.Run(context.Background()) }()
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(listener)
	}()
	here, there := net.Pipe()
	listener.conns <- there
	dialRaw(t, here)
	c := <-came
	t.Cleanup(func() {
		_ = here.Close()
		c.Drop(ErrClosed)
		<-c.Done()
		close(listener.conns)
		<-served
	})
	return here, c, run
}

func readAway(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func TestAPongBehindASlowFrameDoesNotEndTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn, c, run := pipePeer(t, Options{Handle: echo})
		require.NoError(t, c.Send(t.Context(), &Message{Body: make([]byte, 2*frameSize)}))
		synctest.Wait()
		for _, payload := range []string{"first", "last"} {
			ping := append([]byte{0x89, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
			_, err := conn.Write(ping)
			require.NoError(t, err)
		}
		time.Sleep(50 * time.Second) // the WebSocket's own pong would have given up after 5
		require.Empty(t, run)
		br := bufio.NewReader(conn)
		head := make([]byte, 4)
		_, err := io.ReadFull(br, head)
		require.NoError(t, err)
		require.Equal(t, []byte{0x82, 126}, head[:2])
		_, err = br.Discard(int(head[2])<<8 | int(head[3]))
		require.NoError(t, err)
		pong := make([]byte, 6)
		_, err = io.ReadFull(br, pong)
		require.NoError(t, err)
		require.Equal(t, "\x8a\x04last", string(pong), "the first is not answered any more")
		go readAway(conn)
	})
}

func TestAPingIsAnswered(t *testing.T) {
	t.Parallel()
	ws, _, _ := realPeer(t, Options{Handle: echo})
	ctx := ws.CloseRead(t.Context())
	for range 10 {
		require.NoError(t, ws.Ping(ctx))
	}
}

func TestPermessageDeflateIsNotAccepted(t *testing.T) {
	t.Parallel()
	s, came := acceptor(t, Options{Handle: echo})
	defer s.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	require.NoError(t, err)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Extensions": "permessage-deflate",
	} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	require.Empty(t, response.Header.Get("Sec-WebSocket-Extensions"))
	_ = response.Body.Close()
	<-(<-came).Done()
}

func TestWhatIsNoWebSocketIsRefused(t *testing.T) {
	t.Parallel()
	s := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil, Options{})
		if c != nil || err == nil {
			t.Error("accepted")
		}
	})
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	require.Equal(t, http.StatusUpgradeRequired, w.Code)
}
