package caddysync

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/stretchr/testify/require"
)

// TestDecision11_HeadersOfStrangersSayNothing: a client that is not a trusted proxy must
// not choose the address that throttling sees, nor that its cookie goes without Secure.
func TestDecision11_HeadersOfStrangersSayNothing(t *testing.T) {
	t.Parallel()
	request := func(trusted, secure bool) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "http://inside/notes", nil)
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		r.Header.Set("X-Forwarded-Proto", "https, http")
		r.Header.Set("X-Forwarded-Host", "sync.example.com, inside")
		if secure {
			r.TLS = new(tls.ConnectionState)
		}
		return r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{
			caddyhttp.TrustedProxyVarKey: trusted, caddyhttp.ClientIPVarKey: "192.0.2.1",
		}))
	}
	addr := netip.MustParseAddr("192.0.2.1") // Caddy's word, not the header's
	require.Equal(t, auth.Client{Addr: addr, Host: "inside"}, clientOf(request(false, false)))
	require.Equal(t, auth.Client{Addr: addr, Host: "inside", Secure: true}, clientOf(request(false, true)))
	require.Equal(t, auth.Client{Addr: addr, Host: "sync.example.com", Secure: true}, clientOf(request(true, false)))
	require.Zero(t, clientOf(httptest.NewRequest(http.MethodGet, "/", nil)).Addr, "unknown")
}
