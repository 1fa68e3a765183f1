package caddysync

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddysync/caddy-sync/auth"
)

// clientOf says who is at the other end of the connection. What headers say about it
// counts only if Caddy trusts the proxy that sent them (DECISIONS 11).
func clientOf(r *http.Request) auth.Client {
	c := auth.Client{Secure: r.TLS != nil, Host: r.Host}
	if text, ok := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ok {
		c.Addr, _ = netip.ParseAddr(text) // invalid if unknown, as for a Unix socket
	}
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); !trusted {
		return c
	}
	if proto := firstOf(r.Header["X-Forwarded-Proto"]); proto != "" {
		c.Secure = strings.EqualFold(proto, "https")
	}
	if host := firstOf(r.Header["X-Forwarded-Host"]); host != "" {
		c.Host = host
	}
	return c
}

// firstOf returns the first element of a list in headers: what the first proxy said.
func firstOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	first, _, _ := strings.Cut(values[0], ",")
	return strings.TrimSpace(first)
}
