package devidp

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecision10_OnlyThisMachineIsAnswered(t *testing.T) {
	t.Parallel()

	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 8080} }

	scenarios := []struct {
		name    string
		peer    string
		local   net.Addr
		host    string
		headers []string
		refused string // part of the reason; empty if answered
	}{
		{name: "IPv4", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "localhost:8080"},
		{name: "IPv6", peer: "[::1]:5000", local: tcp("::1"), host: "[::1]:8080"},
		{name: "IPv4 in IPv6", peer: "[::ffff:127.0.0.1]:5000", local: tcp("127.0.0.1"), host: "127.0.0.1:8080"},
		{name: "without a port", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "LOCALHOST"},
		{name: "another loopback address", peer: "127.8.8.8:5000", local: tcp("127.0.0.2"), host: "localhost"},
		{name: "Unix socket", peer: "@", local: &net.UnixAddr{Name: "/run/idp.sock", Net: "unix"}, host: "localhost"},

		{name: "peer in the network", peer: "192.168.1.7:5000", local: tcp("127.0.0.1"), host: "localhost", refused: "came from"},
		{name: "IPv6 peer in the network", peer: "[fe80::1]:5000", local: tcp("::1"), host: "localhost", refused: "came from"},
		{name: "peer unknown", peer: "", local: tcp("127.0.0.1"), host: "localhost", refused: "came from"},
		{name: "arrived at another address", peer: "127.0.0.1:5000", local: tcp("192.168.1.1"), host: "localhost", refused: "arrived at"},
		{name: "arrived at all addresses", peer: "127.0.0.1:5000", local: tcp("0.0.0.0"), host: "localhost", refused: "arrived at"},
		{name: "arrival unknown", peer: "127.0.0.1:5000", host: "localhost", refused: "unknown"},

		{name: "a name re-bound to loopback", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "evil.example:8080", refused: "Host"},
		{name: "no Host", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "", refused: "Host"},
		{name: "a subdomain of localhost", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "app.localhost", refused: "Host"},
		{name: "localhost as a prefix", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "localhost.evil.example", refused: "Host"},
		{name: "localhost with a dot", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "localhost.", refused: "Host"},
		{name: "a user in Host", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "localhost:80@evil.example", refused: "Host"},
		{name: "Host by network name over a Unix socket", peer: "@", local: &net.UnixAddr{Net: "unix"}, host: "idp.example", refused: "Host"},

		{name: "Forwarded", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "localhost", headers: []string{"Forwarded", "for=127.0.0.1"}, refused: "Forwarded"},
		{name: "X-Forwarded-For", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "localhost", headers: []string{"X-Forwarded-For", "127.0.0.1"}, refused: "X-Forwarded-For"},
		{name: "X-Forwarded-Host", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "localhost", headers: []string{"X-Forwarded-Host", "localhost"}, refused: "X-Forwarded-Host"},
		{name: "X-Forwarded-anything", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "localhost", headers: []string{"x-forwarded-prefix", ""}, refused: "X-Forwarded-Prefix"},
		{name: "X-Real-IP", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "localhost", headers: []string{"X-Real-IP", "127.0.0.1"}, refused: "X-Real-Ip"},
		{name: "Via", peer: "127.0.0.1:5000", local: tcp("127.0.0.1"), host: "localhost", headers: []string{"Via", "1.1 Caddy"}, refused: "Via"},
		{name: "over a Unix socket from a proxy", peer: "@", local: &net.UnixAddr{Net: "unix"}, host: "localhost", headers: []string{"Via", "1.1 Caddy"}, refused: "Via"},
	}

	handler := provision(t, testHandler(t))

	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()

			r := loopbackRequest(http.MethodGet, "/idp"+pathDiscovery, nil)
			r.RemoteAddr, r.Host = s.peer, s.host
			r = r.WithContext(context.WithValue(context.Background(), http.LocalAddrContextKey, s.local))

			for n := 0; n+1 < len(s.headers); n += 2 {
				r.Header.Set(s.headers[n], s.headers[n+1])
			}

			got := serve(handler, r)

			if s.refused == "" {
				require.Equal(t, http.StatusOK, got.status, got.body)

				return
			}

			require.Equal(t, http.StatusForbidden, got.status)
			require.Contains(t, got.body, "this machine only")
			require.Contains(t, got.body, s.refused)
		})
	}
}

func TestDecision10_EveryEndpointIsGuarded(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))

	for endpoint := range handler.provider.routes {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
			r := loopbackRequest(method, "/idp"+endpoint, nil)
			r.Header.Set("X-Forwarded-For", "203.0.113.9")
			require.Equal(t, http.StatusForbidden, serve(handler, r).status, "%s %s", method, endpoint)
		}
	}
}

func TestLoopbackURLsAreReadStrictly(t *testing.T) {
	t.Parallel()

	for _, url := range []string{
		"http://localhost", "http://localhost/", "https://localhost:5173/a/b?c=d", "http://127.0.0.1:1/",
		"http://[::1]:65535/x", "http://LOCALHOST/", "http://localhost:/", "HTTP://localhost/",
	} {
		want := url != "http://localhost:/" // an empty port is legal, and nobody writes it
		require.Equal(t, want, isLoopbackURL(url), url)
	}

	for _, url := range []string{
		"", "/x", "//localhost/", "localhost:8080", "ftp://localhost/", "javascript:alert(1)", "http:localhost",
		"http:///localhost", "http://evil.example/", "http://localhost.evil.example/", "http://evil.example#localhost",
		"http://localhost@evil.example/", "http://localhost:80@evil.example/", "http://user@localhost/",
		`http://localhost\@evil.example/`, `http://evil.example\@localhost/`, "http://evil.example%2f@localhost/",
		"http://localhost\t.evil.example/", "http://local\nhost/", " http://localhost/", "http://localhost/#token",
		"http://127.0.0.1.evil.example/", "http://127.1/", "http://2130706433/", "http://0.0.0.0/", "http://[::]/",
		"http://[::1%25eth0]/", "http://[::ffff:127.0.0.1]/", "http://localhost:80:80/", "http://localhost:x/",
		"http://ⓛocalhost/", "http://localhost:123456/",
	} {
		require.False(t, isLoopbackURL(url), "%q", url)
	}
}

func TestLoopbackOrigins(t *testing.T) {
	t.Parallel()

	for _, origin := range []string{"http://localhost:5173", "https://localhost", "http://127.0.0.1:3000", "http://[::1]:3000"} {
		require.True(t, isLoopbackOrigin(origin), origin)
	}

	for _, origin := range []string{"", "null", "http://evil.example", "http://localhost.evil.example", "file://", "ws://localhost", "http://localhost@evil.example"} {
		require.False(t, isLoopbackOrigin(origin), origin)
	}
}
