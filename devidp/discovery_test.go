package devidp

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDiscoveryOffersWhatIsServedAndNothingElse(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))
	got := serve(handler, loopbackRequest(http.MethodGet, "/idp"+pathDiscovery, nil))
	require.Equal(t, http.StatusOK, got.status)

	base := "http://localhost:8080/idp"
	require.Equal(t, map[string]any{
		"issuer":                                     base,
		"authorization_endpoint":                     base + "/authorize",
		"token_endpoint":                             base + "/token",
		"userinfo_endpoint":                          base + "/userinfo",
		"revocation_endpoint":                        base + "/revoke",
		"backchannel_logout_supported":               true,
		"backchannel_logout_session_supported":       true,
		"end_session_endpoint":                       base + "/logout",
		"jwks_uri":                                   base + "/keys",
		"response_types_supported":                   []any{"code"},
		"response_modes_supported":                   []any{"query", "fragment", "form_post"},
		"grant_types_supported":                      []any{"authorization_code", "refresh_token"},
		"subject_types_supported":                    []any{"public"},
		"id_token_signing_alg_values_supported":      []any{"RS256", "ES256", "EdDSA"},
		"scopes_supported":                           []any{"openid", "profile", "email", "phone", "address", "offline_access"},
		"token_endpoint_auth_methods_supported":      []any{"none"},
		"revocation_endpoint_auth_methods_supported": []any{"none"},
		"code_challenge_methods_supported":           []any{"S256"},
		"request_uri_parameter_supported":            false,
	}, got.json(t))
}

func TestKeySetHasPublicKeysOfAllAlgorithms(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))
	got := serve(handler, loopbackRequest(http.MethodGet, "/idp/keys", nil))

	keys, _ := got.json(t)["keys"].([]any)
	require.Len(t, keys, 3)

	for n, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		key, _ := keys[n].(map[string]any)
		require.Equal(t, algorithm, key["alg"])
		require.Equal(t, "sig", key["use"])
		require.NotEmpty(t, key["kid"])

		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			require.NotContains(t, key, private)
		}
	}
}

func TestPagesOfOtherLoopbackOriginsMayCall(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))

	call := func(method, endpoint, origin string) answer {
		r := loopbackRequest(method, "/idp"+endpoint, nil)
		r.Header.Set("Origin", origin)

		return serve(handler, r)
	}

	for _, endpoint := range []string{pathDiscovery, pathKeys, pathToken, pathUserinfo, pathRevoke, pathDevToken} {
		preflight := call(http.MethodOptions, endpoint, "http://localhost:5173")
		require.Equal(t, http.StatusNoContent, preflight.status, endpoint)
		require.Equal(t, "http://localhost:5173", preflight.header.Get("Access-Control-Allow-Origin"))
		require.Contains(t, preflight.header.Get("Access-Control-Allow-Headers"), "Authorization")
		require.Contains(t, preflight.header.Values("Vary"), "Origin")
		require.Empty(t, preflight.header.Get("Access-Control-Allow-Credentials"), "there are no cookies")

		for _, origin := range []string{"https://evil.example", "null", "http://localhost.evil.example"} {
			for _, method := range []string{http.MethodOptions, http.MethodGet, http.MethodPost} {
				require.Empty(t, call(method, endpoint, origin).header.Get("Access-Control-Allow-Origin"), "%s %s from %s", method, endpoint, origin)
			}
		}
	}

	// An error must be readable too, or the app sees only a failed fetch.
	require.NotEmpty(t, call(http.MethodPost, pathToken, "http://localhost:5173").header.Get("Access-Control-Allow-Origin"))

	// What a person sees is not for scripts of other origins.
	for _, endpoint := range []string{pathAuthorize, pathLogin, pathLogout} {
		require.Empty(t, call(http.MethodGet, endpoint, "http://localhost:5173").header.Get("Access-Control-Allow-Origin"), endpoint)
		require.Equal(t, http.StatusMethodNotAllowed, call(http.MethodOptions, endpoint, "http://localhost:5173").status)
	}
}
