package harness

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// serveOnce answers each connection's first n requests and then closes it when the next
// request arrives, after writing rest.
func serveOnce(t *testing.T, n int, rest string) (url string, requests *int) {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })

	requests = new(int)

	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			in := bufio.NewReader(conn)

			for i := 0; ; i++ {
				if _, err := http.ReadRequest(in); err != nil {
					break
				}

				*requests++

				if i == n {
					_, _ = conn.Write([]byte(rest))

					break
				}

				_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
			}

			_ = conn.Close()
		}
	}()

	return "http://" + listener.Addr().String(), requests
}

func TestDecision40_SilenceOnAReusedConnectionIsRetriedOnce(t *testing.T) {
	t.Parallel()

	url, requests := serveOnce(t, 1, "")
	client, err := NewRetrying(url)
	require.NoError(t, err)
	t.Cleanup(client.Close)

	first, err := client.Do(t.Context(), http.MethodPut, "/a", nil, nil)
	require.NoError(t, err)
	require.False(t, first.Retried)

	second, err := client.Do(t.Context(), http.MethodPut, "/b", nil, nil)
	require.NoError(t, err)
	require.True(t, second.Retried)
	require.Equal(t, "ok", string(second.Body))
	require.Equal(t, 3, *requests)
}

func TestDecision40_NothingElseIsRetried(t *testing.T) {
	t.Parallel()

	t.Run("silence on a new connection", func(t *testing.T) {
		t.Parallel()

		url, requests := serveOnce(t, 0, "")
		client, err := NewRetrying(url)
		require.NoError(t, err)
		t.Cleanup(client.Close)

		_, err = client.Do(t.Context(), http.MethodGet, "/a", nil, nil)
		require.Error(t, err)
		require.Equal(t, 1, *requests)
	})
	t.Run("an answer cut short", func(t *testing.T) {
		t.Parallel()

		url, requests := serveOnce(t, 1, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
		client, err := NewRetrying(url)
		require.NoError(t, err)
		t.Cleanup(client.Close)

		_, err = client.Do(t.Context(), http.MethodGet, "/a", nil, nil)
		require.NoError(t, err)
		_, err = client.Do(t.Context(), http.MethodGet, "/b", nil, nil)
		require.Error(t, err)
		require.Equal(t, 2, *requests)
	})
}

// A closing listener's reset may come before connect returns; a refusal is never counted
// as that.
func TestDecision40_AResetWhileConnectingIsARequestNotTaken(t *testing.T) {
	t.Parallel()

	failed := func(errno syscall.Errno) error {
		return connectError(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)})
	}

	require.ErrorIs(t, failed(syscall.ECONNRESET), ErrNotTaken)
	require.NotErrorIs(t, failed(syscall.ECONNREFUSED), ErrNotTaken)
}
