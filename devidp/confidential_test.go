package devidp

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

const testSecret = "a secret with % and :"

func confidential(t *testing.T) *testIDP {
	t.Helper()

	return newTestIDP(t, func(h *Handler) { h.Clients[0].Secret = testSecret })
}

func TestConfidentialClientShowsItsSecret(t *testing.T) {
	t.Parallel()

	for name, send := range map[string]func(*testIDP, url.Values) answer{
		"client_secret_basic": func(idp *testIDP, form url.Values) answer {
			form.Del("client_id")

			return idp.do(http.MethodPost, "/token", form, "Authorization", basic("notes", testSecret))
		},
		"client_secret_post": func(idp *testIDP, form url.Values) answer {
			form.Set("client_secret", testSecret)

			return idp.do(http.MethodPost, "/token", form)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			idp := confidential(t)
			require.Contains(t, idp.get(pathDiscovery, nil).json(t)["token_endpoint_auth_methods_supported"], name)

			got := send(idp, exchangeParams(idp.code("alice", authorizeParams())))
			require.Equal(t, http.StatusOK, got.status, got.body)

			again := send(idp, refreshParams(got.json(t)["refresh_token"].(string))) //nolint:forcetypeassert // a test
			require.Equal(t, http.StatusOK, again.status, again.body)
		})
	}
}

func TestAttack_CodeOfAConfidentialClientWithoutItsSecret(t *testing.T) {
	t.Parallel()

	idp := confidential(t)

	for name, header := range map[string]string{
		"none": "", "wrong": basic("notes", "wrong"), "empty": basic("notes", ""), "another client's name": basic("other", testSecret),
	} {
		form := exchangeParams(idp.code("alice", authorizeParams()))
		headers := []string{}

		if header != "" {
			form.Del("client_id")
			headers = []string{"Authorization", header}
		}

		got := idp.do(http.MethodPost, "/token", form, headers...)
		require.GreaterOrEqual(t, got.status, 400, name)
		require.Less(t, got.status, 500, name)
		require.NotContains(t, got.body, "id_token", name)
	}
}

func TestSecretMayBeAPlaceholderButNotEmpty(t *testing.T) {
	t.Setenv("DEVIDP_TEST_SECRET", testSecret)
	t.Setenv("DEVIDP_TEST_EMPTY", "")

	h := testHandler(t)
	h.Clients[0].Secret = "{env.DEVIDP_TEST_SECRET}"
	provision(t, h)
	require.Equal(t, testSecret, h.provider.clients[0].Secret)
	require.Equal(t, "{env.DEVIDP_TEST_SECRET}", h.Clients[0].Secret)

	for _, secret := range []string{"{env.DEVIDP_TEST_EMPTY}", "{env.DEVIDP_IS_NOT_SET}"} {
		h := testHandler(t)
		h.Clients[0].Secret = secret
		require.ErrorContains(t, tryProvision(t, h), "client notes: secret")
	}
}

// basic is client_secret_basic (RFC 6749 section 2.3.1): both parts are form-encoded.
func basic(id, secret string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))

	return r.Header.Get("Authorization")
}
