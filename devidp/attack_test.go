package devidp

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A redirect to somebody else's server hands over the code, or lends our name to a
// phishing page (RFC 9700 section 4.1, 4.11).
func TestAttack_OpenRedirectAtAuthorization(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)

	for _, uri := range []string{
		"", "https://evil.example/", "http://evil.example:80/", "//evil.example", "javascript:alert(1)", "data:text/html,x",
		"http://localhost@evil.example/", "http://localhost:80@evil.example/", `http://localhost\@evil.example/`,
		"http://localhost.evil.example/", "http://localhost/#x", "com.example.other:/signed-in", "com.example.notes:/x",
	} {
		got := idp.get("/authorize", authorizeParams("redirect_uri", uri))
		require.Equal(t, http.StatusBadRequest, got.status, "%q", uri)
		require.Empty(t, got.header.Get("Location"), "%q", uri)
		require.NotContains(t, got.body, "evil.example")

		// Nor by an error: the redirect URI comes first.
		got = idp.get("/authorize", authorizeParams("redirect_uri", uri, "response_type", "token"))
		require.Empty(t, got.header.Get("Location"), "%q", uri)
	}

	twice := authorizeParams()
	twice.Add("redirect_uri", "https://evil.example/")
	require.Empty(t, idp.get("/authorize", twice).header.Get("Location"))

	unknown := idp.get("/authorize", authorizeParams("client_id", "stranger"))
	require.Equal(t, http.StatusBadRequest, unknown.status)
	require.Empty(t, unknown.header.Get("Location"))
}

func TestAttack_OpenRedirectAtLogout(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	got := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))

	for _, params := range []url.Values{
		{"client_id": {"notes"}},
		{"id_token_hint": {got.ID}},
		{"client_id": {"notes"}, "id_token_hint": {got.ID}},
		{"id_token_hint": {got.ID}, "client_id": {"other"}},
	} {
		for _, to := range []string{"https://evil.example/", "http://localhost:80@evil.example/", "com.example.other:/signed-in"} {
			params.Set("post_logout_redirect_uri", to)
			out := idp.get("/logout", params)
			require.Equal(t, http.StatusBadRequest, out.status, "%v", params)
			require.Empty(t, out.header.Get("Location"))
		}
	}

	// Without a client nothing vouches for the URI: it is ignored.
	out := idp.get("/logout", url.Values{"post_logout_redirect_uri": {"https://evil.example/"}})
	require.Equal(t, idp.handler.Issuer+"/signed-out", out.header.Get("Location"))
}

// PKCE ties a code to whoever began (RFC 7636); plain ties it to whoever reads along.
func TestAttack_DowngradeOfPKCE(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)

	for name, params := range map[string]url.Values{
		"missing":                  authorizeParams("code_challenge", "", "code_challenge_method", ""),
		"method without challenge": authorizeParams("code_challenge", ""),
		"plain":                    authorizeParams("code_challenge_method", "plain"),
		"plain by default":         authorizeParams("code_challenge_method", ""),
		"unknown method":           authorizeParams("code_challenge_method", "s256"),
		"too short":                authorizeParams("code_challenge", "abc"),
		"padded":                   authorizeParams("code_challenge", challenge(testVerifier)[:42]+"="),
	} {
		to := idp.get("/authorize", params).location(t)
		require.Equal(t, "localhost:5173", to.Host, name)
		require.Equal(t, "invalid_request", to.Query().Get("error"), name)
		require.Contains(t, to.Query().Get("error_description"), "code_challenge", name)
		require.Equal(t, "a-state", to.Query().Get("state"), name)
	}
}

// A stolen code is worth nothing without the verifier, and there is one guess.
func TestAttack_StolenCodeWithoutItsVerifier(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)

	for name, change := range map[string][]string{
		"wrong verifier":     {"code_verifier", strings.Repeat("x", 43)},
		"challenge itself":   {"code_verifier", challenge(testVerifier)},
		"no verifier":        {"code_verifier", ""},
		"another redirect":   {"redirect_uri", "http://localhost:5173/other"},
		"another client":     {"client_id", "other"},
		"no client":          {"client_id", ""},
		"an unknown client":  {"client_id", "stranger"},
		"a client assertion": {"client_id", "", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "a.b.c"},
	} {
		code := idp.code("alice", authorizeParams())
		got := idp.do(http.MethodPost, "/token", exchangeParams(code, change...))
		require.GreaterOrEqual(t, got.status, 400, name)
		require.Less(t, got.status, 500, "%s: %s", name, got.body)
		require.NotContains(t, got.body, "id_token", name)

		idp.refused(exchangeParams(code), "invalid_grant")
	}
}

// The second use of a code ends what the first one got: one of the two is a thief
// (RFC 6749 section 4.1.2).
func TestAttack_CodeReuseEndsTheTokens(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	code := idp.code("alice", authorizeParams())
	got := idp.tokens(exchangeParams(code))

	idp.refused(exchangeParams(code), "invalid_grant")
	idp.refused(refreshParams(got.Refresh), "invalid_grant")

	info := idp.do(http.MethodGet, "/userinfo", nil, "Authorization", "Bearer "+got.Access)
	require.Equal(t, http.StatusUnauthorized, info.status)
}

func TestAttack_CodeUsedTwiceAtOnceGivesAtMostOneSignIn(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	code := idp.code("alice", authorizeParams())

	const racers = 8

	answers := make([]answer, racers)

	var group sync.WaitGroup
	for n := range racers {
		group.Go(func() { answers[n] = idp.do(http.MethodPost, "/token", exchangeParams(code)) })
	}

	group.Wait()

	successes := 0

	for _, got := range answers {
		if got.status == http.StatusOK {
			successes++

			refresh, _ := got.json(t)["refresh_token"].(string)
			idp.refused(refreshParams(refresh), "invalid_grant")
		}
	}

	require.LessOrEqual(t, successes, 1)
}

