package auth

import (
	"context"
	"net/netip"
)

// Client is what the server knows about the connection. The Caddy module puts it
// into the request's context; it honours trusted proxies, which this package cannot
// (DECISIONS 11).
type Client struct {
	// Addr is the client's address as Caddy sees it; invalid if unknown.
	Addr netip.Addr
	// Secure is set when the browser's request came by TLS.
	Secure bool
	// Host is the Host that the browser sees.
	Host string
}

type clientKey struct{}

// WithClient returns a context that carries c.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientOf returns what WithClient put into ctx, the zero Client if nothing did.
func ClientOf(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}
