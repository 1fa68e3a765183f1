package test

import (
	"net/http"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

const (
	appOrigin   = "http://localhost:3000"
	otherOrigin = "https://evil.example"
)

func TestBrowsersOfAListedOriginMaySync(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{
		Site: "cors {\norigins " + appOrigin + "\ncredentials\n}",
	}})

	preflight := ask(t, server, request{method: http.MethodOptions, url: "/notes/_bulk_docs", header: map[string]string{
		"Origin":                         appOrigin,
		"Access-Control-Request-Method":  http.MethodPost,
		"Access-Control-Request-Headers": "authorization,content-type",
	}})
	require.Less(t, preflight.status, 300, "a preflight has no credentials and is never refused")
	require.Equal(t, appOrigin, preflight.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", preflight.header.Get("Access-Control-Allow-Credentials"))
	require.Contains(t, preflight.header.Get("Access-Control-Allow-Methods"), http.MethodPost)
	require.Contains(t, preflight.header.Get("Access-Control-Allow-Headers"), "Authorization")

	refused := ask(t, server, request{url: "/notes", header: map[string]string{"Origin": appOrigin}})
	require.Equal(t, http.StatusUnauthorized, refused.status)
	require.Equal(t, appOrigin, refused.header.Get("Access-Control-Allow-Origin"), "a script must see the 401")
	require.Equal(t, "true", refused.header.Get("Access-Control-Allow-Credentials"))
	require.Contains(t, refused.header.Values("Vary"), "Origin, Cookie, Authorization")

	pair := cookie(t, server, "alice")
	written := ask(t, server, request{method: http.MethodPut, url: "/notes/a", body: `{}`, header: map[string]string{
		"Origin": appOrigin, "Cookie": pair, "Sec-Fetch-Site": "same-site",
	}})
	require.Equal(t, http.StatusCreated, written.status, written.body)
	require.Equal(t, appOrigin, written.header.Get("Access-Control-Allow-Origin"))
}

func TestDecision12_AnotherOriginCannotWriteWithACookie(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Settings: harness.Settings{
		Site: "cors {\norigins " + appOrigin + "\ncredentials\n}",
	}})
	pair := cookie(t, server, "alice")

	for _, r := range []request{
		{method: http.MethodPut, url: "/notes/a", body: `{}`},
		{method: http.MethodPost, url: "/notes/_bulk_docs", body: `{"docs":[{}]}`},
		{method: http.MethodPost, url: "/notes/_session"},
		{method: http.MethodDelete, url: "/notes/_session"},
	} {
		r.header = map[string]string{"Origin": otherOrigin, "Sec-Fetch-Site": "cross-site", "Cookie": pair}
		got := ask(t, server, r)
		require.Equal(t, http.StatusForbidden, got.status, "%s %s: %s", r.method, r.url, got.body)
		require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
	}

	// The session was not given up, and a bearer cannot be sent by somebody else's page.
	require.Equal(t, http.StatusOK, ask(t, server, request{url: "/notes", header: map[string]string{"Cookie": pair}}).status)

	header := bearer(t, server, "alice")
	header["Origin"], header["Sec-Fetch-Site"] = otherOrigin, "cross-site"
	got := ask(t, server, request{method: http.MethodPut, url: "/notes/a", body: `{}`, header: header})
	require.Equal(t, http.StatusCreated, got.status, got.body)

	// The administrator's site is signed in by place alone, so any page could ask it.
	got = ask(t, server, request{method: http.MethodPut, url: server.AdminURL + "/notes/b", body: `{}`, header: map[string]string{
		"Origin": otherOrigin, "Sec-Fetch-Site": "cross-site",
	}})
	require.Equal(t, http.StatusForbidden, got.status, got.body)
}
