package auth

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// forwardingHeaders are what proxies add. Whatever has one of them came from elsewhere.
var forwardingHeaders = []string{"Forwarded", "X-Real-Ip", "Via"}

// Loopback reports whether a request can only have been made on this machine by
// somebody who meant to (DECISIONS 10): the TCP peer (never client_ip) and the local
// address are loopback or a Unix socket, the Host is one that no foreign name can point
// to (a page elsewhere may resolve its own name to 127.0.0.1), and no proxy was between.
func Loopback(r *http.Request) bool {
	return loopbackPeer(r.RemoteAddr) && loopbackLocal(r) && loopbackHostHeader(r.Host) && !forwarded(r.Header)
}

func loopbackPeer(remote string) bool {
	if remote == "" || remote == "@" || strings.HasPrefix(remote, "/") {
		return true // a Unix socket's; loopbackLocal checks that it is one
	}
	addr, err := netip.ParseAddrPort(remote)
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

func loopbackLocal(r *http.Request) bool {
	switch a := r.Context().Value(http.LocalAddrContextKey).(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback() && strings.Contains(r.RemoteAddr, ":")
	case *net.UDPAddr: // HTTP/3
		return a.IP.IsLoopback() && strings.Contains(r.RemoteAddr, ":")
	case *net.UnixAddr:
		return true
	}
	return false
}

func loopbackHostHeader(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
		if strings.HasPrefix(host, "[") {
			name = "[" + h + "]"
		}
	}
	return strings.EqualFold(name, "localhost") || name == "127.0.0.1" || name == "[::1]"
}

func forwarded(h http.Header) bool {
	for _, name := range forwardingHeaders {
		if _, there := h[name]; there {
			return true
		}
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}
