package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogoutEndsTheSessionHereAndAtTheProvider(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	got := body(t, f.signIn(b, "", "alice"))
	cookie := b.sessionOf()
	l := f.lease(f.in(cookie))
	resp := b.open(OIDCLogout, "return_to="+url.QueryEscape("https://app.example.com/bye"))
	require.Equal(t, http.StatusFound, resp.StatusCode)
	u, err := url.Parse(resp.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, "idp.example.com/logout", u.Host+u.Path)
	require.Equal(t, url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {"https://app.example.com/bye"}}, u.Query())
	require.Empty(t, b.jar)
	_ = f.out(cookie)
	require.True(t, ended(l), "feeds of the session end too")

	// The hint only by POST: a URL of ours must not hold a token.
	token := fmt.Sprint(got["id_token"])
	answered(t, b.open(OIDCLogout, "id_token_hint="+token), 400, "POST it")
	for _, resp := range []*http.Response{
		b.post(OIDCLogout, formType, "id_token_hint="+token),
		b.post(OIDCLogout, jsonBody, fmt.Sprintf(`{"id_token_hint":%q}`, token)),
	} {
		require.Equal(t, http.StatusSeeOther, resp.StatusCode)
		u, _ = url.Parse(resp.Header.Get("Location"))
		require.Equal(t, url.Values{"client_id": {"app"}, "id_token_hint": {token}}, u.Query())
	}
	for _, hint := range []string{"x", sign(t, "ec", "ES256", nil, map[string]any{"iss": "https://other.example", "sub": "a", "aud": "b", "exp": 1, "iat": 1})} {
		u, _ = url.Parse(b.post(OIDCLogout, formType, "id_token_hint="+hint).Header.Get("Location"))
		require.NotContains(t, u.Query(), "id_token_hint", "not a token of this provider")
	}
}

func TestLogoutWithoutTheProvider(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*flow){
		"it has no end_session_endpoint": func(f *flow) { f.idp.discovery("end_session_endpoint", absent) },
		"it has a bad one":               func(f *flow) { f.idp.discovery("end_session_endpoint", "http://127.0.0.1/x") },
		"it is down":                     func(f *flow) { f.issuer.down() },
	} {
		f := newFlow(t)
		change(f)
		b := f.browser()
		resp := b.open(OIDCLogout, "")
		require.Equal(t, 200, resp.StatusCode, name)
		require.Equal(t, map[string]any{"ok": true}, body(t, resp))
		resp = b.open(OIDCLogout, "return_to=%2Fbye")
		require.Equal(t, "https://example.com/bye", resp.Header.Get("Location"), name)
	}
	f := newFlow(t)
	answered(t, f.browser().open(OIDCLogout, "provider=none"), 400, "OpenID Connect not configured")
	answered(t, f.browser().open(OIDCLogout, "return_to=https://evil.example"), 400, "return_to must be")
}

// A page elsewhere must not sign the user out by a link, an image or a frame.
func TestLogoutAcrossOrigins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		header map[string]string
		status int
	}{
		{"typed by the user", map[string]string{"Sec-Fetch-Site": "none"}, 302},
		{"this site's link", map[string]string{"Sec-Fetch-Site": "same-origin"}, 302},
		{"no browser", nil, 302},
		{"the app's link", map[string]string{"Sec-Fetch-Site": "same-site", "Referer": "https://app.example.com/inbox"}, 302},
		{"the app's script", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example.com"}, 302},
		{"another page's link", map[string]string{"Sec-Fetch-Site": "cross-site", "Referer": "https://evil.example/"}, 403},
		{"another page's link without a referrer", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a neighbour's page", map[string]string{"Sec-Fetch-Site": "same-site", "Referer": "https://blog.example.com/"}, 403},
		{"this host without TLS", map[string]string{"Sec-Fetch-Site": "cross-site", "Referer": "http://example.com/"}, 403},
		{"an old browser", map[string]string{"Referer": "https://evil.example/"}, 403},
		{"an old browser, this site", map[string]string{"Referer": "https://example.com/app"}, 302},
		{"an opaque origin", map[string]string{"Origin": "null"}, 403},
		{"an opaque origin of a browser", map[string]string{"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403},
		{"ahead of the user", map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Purpose": "prefetch;prerender"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFlow(t)
			b := f.browser()
			f.signIn(b, "", "alice")
			cookie := b.sessionOf()
			b.header = c.header
			require.Equal(t, c.status, b.open(OIDCLogout, "").StatusCode)
			if c.status == 403 {
				f.in(cookie)
			} else {
				_ = f.out(cookie)
			}
		})
	}
}
