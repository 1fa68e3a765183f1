package devidp

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// checkLoopback says why r is not surely a request of a program on this machine, or nil.
//
// All of DECISIONS 10 must hold. The peer alone would not do: a tunnel or a reverse
// proxy on this machine makes everybody a loopback peer (hence the forwarding headers),
// and so does a web page whose name was re-bound to 127.0.0.1 (hence Host).
func checkLoopback(r *http.Request) error {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return fmt.Errorf("%w: the local address of the connection is unknown", ErrNotLoopback)
	}

	if local.Network() != "unix" {
		if !isLoopbackAddr(local.String()) {
			return fmt.Errorf("%w: the connection arrived at %q, which is not a loopback address", ErrNotLoopback, local.String())
		}

		// RemoteAddr is the TCP peer; a client_ip comes from headers and is not asked.
		if !isLoopbackAddr(r.RemoteAddr) {
			return fmt.Errorf("%w: the connection came from %q, which is not a loopback address", ErrNotLoopback, r.RemoteAddr)
		}
	}

	if !isLoopbackHost(r.Host) {
		return fmt.Errorf("%w: the Host is %q, not localhost, 127.0.0.1 or [::1]", ErrNotLoopback, r.Host)
	}

	for name := range r.Header {
		if isForwardingHeader(name) {
			return fmt.Errorf("%w: the request has the header %s, so a proxy stands in front", ErrNotLoopback, name)
		}
	}

	return nil
}

func isForwardingHeader(name string) bool {
	name = strings.ToLower(name)

	return name == "forwarded" || name == "via" || name == "x-real-ip" || strings.HasPrefix(name, "x-forwarded-")
}

func isLoopbackAddr(hostport string) bool {
	addr, err := netip.ParseAddrPort(hostport)

	return err == nil && addr.Addr().Unmap().IsLoopback()
}

// isLoopbackHost tells whether a Host header (or the authority of a URL) is one of the
// three names of this machine, with or without a port.
func isLoopbackHost(authority string) bool {
	host := authority

	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host = authority[:i]

		if !isPort(authority[i+1:]) {
			return false
		}
	}

	return strings.EqualFold(host, "localhost") || host == "127.0.0.1" || host == "[::1]"
}

func isPort(s string) bool {
	if s == "" || len(s) > 5 {
		return false
	}

	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}

	return true
}

// isLoopbackOrigin tells whether an Origin header names a web page of this machine.
// The opaque origin "null" (sandboxed frames, files) is nobody's.
func isLoopbackOrigin(origin string) bool {
	for _, scheme := range []string{"http://", "https://"} {
		if authority, ok := strings.CutPrefix(origin, scheme); ok {
			return isLoopbackHost(authority)
		}
	}

	return false
}

// isLoopbackURL tells whether raw is an absolute http or https URL of this machine, read
// so strictly that no browser can read it as another machine's.
func isLoopbackURL(raw string) bool {
	for _, c := range []byte(raw) {
		// Browsers take a backslash for a slash and drop tabs and line breaks; RFC 3986
		// has none of them.
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\\\"<>^`{|}", c) >= 0 {
			return false
		}
	}

	u, err := url.Parse(raw)
	if err != nil || u.User != nil || strings.Contains(raw, "#") {
		return false
	}

	return (u.Scheme == "http" || u.Scheme == "https") && isLoopbackHost(u.Host)
}