// A refresh token used twice was stolen; the whole sign-in ends (RFC 9700 section 4.14.2).
func TestAttack_RefreshTokenReuseEndsTheSignIn(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	first := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))
	second := idp.tokens(refreshParams(first.Refresh))

	idp.refused(refreshParams(first.Refresh), "invalid_grant")
	idp.refused(refreshParams(second.Refresh), "invalid_grant")
}

func TestAttack_RefreshTokenOfAnotherClient(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	got := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))

	idp.refused(refreshParams(got.Refresh, "client_id", "other"), "invalid_grant")
	idp.refused(refreshParams(got.Refresh, "client_id", "stranger"), "invalid_client")

	revoked := idp.do(http.MethodPost, "/revoke", url.Values{"token": {got.Refresh}, "client_id": {"other"}})
	require.Equal(t, http.StatusUnauthorized, revoked.status)

	idp.tokens(refreshParams(got.Refresh)) // still good
}

// Access logs have URLs (RFC 6749 section 3.2, DECISIONS 15).
func TestAttack_SecretsInTheURLAreNotTaken(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	got := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))

	inURL := idp.do(http.MethodPost, "/token?"+refreshParams(got.Refresh).Encode(), url.Values{})
	require.Equal(t, http.StatusBadRequest, inURL.status)

	inURL = idp.get("/userinfo", url.Values{"access_token": {got.Access}})
	require.Equal(t, http.StatusBadRequest, inURL.status)

	inURL = idp.do(http.MethodPost, "/dev/token?user=alice", url.Values{})
	require.Equal(t, http.StatusBadRequest, inURL.status)

	idp.tokens(refreshParams(got.Refresh))
}

// A page of another site can post forms here, though not read the answers.
func TestAttack_OtherSitesCannotPost(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	id, _ := idp.form(authorizeParams())
	choice := url.Values{"request": {id}, "user": {"alice"}}

	for _, origin := range []string{"https://evil.example", "null", "http://localhost.evil.example"} {
		got := idp.do(http.MethodPost, "/login", choice, "Origin", origin)
		require.Equal(t, http.StatusForbidden, got.status, origin)

		got = idp.do(http.MethodPost, "/dev/token", url.Values{"user": {"alice"}}, "Origin", origin)
		require.Equal(t, http.StatusForbidden, got.status, origin)
	}

	// Nor may a page of another port choose the user.
	got := idp.do(http.MethodPost, "/login", choice, "Origin", "http://localhost:5173", "Sec-Fetch-Site", "same-site")
	require.Equal(t, http.StatusForbidden, got.status)

	got = idp.do(http.MethodPost, "/login", choice, "Origin", "null", "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusSeeOther/100, got.status/100, "a browser that strips referrers still signs in")
}

func TestAttack_LoginFormIsUsedOnce(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	id, _ := idp.form(authorizeParams())
	choice := url.Values{"request": {id}, "user": {"alice"}}

	require.NotEmpty(t, idp.do(http.MethodPost, "/login", choice).location(t).Query().Get("code"))

	again := idp.do(http.MethodPost, "/login", choice)
	require.Equal(t, http.StatusBadRequest, again.status)
	require.Empty(t, again.header.Get("Location"))

	for _, request := range []string{"", "guessed", id} {
		require.Equal(t, http.StatusBadRequest, idp.get("/login", url.Values{"request": {request}}).status)
	}
}

func TestAttack_ForgedIDTokenHint(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)
	got := idp.tokens(exchangeParams(idp.code("alice", authorizeParams())))
	parts := strings.Split(got.ID, ".")
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."

	for _, hint := range []string{unsigned, parts[0] + "." + parts[1] + ".AAAA", "nonsense"} {
		out := idp.get("/logout", url.Values{"id_token_hint": {hint}})
		require.Equal(t, http.StatusBadRequest, out.status)

		to := idp.get("/authorize", authorizeParams("id_token_hint", hint)).location(t)
		require.Equal(t, "login_required", to.Query().Get("error"))
	}

	idp.tokens(refreshParams(got.Refresh)) // nobody was signed out
}

func TestAttack_OtherGrantsAndFlows(t *testing.T) {
	t.Parallel()

	idp := newTestIDP(t, nil)

	for _, grant := range []string{
		"", "password", "client_credentials", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer",
		"urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:device_code",
	} {
		got := idp.do(http.MethodPost, "/token", url.Values{"grant_type": {grant}, "client_id": {"notes"}, "assertion": {"a.b.c"}, "username": {"alice"}, "password": {""}})
		require.Equal(t, http.StatusBadRequest, got.status, grant)
	}

	for pair, want := range map[[2]string]string{
		{"response_type", "token"}:               "unauthorized_client",
		{"response_type", "id_token"}:            "unauthorized_client",
		{"response_type", "id_token token"}:      "unauthorized_client",
		{"response_type", ""}:                    "invalid_request",
		{"response_mode", "web_message"}:         "invalid_request",
		{"scope", ""}:                            "invalid_request",
		{"scope", "profile"}:                     "invalid_scope",
		{"prompt", "none"}:                       "login_required",
		{"request", "a.b.c"}:                     "request_not_supported",
		{"request_uri", "https://evil.example/"}: "request_not_supported",
	} {
		to := idp.get("/authorize", authorizeParams(pair[0], pair[1])).location(t)
		require.Equal(t, want, to.Query().Get("error"), "%v", pair)
		require.Empty(t, to.Query().Get("code"))
	}

	twice := authorizeParams()
	twice.Add("state", "another")
	require.Equal(t, "invalid_request", idp.get("/authorize", twice).location(t).Query().Get("error"))
}
