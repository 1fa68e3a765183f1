package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConnReadsAnswersOfKnownAndUnknownLength(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 5000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/short":
			w.Header().Set("Set-Cookie", "a=b")
			_, _ = fmt.Fprint(w, "hello")
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		default:
			for i := 0; i < len(long); i += 1000 {
				_, _ = fmt.Fprint(w, long[i:i+1000])
				_ = http.NewResponseController(w).Flush()
			}
		}
	}))
	t.Cleanup(server.Close)
	c, err := dial(server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(c.close)
	for range 2 { // on one connection
		require.NoError(t, c.do([]byte("GET /short HTTP/1.1\r\nHost: a\r\n\r\n")))
		require.Equal(t, 200, c.status)
		require.Equal(t, "hello", string(c.body))
		require.Equal(t, "a=b", c.headerValue("Set-Cookie"))
		require.Empty(t, c.headerValue("Cookie"))
		require.NoError(t, c.do([]byte("GET /none HTTP/1.1\r\nHost: a\r\n\r\n")))
		require.Equal(t, 204, c.status)
		require.Empty(t, c.body)
		require.NoError(t, c.do([]byte("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")))
		require.Equal(t, long, string(c.body))
	}
}
