package standin

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Internet is an HTTP proxy that answers for the hosts of the stand-ins itself, with
// certificates of its own authority, and for no other.
type Internet struct {
	// CAFile is the authority's certificate, for the provider's ca_file.
	CAFile string

	proxy     *httptest.Server
	authority *authority
	secure    *listener
	mux       *http.ServeMux

	mu      sync.Mutex
	hosts   []string
	fetched []string
}

// NewInternet is there as long as the test.
func NewInternet(tb testing.TB) *Internet {
	tb.Helper()

	authority, err := newAuthority()
	require.NoError(tb, err)

	n := &Internet{
		CAFile:    filepath.Join(tb.TempDir(), "ca.pem"),
		authority: authority,
		secure:    newListener(),
		mux:       http.NewServeMux(),
	}
	require.NoError(tb, os.WriteFile(n.CAFile, authority.pem(), 0o600))

	server := &http.Server{Handler: http.HandlerFunc(n.serve)}
	go func() { _ = server.Serve(n.secure) }()

	n.proxy = httptest.NewServer(http.HandlerFunc(n.connect))

	tb.Cleanup(func() {
		n.proxy.Close()
		_ = server.Close()
	})

	return n
}

// Env makes a process send its requests here.
func (n *Internet) Env() []string {
	return []string{"HTTPS_PROXY=" + n.proxy.URL, "https_proxy=" + n.proxy.URL, "NO_PROXY=", "no_proxy="}
}

// Fetched are the URLs that were asked for, in order.
func (n *Internet) Fetched() []string {
	n.mu.Lock()
	defer n.mu.Unlock()

	return slices.Clone(n.fetched)
}

// handle answers https://<host>/<path>.
func (n *Internet) handle(host, path string, answer http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()

	if !slices.Contains(n.hosts, host) {
		n.hosts = append(n.hosts, host)
	}

	n.mux.HandleFunc(host+path, answer)
}

func (n *Internet) serve(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.fetched = append(n.fetched, "https://"+r.Host+r.URL.Path)
	n.mu.Unlock()

	n.mux.ServeHTTP(w, r)
}

// connect is the proxy's side (RFC 9110 section 9.3.6).
func (n *Internet) connect(w http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(r.Host)
	if r.Method != http.MethodConnect || err != nil || port != "443" || !n.known(host) {
		http.Error(w, "there is no such host here", http.StatusBadGateway)

		return
	}

	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "no connection to take over", http.StatusInternalServerError)

		return
	}

	if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); err != nil {
		_ = conn.Close()

		return
	}

	n.secure.hand(tls.Server(&bufferedConn{conn, buffered.Reader}, &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{n.authority.certificate(host)},
	}))
}

func (n *Internet) known(host string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()

	return slices.Contains(n.hosts, host)
}

// bufferedConn reads first what was read ahead.
type bufferedConn struct {
	net.Conn

	reader *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }

// listener accepts the connections that it is handed.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *listener) hand(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	err := errors.New("closed already")
	l.once.Do(func() {
		close(l.closed)

		err = nil
	})

	return err
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
