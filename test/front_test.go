package test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// What operators put in front of sync must not change what clients see.

func TestLiveSyncBehindEncode(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{Before: "encode zstd gzip"}})
	site{Server: server, issuer: server.Issuer}.run(t, "live", map[string]string{"ADAPTER": "memory", "WRITES": "20"})

	// A feed is not held back by the compressor, which would wait for more to compress.
	header := bearer(t, server, "alice")
	put := func(id string) {
		got := ask(t, server, request{method: http.MethodPut, url: "/notes/" + id, body: `{}`, header: header})
		require.Equal(t, http.StatusCreated, got.status, got.body)
	}
	put("before")

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/notes/_changes?feed=continuous&heartbeat=60000", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", header["Authorization"])
	req.Header.Set("Accept-Encoding", "zstd, gzip")

	res, err := new(http.Transport).RoundTrip(req)
	require.NoError(t, err)

	defer func() { _ = res.Body.Close() }()

	require.Empty(t, res.Header.Get("Content-Encoding"))

	timer := time.AfterFunc(10*time.Second, func() { _ = res.Body.Close() })
	defer timer.Stop()

	lines := bufio.NewScanner(res.Body)
	awaitLine(t, lines, `"id":"before"`)
	put("now")
	awaitLine(t, lines, `"id":"now"`)

	// Other answers are compressed.
	page := ask(t, server, request{url: "/notes/_all_docs", header: map[string]string{
		"Authorization": header["Authorization"], "Accept-Encoding": "gzip",
	}})
	require.Equal(t, "gzip", page.header.Get("Content-Encoding"))
}

// awaitLine reads lines up to one that contains text.
func awaitLine(t *testing.T, lines *bufio.Scanner, text string) {
	t.Helper()

	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}

	require.FailNow(t, "the feed ended before "+text)
}

func TestTheTagOfACompressedDocumentNamesItsRevision(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{Before: "encode zstd gzip"}})
	header := bearer(t, server, "alice")
	body := `{"text":"` + strings.Repeat("long enough ", 100) + `"}`
	written := ask(t, server, request{method: http.MethodPut, url: "/notes/a", body: body, header: header})
	require.Equal(t, http.StatusCreated, written.status, written.body)

	for _, encoding := range []string{"gzip", "zstd"} {
		header["Accept-Encoding"] = encoding
		read := ask(t, server, request{url: "/notes/a", header: header})
		require.Equal(t, encoding, read.header.Get("Content-Encoding"))

		header["If-None-Match"] = read.header.Get("Etag")
		require.Equal(t, http.StatusNotModified, ask(t, server, request{url: "/notes/a", header: header}).status)
		delete(header, "If-None-Match")

		header["If-Match"] = read.header.Get("Etag")
		written := ask(t, server, request{method: http.MethodPut, url: "/notes/a", body: body, header: header})
		require.Equal(t, http.StatusCreated, written.status, "%s: %s", header["If-Match"], written.body)
		delete(header, "If-Match")
	}
}

func TestPouchDBSyncsBelowAPathPrefix(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{Site: "path_prefix /api"}})
	s := site{Server: server, issuer: server.Issuer}
	s.run(t, "replicate", map[string]string{"ADAPTER": "memory", "DATABASE": "api/notes"})

	made := ask(t, server, request{method: http.MethodPost, url: "/api/notes/_session", header: bearer(t, server, "alice")})
	require.Equal(t, http.StatusOK, made.status, made.body)
	require.Contains(t, made.header.Get("Set-Cookie"), "Path=/api;", "the cookie goes to the prefix only (DECISIONS 2)")
	require.Equal(t, http.StatusNotFound, ask(t, server, request{url: "/notes"}).status)
}

// newTLSSite is a server with a site over TLS, and how to reach it.
func newTLSSite(t *testing.T) (server *harness.Server, base string, config *tls.Config) {
	t.Helper()

	port, err := harness.FreePort()
	require.NoError(t, err)

	server = harness.New(t, harness.Options{Settings: harness.Settings{
		Global: "auto_https disable_redirects\nskip_install_trust",
		Extra:  fmt.Sprintf("https://localhost:%d {\nbind 127.0.0.1\ntls internal\nsync notes\nrespond 404\n}", port),
	}})
	config = &tls.Config{InsecureSkipVerify: true} // Caddy's internal authority is the test's own

	// Caddy issues the certificate beside its start.
	eventually(t, 20*time.Second, func() bool {
		conn, err := tls.Dial("tcp", fmt.Sprintf("localhost:%d", port), config)
		if err == nil {
			_ = conn.Close()
		}

		return err == nil
	})

	return server, fmt.Sprintf("https://localhost:%d", port), config
}

func TestCookiesAndFeedsOverTLSAndHTTP2(t *testing.T) {
	t.Parallel()

	server, base, config := newTLSSite(t)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)

	do := func(method, path string, header map[string]string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, nil)
		require.NoError(t, err)

		for name, value := range header {
			req.Header.Set(name, value)
		}

		res, err := transport.RoundTrip(req)
		require.NoError(t, err)
		t.Cleanup(func() { _ = res.Body.Close() })
		require.Equal(t, 2, res.ProtoMajor)

		return res
	}

	made := do(http.MethodPost, "/notes/_session", bearer(t, server, "alice"))
	require.Equal(t, http.StatusOK, made.StatusCode)

	setCookie := made.Header.Get("Set-Cookie")
	require.Contains(t, setCookie, "; Secure")
	require.Contains(t, setCookie, "; HttpOnly")

	pair, _, _ := strings.Cut(setCookie, ";")
	feed := openFeed{kind: "longpoll", res: do(http.MethodGet, "/notes/_changes?feed=longpoll&since=now", map[string]string{"Cookie": pair})}
	require.Equal(t, http.StatusOK, feed.res.StatusCode)

	gone := do(http.MethodDelete, "/notes/_session", map[string]string{"Cookie": pair})
	require.Equal(t, http.StatusOK, gone.StatusCode)
	require.Contains(t, gone.Header.Get("Set-Cookie"), "; Secure", "the same attributes on deletion, or browsers keep the cookie")
	feed.requireEnd(t, 3*time.Second)
	require.Equal(t, http.StatusUnauthorized, do(http.MethodGet, "/notes", map[string]string{"Cookie": pair}).StatusCode)
}
