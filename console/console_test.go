package console

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func serve(t *testing.T, method, file string, header ...string) (*httptest.ResponseRecorder, bool) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/_console/", http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	return w, New().ServeFile(w, r, file)
}

func TestThePageIsServedWithAStrictPolicy(t *testing.T) {
	t.Parallel()
	w, found := serve(t, http.MethodGet, "")
	require.True(t, found)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	policy := w.Header().Get("Content-Security-Policy")
	for _, rule := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "form-action 'none'",
		"base-uri 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
	} {
		require.Contains(t, policy, rule)
	}
	for _, loose := range []string{"unsafe", "data:", "http", "*"} {
		require.NotContains(t, policy, loose)
	}
}

func TestFilesAreSentAgainOnlyWhenTheyChanged(t *testing.T) {
	t.Parallel()
	whole, _ := serve(t, http.MethodGet, "main.js")
	require.Equal(t, "text/javascript; charset=utf-8", whole.Header().Get("Content-Type"))
	tag := whole.Header().Get("Etag")
	require.Regexp(t, `^"[0-9a-f]{24}"$`, tag)
	again, _ := serve(t, http.MethodGet, "main.js", "If-None-Match", tag)
	require.Equal(t, http.StatusNotModified, again.Code)
	require.Zero(t, again.Body.Len())
	head, _ := serve(t, http.MethodHead, "main.js")
	require.Equal(t, http.StatusOK, head.Code)
	require.Zero(t, head.Body.Len())
	require.Equal(t, whole.Header().Get("Content-Length"), head.Header().Get("Content-Length"))
}

func TestOnlyItsOwnFilesAreServed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"nothing.js", "..", "../console.go", "/main.js", "./main.js", "site/main.js", "main.js/", "..\\console.go", "main.js\x00", ".", "/", "INDEX.HTML",
	} {
		w, found := serve(t, http.MethodGet, name)
		require.False(t, found, name)
		require.Empty(t, w.Header(), name)
	}
}

// The page asks nobody else, has nothing inline, and makes no markup of what it reads.
func TestTheFilesKeepToThePolicy(t *testing.T) {
	t.Parallel()
	foreign := regexp.MustCompile(`(https?:)?//[a-z0-9.-]+\.[a-z]{2,}`)
	for name, f := range New().files() {
		text := strings.ReplaceAll(string(f.content), "http://www.w3.org/2000/svg", "")
		require.NotRegexp(t, foreign, text, name)
		for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "localStorage", "sessionStorage", "indexedDB", "document.cookie"} {
			require.NotContains(t, text, word, name)
		}
		if path.Ext(name) == ".html" {
			require.NotRegexp(t, `(?i)<style|\son[a-z]+=|\sstyle=|<script[^>]*>[^<]`, text)
		}
	}
}

func TestTheConsoleIsSmall(t *testing.T) {
	t.Parallel()
	const most = 60 << 10 // compressed; the console may have 300 KB
	var packed bytes.Buffer
	total := 0
	require.NoError(t, fs.WalkDir(site, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := site.ReadFile(name)
		require.NoError(t, err)
		require.Contains(t, types, path.Ext(name), "%s would not be served", name)
		packed.Reset()
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(content)
		require.NoError(t, z.Close())
		total += packed.Len()
		return nil
	}))
	t.Logf("%d bytes compressed", total)
	require.Less(t, total, most)
}
