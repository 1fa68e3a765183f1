package test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/caddysync/caddy-sync/test/standin"
	"github.com/stretchr/testify/require"
)

// browserSignsIn walks through /notes/_oidc as a browser does and checks who has the
// session at the end. endpoint is where the provider asks its users.
func (s *social) browserSignsIn(t *testing.T, p *standin.Provider, endpoint, name string, roles ...string) {
	t.Helper()

	const app = "https://app.example.com/notes"

	begun := ask(t, s.Server, request{url: "/notes/_oidc?return_to=" + url.QueryEscape(app)})
	require.Contains(t, []int{http.StatusFound, http.StatusSeeOther}, begun.status, begun.body)

	authorize, err := url.Parse(begun.header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, endpoint, authorize.Scheme+"://"+authorize.Host+authorize.Path)

	asked := authorize.Query()
	require.Equal(t, s.URL+"/notes/_oidc_callback", asked.Get("redirect_uri"))

	answer, err := p.Authorize(asked)
	require.NoError(t, err)

	back := request{url: asked.Get("redirect_uri") + "?" + answer.Encode(), header: map[string]string{"Cookie": cookies(begun)}}
	if asked.Get("response_mode") == "form_post" {
		// The provider's page posts it; only a cookie that is SameSite=None comes along.
		require.Contains(t, begun.header.Get("Set-Cookie"), "SameSite=None")

		back.method, back.url, back.body = http.MethodPost, asked.Get("redirect_uri"), answer.Encode()
		back.header["Content-Type"] = "application/x-www-form-urlencoded"
		back.header["Origin"], back.header["Sec-Fetch-Site"] = authorize.Scheme+"://"+authorize.Host, "cross-site"
	}

	ended := ask(t, s.Server, back)
	require.Contains(t, []int{http.StatusFound, http.StatusSeeOther}, ended.status, ended.body)
	require.Equal(t, app, ended.header.Get("Location"))

	got := ask(t, s.Server, request{url: "/notes/_session", header: map[string]string{"Cookie": cookies(ended)}})
	require.Equal(t, http.StatusOK, got.status, got.body)

	var session struct {
		User user `json:"userCtx"`
	}

	require.NoError(t, json.Unmarshal([]byte(got.body), &session))
	require.Equal(t, name, session.User.Name)
	require.ElementsMatch(t, roles, session.User.Roles)

	again := ask(t, s.Server, back)
	require.Equal(t, http.StatusBadRequest, again.status, "an answer of the provider counts once")
}

func TestSocialBrowserGoogle(t *testing.T) {
	t.Parallel()

	s, google := newGoogle(t)
	s.browserSignsIn(t, google, "https://accounts.google.com/o/oauth2/v2/auth", googleName)
}

func TestSocialBrowserApple(t *testing.T) {
	t.Parallel()

	s, apple := newApple(t)
	s.browserSignsIn(t, apple, "https://appleid.apple.com/auth/authorize", appleName)
}

func TestSocialBrowserMicrosoftEntra(t *testing.T) {
	t.Parallel()

	s, entra := newEntra(t)
	s.browserSignsIn(t, entra, "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize", entraName, entraRole)
}

func TestSocialBrowserKeycloak(t *testing.T) {
	t.Parallel()

	s, keycloak := newKeycloak(t)
	s.browserSignsIn(t, keycloak, keycloakRealm+"/protocol/openid-connect/auth", keycloakName, keycloakRoles()...)
}
