package devidp

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// relyingParty is a client's back-channel logout endpoint.
type relyingParty struct {
	*httptest.Server

	told chan *http.Request // with the form parsed
}

func newRelyingParty(t *testing.T, answer http.HandlerFunc) *relyingParty {
	t.Helper()

	rp := &relyingParty{told: make(chan *http.Request, 10)}
	rp.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		rp.told <- r

		answer(w, r)
	}))
	t.Cleanup(rp.Close)

	return rp
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

// logoutToken is what the client was sent, its type and its verified claims.
func (rp *relyingParty) logoutToken(t *testing.T, idp *testIDP) (kind any, claims map[string]any) {
	t.Helper()

	require.Len(t, rp.told, 1, "the client is told once, before the browser goes on")
	r := <-rp.told
	require.Equal(t, http.MethodPost, r.Method)
	require.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
	require.Empty(t, r.URL.RawQuery)

	token := r.PostForm.Get("logout_token")
	_, claims = idp.verify(token)

	jws, err := jose.ParseSignedCompact(token, algorithms())
	require.NoError(t, err)

	return jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType], claims
}

func withBackchannel(to string) func(*Handler) {
	return func(h *Handler) { h.Clients[0].BackchannelLogout = to }
}

func TestBackchannelLogoutTellsTheClientWhichSignInEnded(t *testing.T) {
	t.Parallel()

	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()

			rp := newRelyingParty(t, ok)
			idp := newTestIDP(t, func(h *Handler) {
				h.Algorithm = algorithm
				h.Clients[0].BackchannelLogout = rp.URL + "/notes/_oidc_backchannel_logout"
			})
			phone := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))
			laptop := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))

			_, atPhone := idp.verify(phone.ID)
			_, atLaptop := idp.verify(laptop.ID)
			require.NotEmpty(t, atPhone["sid"])
			require.NotEqual(t, atPhone["sid"], atLaptop["sid"], "each sign-in has its own")

			laptop = idp.tokens(refreshParams(laptop.Refresh))
			_, refreshed := idp.verify(laptop.ID)
			require.Equal(t, atLaptop["sid"], refreshed["sid"], "a refresh is the same sign-in")

			out := idp.get("/logout", url.Values{"id_token_hint": {phone.ID}, "post_logout_redirect_uri": {testRedirect}})
			require.Equal(t, testRedirect, out.header.Get("Location"), out.body)

			kind, claims := rp.logoutToken(t, idp)
			require.Equal(t, "logout+jwt", kind)
			require.Equal(t, idp.handler.Issuer, claims["iss"])
			require.Equal(t, "alice", claims["sub"])
			require.Equal(t, []any{"notes"}, claims["aud"])
			require.Equal(t, atPhone["sid"], claims["sid"])
			require.NotEmpty(t, claims["jti"])
			require.Equal(t, map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}, claims["events"])
			require.InDelta(t, time.Now().Unix(), claims["iat"], 5)
			require.InDelta(t, time.Now().Add(2*time.Minute).Unix(), claims["exp"], 5)
			require.NotContains(t, claims, "nonce", "section 2.4 prohibits it")

			idp.refused(refreshParams(phone.Refresh), "invalid_grant")
			idp.tokens(refreshParams(laptop.Refresh))
		})
	}
}

func TestBackchannelLogoutBySubjectEndsAllSignIns(t *testing.T) {
	t.Parallel()

	rp := newRelyingParty(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	idp := newTestIDP(t, withBackchannel(rp.URL))
	logs := observe(idp.handler)
	one := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))
	two := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))

	// A token for a script comes from no sign-in.
	hint := idp.do(http.MethodPost, "/dev/token", url.Values{"user": {"alice"}}).json(t)["id_token"].(string) //nolint:forcetypeassert // a test
	idp.get("/logout", url.Values{"id_token_hint": {hint}})

	_, claims := rp.logoutToken(t, idp)
	require.Equal(t, "alice", claims["sub"])
	require.NotContains(t, claims, "sid")

	idp.refused(refreshParams(one.Refresh), "invalid_grant")
	idp.refused(refreshParams(two.Refresh), "invalid_grant")
	require.Zero(t, logs.FilterMessage("a client was not told of a logout").Len(), "204 is an answer as good as 200")
}

func TestBackchannelLogoutHappensOnlyForSomebody(t *testing.T) {
	t.Parallel()

	rp := newRelyingParty(t, ok)
	idp := newTestIDP(t, withBackchannel(rp.URL))
	idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))
	other := idp.do(http.MethodPost, "/dev/token", url.Values{"user": {"alice"}, "client_id": {"other"}}).json(t)["id_token"].(string) //nolint:forcetypeassert // a test

	idp.get("/logout", nil)
	idp.get("/logout", url.Values{"client_id": {"notes"}})
	idp.get("/logout", url.Values{"id_token_hint": {"nonsense"}})
	idp.get("/logout", url.Values{"id_token_hint": {other}})

	require.Empty(t, rp.told)
}

func TestBackchannelLogoutFailureIsLoggedAndKeepsNobody(t *testing.T) {
	t.Parallel()

	gone := httptest.NewServer(nil)
	gone.Close()

	elsewhere := newRelyingParty(t, ok)
	refusing := newRelyingParty(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
	redirecting := newRelyingParty(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})

	for name, to := range map[string]string{"down": gone.URL, "refuses": refusing.URL, "redirects": redirecting.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			idp := newTestIDP(t, withBackchannel(to))
			logs := observe(idp.handler)
			got := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))

			out := idp.get("/logout", url.Values{"id_token_hint": {got.ID}, "post_logout_redirect_uri": {testRedirect}})
			require.Equal(t, testRedirect, out.header.Get("Location"))
			idp.refused(refreshParams(got.Refresh), "invalid_grant")

			told := logs.FilterMessage("a client was not told of a logout").All()
			require.Len(t, told, 1)

			text, err := json.Marshal(told[0].ContextMap())
			require.NoError(t, err)
			require.NotContains(t, string(text), "eyJ", "no token in the log")
		})
	}

	t.Cleanup(func() { require.Empty(t, elsewhere.told, "a redirect is not followed") })
}

func TestUsersClaimsCannotNameASignIn(t *testing.T) {
	t.Parallel()

	h := testHandler(t)
	h.Users[0].Claims = map[string]json.RawMessage{"sid": json.RawMessage(`"x"`)}
	require.ErrorContains(t, tryProvision(t, h), `claim "sid"`)

	idp := newTestIDP(t, nil)
	got := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))
	info := idp.do(http.MethodGet, "/userinfo", nil, "Authorization", "Bearer "+got.Access)
	require.NotContains(t, info.json(t), "sid", "it is about the sign-in, not about the user")
}
