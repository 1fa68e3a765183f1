package devidp

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCodeFlowWithPKCEAndRefresh(t *testing.T) {
	t.Parallel()

	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()

			idp := newTestIDP(t, func(h *Handler) { h.Algorithm = algorithm })
			got := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))

			usedAlgorithm, claims := idp.verify(got.ID)
			require.Equal(t, algorithm, usedAlgorithm)
			require.Equal(t, idp.handler.Issuer, claims["iss"])
			require.Equal(t, "alice", claims["sub"])
			require.Equal(t, []any{"notes"}, claims["aud"])
			require.Equal(t, "alice", claims["preferred_username"])
			require.Equal(t, "Alice", claims["name"])
			require.Equal(t, "alice@example.com", claims["email"])
			require.Equal(t, true, claims["email_verified"])
			require.Equal(t, []any{"admin"}, claims["roles"])
			require.Equal(t, "a-nonce", claims["nonce"])
			require.Equal(t, accessTokenHash(algorithm, got.Access), claims["at_hash"])
			require.InDelta(t, time.Now().Add(time.Hour).Unix(), claims["exp"], 5)
			require.InDelta(t, 3600, got.Expires, 2)

			again := idp.tokens(refreshParams(got.Refresh))
			require.NotEqual(t, got.Refresh, again.Refresh, "refresh tokens rotate")

			_, refreshed := idp.verify(again.ID)
			require.Equal(t, "alice", refreshed["sub"])
			require.Equal(t, []any{"admin"}, refreshed["roles"])
			require.Equal(t, claims["auth_time"], refreshed["auth_time"])
		})
	}
}

func accessTokenHash(algorithm, token string) string {
	if algorithm == "EdDSA" {
		sum := sha512.Sum512([]byte(token))

		return base64.RawURLEncoding.EncodeToString(sum[:32])
	}

	sum := sha256.Sum256([]byte(token))

	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func TestScopesDecideWhichClaimsAreGiven(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	got := idp.tokens(exchangeParams(idp.code("alice", authorizeParams("scope", "openid"))))
	require.Empty(t, got.Refresh, "a refresh token needs offline_access")

	_, claims := idp.verify(got.ID)
	require.Equal(t, "alice", claims["sub"])
	require.Equal(t, []any{"admin"}, claims["roles"], "configured claims belong to no scope")
	require.NotContains(t, claims, "email")
	require.NotContains(t, claims, "name")
}

func TestRefreshWithFewerScopesKeepsTheGrant(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	first := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))

	fewer := idp.tokens(refreshParams(first.Refresh, "scope", "openid"))
	_, claims := idp.verify(fewer.ID)
	require.NotContains(t, claims, "email")

	all := idp.tokens(refreshParams(fewer.Refresh))
	_, claims = idp.verify(all.ID)
	require.Contains(t, claims, "email")

	idp.refused(refreshParams(all.Refresh, "scope", "openid admin"), "invalid_scope")
}

func TestFormPostAndFragmentResponses(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)

	id, _ := idp.form(authorizeParams("response_mode", "form_post"))
	posted := idp.do(http.MethodPost, "/login", url.Values{"request": {id}, "user": {"alice"}})
	require.Equal(t, http.StatusOK, posted.status)
	require.Contains(t, posted.body, `action="`+testRedirect+`"`)
	require.Contains(t, posted.body, `name="code"`)

	id, _ = idp.form(authorizeParams("response_mode", "fragment"))
	to := idp.do(http.MethodPost, "/login", url.Values{"request": {id}, "user": {"alice"}}).location(t)
	require.Contains(t, to.Fragment, "code=")
}

func TestNativeAppIsAnsweredAtItsListedScheme(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	id, page := idp.form(authorizeParams("client_id", "other", "redirect_uri", "com.example.other:/signed-in"))
	require.Contains(t, page.header.Get("Content-Security-Policy"), "form-action 'self' com.example.other:;")

	to := idp.do(http.MethodPost, "/login", url.Values{"request": {id}, "user": {"bob"}}).location(t)
	require.Equal(t, "com.example.other", to.Scheme)

	got := idp.tokens(exchangeParams(to.Query().Get("code"),
		"client_id", "other", "redirect_uri", "com.example.other:/signed-in"))
	_, claims := idp.verify(got.ID)
	require.Equal(t, []any{"other"}, claims["aud"])
}

func TestUserinfoAnswersWhileTheTokenLives(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	got := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))

	info := idp.do(http.MethodGet, "/userinfo", nil, "Authorization", "Bearer "+got.Access)
	require.Equal(t, http.StatusOK, info.status, info.body)
	require.Equal(t, map[string]any{
		"sub": "alice", "name": "Alice", "preferred_username": "alice",
		"email": "alice@example.com", "email_verified": true, "roles": []any{"admin"},
	}, info.json(t))

	revoked := idp.do(http.MethodPost, "/revoke", url.Values{"token": {got.Refresh}, "client_id": {"notes"}})
	require.Equal(t, http.StatusOK, revoked.status, revoked.body)

	for _, token := range []string{got.Access, "nonsense", ""} {
		refused := idp.do(http.MethodGet, "/userinfo", nil, "Authorization", "Bearer "+token)
		require.Equal(t, http.StatusUnauthorized, refused.status)
		require.Equal(t, `Bearer error="invalid_token"`, refused.header.Get("WWW-Authenticate"))
	}

	idp.refused(refreshParams(got.Refresh), "invalid_grant")
}

func TestLogoutEndsTheUsersTokensAtThatClient(t *testing.T) {
	t.Parallel()

	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()

			idp := newTestIDP(t, func(h *Handler) { h.Algorithm = algorithm })
			alice := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))
			bob := idp.tokens(exchangeParams(idp.code("bob", authorizeParams())))

			out := idp.get("/logout", url.Values{
				"id_token_hint": {alice.ID}, "post_logout_redirect_uri": {testRedirect}, "state": {"bye"},
			})
			require.Equal(t, testRedirect+"?state=bye", out.header.Get("Location"), out.body)

			idp.refused(refreshParams(alice.Refresh), "invalid_grant")
			idp.tokens(refreshParams(bob.Refresh))
		})
	}
}

func TestLogoutWithoutARedirectShowsAPage(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	out := idp.get("/logout", nil)
	require.Equal(t, idp.handler.Issuer+"/signed-out", out.header.Get("Location"))

	page := idp.get("/signed-out", nil)
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, "Signed out")
}
