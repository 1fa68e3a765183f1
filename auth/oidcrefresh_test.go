package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestF18_Refresh(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	first := body(t, f.signIn(b, "", "alice"))
	token := fmt.Sprint(first["refresh_token"])
	for _, send := range []func(token string) *http.Response{
		func(token string) *http.Response {
			return b.post(OIDCRefresh, jsonBody, fmt.Sprintf(`{"refresh_token":%q}`, token))
		},
		func(token string) *http.Response {
			return b.post(OIDCRefresh, formType, url.Values{"refresh_token": {token}, "provider": {"idp"}}.Encode())
		},
		func(token string) *http.Response {
			return b.post(OIDCRefresh, "", fmt.Sprintf(`{"refresh_token":%q,"provider":"idp"}`, token))
		},
	} {
		got := body(t, send(token))
		require.Equal(t, "idp.example.com_alice", got["name"], got)
		require.NotEmpty(t, got["id_token"])
		require.NotEqual(t, first["id_token"], got["id_token"])
		require.Equal(t, b.jar[DefaultCookie], got["session_id"])
		require.NotEqual(t, first["session_id"], got["session_id"])
		f.in(b.sessionOf())
		require.NotEqual(t, token, got["refresh_token"], "a rotated one is returned")
		answered(t, send(token), 401, "Unable to refresh token.")
		token = fmt.Sprint(got["refresh_token"])
	}
	for _, text := range []string{"", "{}", `{"refresh_token":""}`, `{"provider":"idp"}`} {
		answered(t, b.post(OIDCRefresh, jsonBody, text), 400, "Refresh token must be present for oidc refresh")
	}
	answered(t, b.open(OIDCRefresh, ""), 400, "Refresh token must be present for oidc refresh")
	for _, text := range []string{"[]", "{", `{"refresh_token":5}`} {
		answered(t, b.post(OIDCRefresh, jsonBody, text), 400, "the body must be JSON")
	}
	answered(t, b.post(OIDCRefresh, formType, "refresh_token=a&refresh_token=b"), 400, "twice")
	answered(t, b.post(OIDCRefresh, jsonBody, `{"refresh_token":"x","provider":"none"}`), 400, "Unable to identify provider")
	answered(t, b.post(OIDCRefresh, jsonBody, `{"refresh_token":"`+strings.Repeat("x", maxRefreshToken+1)+`"}`), 400, "too long")
	answered(t, b.post(OIDCRefresh, jsonBody, strings.Repeat(" ", maxFlowBody+1)), 400, "could not be read")
}

func TestRefreshTokenThatStaysIsNotRepeated(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.idp.refresh["r"] = "alice"
	f.idp.bend = func(answer map[string]any) { delete(answer, "refresh_token") }
	require.NotContains(t, body(t, f.browser().post(OIDCRefresh, jsonBody, `{"refresh_token":"r"}`)), "refresh_token")
}

func TestDecision15_RefreshTokensInURLs(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.idp.refresh["r"] = "alice"
	b := f.browser()
	answered(t, b.open(OIDCRefresh, "refresh_token=r"), 401, "POST it in the body")
	r := request(http.MethodPost, "/notes/_oidc_refresh?refresh_token=r", `{"refresh_token":"r"}`)
	answered(t, b.do(r, OIDCRefresh), 401, "POST it in the body")
	require.Empty(t, f.idp.asked, "it does not reach the provider")
	require.Empty(t, b.jar)

	f = newFlow(t, func(c *Config) { c.Providers[0].RefreshByQuery = true })
	f.idp.refresh["r"] = "alice"
	b = f.browser()
	b.header["Sec-Fetch-Site"] = "cross-site"
	answered(t, b.open(OIDCRefresh, "refresh_token=r"), 403, "another origin") // it would sign the user in as somebody else
	b.header["Sec-Fetch-Site"] = "same-origin"
	require.Equal(t, "idp.example.com_alice", body(t, b.open(OIDCRefresh, "refresh_token=r"))["name"])
}

func TestDecision12_RefreshAcrossOrigins(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.idp.refresh["r"] = "alice"
	b := f.browser()
	b.header = map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
	answered(t, b.post(OIDCRefresh, jsonBody, `{"refresh_token":"r"}`), 403, "another origin")
	b.header = map[string]string{"Origin": "https://app.example.com", "Sec-Fetch-Site": "same-site"}
	require.Equal(t, 200, b.post(OIDCRefresh, jsonBody, `{"refresh_token":"r"}`).StatusCode)
}

func TestF10_RefreshedIDTokensAreVerified(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	for _, c := range []map[string]any{{"aud": "other"}, {"azp": "other"}, {"exp": 1000}, {"at_hash": "x"}} {
		f.idp.claims = c
		f.idp.refresh["r"] = "alice"
		answered(t, f.browser().post(OIDCRefresh, jsonBody, `{"refresh_token":"r"}`), 502, "ID token was refused")
	}
}

func TestRefreshOfADisabledUser(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	got := body(t, f.signIn(b, "", "alice"))
	require.NoError(t, f.state.SetDisabled(t.Context(), notes.ID, "idp.example.com_alice", true))
	answered(t, b.post(OIDCRefresh, jsonBody, fmt.Sprintf(`{"refresh_token":%q}`, got["refresh_token"])), 401, "Invalid login")
}

func TestTokenEndpointCallsAreBounded(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	p := f.service.providers[0]
	for range tokenCalls {
		p.code.calls <- struct{}{}
	}
	resp := f.browser().post(OIDCRefresh, jsonBody, `{"refresh_token":"r"}`)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	answered(t, resp, 503, "too many sign-ins at once")
}
