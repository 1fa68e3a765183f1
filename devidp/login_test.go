package devidp

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLoginFormIsPlainAndStrict(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, func(h *Handler) {
		h.Users[1].Claims = map[string]json.RawMessage{"name": json.RawMessage(`"<script>alert(1)</script> Bøb"`), "email": json.RawMessage("null")}
	})
	_, page := idp.form(authorizeParams("login_hint", "bob"))

	require.Equal(t, "text/html; charset=utf-8", page.header.Get("Content-Type"))
	require.Equal(t, "no-store", page.header.Get("Cache-Control"))
	require.Equal(t, "nosniff", page.header.Get("X-Content-Type-Options"))

	policy := page.header.Get("Content-Security-Policy")
	for _, directive := range []string{"default-src 'none'", "style-src 'sha256-", "form-action 'self' http://localhost:* https://localhost:* http://127.0.0.1:* https://127.0.0.1:*;", "base-uri 'none'", "frame-ancestors 'none'"} {
		require.Contains(t, policy, directive)
	}

	require.NotContains(t, policy, "unsafe")
	require.Contains(t, page.body, `<html lang="en">`)
	require.Contains(t, page.body, "<h1>Sign in to notes</h1>")
	require.Contains(t, page.body, "<strong>Alice</strong> <span>· alice@example.com</span>")
	require.Contains(t, page.body, "Bøb</strong> <span>· bob</span>", "the name that tokens have, where it says more")
	require.Contains(t, page.body, `value="bob" autofocus`)
	require.NotContains(t, page.body, `value="alice" autofocus`)

	for _, forbidden := range []string{"<script", "src=", "href=", "http://", "https://", "style=", "onload"} {
		require.NotContains(t, page.body, forbidden)
	}
}

func TestStyleIsWhatThePolicyAllows(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	_, page := idp.form(authorizeParams())
	_, rest, _ := strings.Cut(page.body, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	require.Equal(t, string(pageStyle), style, "the template must not change the text that the hash is of")
}

func TestCancelTellsTheApp(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	id, _ := idp.form(authorizeParams())

	to := idp.do(http.MethodPost, "/login", url.Values{"request": {id}, "cancel": {"yes"}}).location(t)
	require.Equal(t, "access_denied", to.Query().Get("error"))
	require.Equal(t, "a-state", to.Query().Get("state"))

	gone := idp.do(http.MethodPost, "/login", url.Values{"request": {id}, "user": {"alice"}})
	require.Equal(t, http.StatusBadRequest, gone.status)
}

func TestPageNamesTheApp(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, func(h *Handler) { h.Clients[0].Name = "Shared <lists>" })
	_, page := idp.form(authorizeParams())
	require.Contains(t, page.body, "<h1>Sign in to Shared &lt;lists&gt;</h1>")
}

// Whoever goes back in the browser after signing in is told so, and where the app is: its
// origin alone, of a redirect URI that was found allowed.
func TestGoingBackLeadsToTheApp(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	const app = "http://localhost:5173/callback?x=y"
	back := `<a href="http://localhost:5173/">Go to localhost:5173</a>`

	id, _ := idp.form(authorizeParams("redirect_uri", app))
	idp.do(http.MethodPost, "/login", url.Values{"request": {id}, "user": {"alice"}}).location(t)

	for _, again := range []answer{
		idp.do(http.MethodGet, "/login?request="+id, nil),
		idp.do(http.MethodPost, "/login", url.Values{"request": {id}, "user": {"bob"}}),
	} {
		require.Equal(t, http.StatusBadRequest, again.status)
		require.Contains(t, again.body, "<h1>You signed in as alice</h1>")
		require.Contains(t, again.body, back)
	}

	id, _ = idp.form(authorizeParams("redirect_uri", app))
	idp.do(http.MethodPost, "/login", url.Values{"request": {id}, "cancel": {"yes"}}).location(t)

	cancelled := idp.do(http.MethodGet, "/login?request="+id, nil)
	require.Contains(t, cancelled.body, "<h1>This sign-in was cancelled</h1>")
	require.Contains(t, cancelled.body, back)

	unknown := idp.do(http.MethodGet, "/login?request=unknown", nil)
	require.Contains(t, unknown.body, "<h1>This sign-in has expired</h1>")
	require.NotContains(t, unknown.body, "href=")
}

func TestUnknownUserCannotBeChosen(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	id, _ := idp.form(authorizeParams())

	for _, user := range []string{"mallory", "", "Alice"} {
		got := idp.do(http.MethodPost, "/login", url.Values{"request": {id}, "user": {user}})
		require.Equal(t, http.StatusBadRequest, got.status, user)
	}

	require.NotEmpty(t, idp.do(http.MethodPost, "/login", url.Values{"request": {id}, "user": {"alice"}}).location(t).Query().Get("code"),
		"a wrong choice spoils nothing")
}

func TestIDTokenHintChoosesWhomToExpect(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	got := idp.tokens(exchangeParams(idp.code("bob", authorizeParams())))
	_, page := idp.form(authorizeParams("id_token_hint", got.ID))
	require.Contains(t, page.body, `value="bob" autofocus`)
}

func TestFormActionSources(t *testing.T) {
	t.Parallel()

	for uri, want := range map[string]string{
		// Whoever is answered here may send the browser on to another page of this machine.
		"http://localhost:5173/x?y": "http://localhost:* https://localhost:* http://127.0.0.1:* https://127.0.0.1:*",
		"https://app.example/x":     "https://app.example",
		"http://[::1]:5173/":        "http: https:", "com.example.notes:/x": "com.example.notes:",
	} {
		require.Equal(t, want, formActionSource(uri))
	}
}

func TestSignInsAndTokensExpire(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		h := provision(t, testHandler(t))

		post := func(endpoint string, form url.Values) answer {
			return serve(h, loopbackRequest(http.MethodPost, "/idp"+endpoint, form))
		}
		begin := func() string {
			begun := serve(h, loopbackRequest(http.MethodGet, "/idp/authorize?"+authorizeParams().Encode(), nil))

			return begun.location(t).Query().Get("request")
		}
		code := func() string {
			return post("/login", url.Values{"request": {begin()}, "user": {"alice"}}).location(t).Query().Get("code")
		}

		late := begin()
		time.Sleep(loginLifetime)
		require.Equal(t, http.StatusBadRequest, post("/login", url.Values{"request": {late}, "user": {"alice"}}).status)

		lateCode := code()
		time.Sleep(codeLifetime)
		require.Equal(t, "invalid_grant", post("/token", exchangeParams(lateCode)).json(t)["error"])

		got := post("/token", exchangeParams(code())).json(t)
		access, _ := got["access_token"].(string)
		refresh, _ := got["refresh_token"].(string)

		userinfo := func() int {
			r := loopbackRequest(http.MethodGet, "/idp/userinfo", nil)
			r.Header.Set("Authorization", "Bearer "+access)

			return serve(h, r).status
		}

		time.Sleep(defaultTokenLifetime - time.Second)
		require.Equal(t, http.StatusOK, userinfo())
		time.Sleep(time.Second)
		require.Equal(t, http.StatusUnauthorized, userinfo())

		time.Sleep(refreshLifetime)
		require.Equal(t, "invalid_grant", post("/token", refreshParams(refresh)).json(t)["error"])
	})
}
