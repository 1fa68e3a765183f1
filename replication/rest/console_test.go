package rest

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/console"
	"github.com/stretchr/testify/require"
)

// consoleSite is an administrators' site with the console, to which requests come from an address.
func consoleSite(t *testing.T, rule *auth.AdminRule, page Console) func(method, path, from string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	s := newSite(t, adminSite, func(c *Config, _ *fakeAuth) { c.Site.Admin, c.Console, c.PathPrefix = rule, page, "/sync" })
	return func(method, path, from string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		r = r.WithContext(auth.WithClient(r.Context(), auth.Client{Addr: netip.MustParseAddr(from)}))
		w := httptest.NewRecorder()
		serveNoted(s.Handler, w, r, http.NotFoundHandler())
		return w
	}
}

func inTheOffice() *auth.AdminRule {
	return &auth.AdminRule{ClientIPs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
}

func TestTheConsoleIsServedWhereAdministratorsComeFrom(t *testing.T) {
	t.Parallel()
	ask := consoleSite(t, inTheOffice(), console.New())
	page := ask(http.MethodGet, "/sync/_console/", "192.0.2.7")
	require.Equal(t, http.StatusOK, page.Code)
	require.Contains(t, page.Body.String(), "caddy-sync console")
	require.Contains(t, page.Header().Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, "private, no-cache", page.Header().Get("Cache-Control"))
	script := ask(http.MethodGet, "/sync/_console/main.js", "192.0.2.7")
	require.Equal(t, http.StatusOK, script.Code)
	again := ask(http.MethodGet, "/sync/_console/main.js", "192.0.2.7", "If-None-Match", script.Header().Get("Etag"))
	require.Equal(t, http.StatusNotModified, again.Code)
	for _, path := range []string{"/sync/_console", "/sync/_console/", "/sync/_console/main.js", "/sync/_console/nothing"} {
		refused := ask(http.MethodGet, path, "198.51.100.1")
		require.Equal(t, http.StatusForbidden, refused.Code, path)
		require.JSONEq(t, `{"error":"forbidden","reason":"for administrators only"}`, refused.Body.String())
	}
}

func TestTheConsoleIsOneFolder(t *testing.T) {
	t.Parallel()
	ask := consoleSite(t, inTheOffice(), console.New())
	to := ask(http.MethodGet, "/sync/_console", "192.0.2.7")
	require.Equal(t, http.StatusPermanentRedirect, to.Code)
	require.Equal(t, "/sync/_console/", to.Header().Get("Location"))
	for _, path := range []string{
		"/sync/_console/nothing.js", "/sync/_console/%2e%2e/console.go", "/sync/_console/../console.go", "/sync/_console/site/main.js", "/sync/_console/%6dain.js",
	} {
		require.Equal(t, http.StatusNotFound, ask(http.MethodGet, path, "192.0.2.7").Code, path)
	}
	require.Equal(t, http.StatusMethodNotAllowed, ask(http.MethodPost, "/sync/_console/", "192.0.2.7").Code)
}

// The page must be there before it can send a token: who asks is not looked at, only from where.
func TestTheConsoleIsServedBeforeASignIn(t *testing.T) {
	t.Parallel()
	byToken := consoleSite(t, &auth.AdminRule{Roles: []string{"office"}}, console.New())
	require.Equal(t, http.StatusOK, byToken(http.MethodGet, "/sync/_console/", "198.51.100.1").Code)
	both := inTheOffice()
	both.Scopes = []string{"admin"}
	ask := consoleSite(t, both, console.New())
	require.Equal(t, http.StatusOK, ask(http.MethodGet, "/sync/_console/", "192.0.2.7").Code)
	require.Equal(t, http.StatusForbidden, ask(http.MethodGet, "/sync/_console/", "198.51.100.1").Code)
	nobody := consoleSite(t, &auth.AdminRule{}, console.New())
	require.Equal(t, http.StatusForbidden, nobody(http.MethodGet, "/sync/_console/", "192.0.2.7").Code)
}

func TestTheConsoleIsOffWhereItIsOff(t *testing.T) {
	t.Parallel()
	ask := consoleSite(t, inTheOffice(), nil)
	for _, path := range []string{"/sync/_console", "/sync/_console/", "/sync/_console/main.js"} {
		require.Equal(t, http.StatusNotFound, ask(http.MethodGet, path, "192.0.2.7").Code, path)
	}
	public := newSite(t, func(c *Config, _ *fakeAuth) { c.Console = console.New() })
	public.run(scenario{name: "on a public site", method: http.MethodGet, path: "/_console/", status: http.StatusNotFound})
}
