package devidp

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func devToken(h *Handler, form url.Values, headers ...string) answer {
	r := loopbackRequest(http.MethodPost, "/idp/dev/token", form)
	for n := 0; n+1 < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}

	return serve(h, r)
}

// devClaims asks for a token, verifies it with the keys as served, and returns its claims.
func devClaims(t *testing.T, h *Handler, form url.Values) (algorithm string, claims map[string]any) {
	t.Helper()

	got := devToken(h, form)
	require.Equal(t, http.StatusOK, got.status, got.body)

	body := got.json(t)
	require.Len(t, body, 1)

	token, _ := body["id_token"].(string)

	return verifyWith(t, serve(h, loopbackRequest(http.MethodGet, "/idp/keys", nil)).body, token)
}

func TestDevTokenOfEveryAlgorithm(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))

	for _, want := range []string{"RS256", "ES256", "EdDSA"} {
		algorithm, claims := devClaims(t, handler, url.Values{"user": {"bob"}, "alg": {want}})
		require.Equal(t, want, algorithm)
		require.Equal(t, "bob", claims["sub"])
		require.Equal(t, []any{"notes"}, claims["aud"], "the first client listed")
		require.Equal(t, "bob@example.com", claims["email"])
		require.Equal(t, handler.Issuer, claims["iss"])
	}

	algorithm, _ := devClaims(t, handler, url.Values{"user": {"bob"}})
	require.Equal(t, "RS256", algorithm, "the default")
}

func TestDevTokenLivesAsLongAsAsked(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		handler := provision(t, testHandler(t))
		now := time.Now()

		for ttl, want := range map[string]time.Duration{
			"": time.Hour, "90": 90 * time.Second, "15m": 15 * time.Minute, "30d": 30 * 24 * time.Hour, "-60": -time.Minute,
			"-1h": -time.Hour, "0": 0, "876000h": 876000 * time.Hour,
		} {
			form := url.Values{"user": {"alice"}, "ttl": {ttl}}
			if ttl == "" {
				form.Del("ttl")
			}

			_, claims := devClaims(t, handler, form)
			require.EqualValues(t, now.Add(want).Unix(), claims["exp"], "ttl %q", ttl)
			require.Less(t, claims["iat"], claims["exp"], "ttl %q", ttl)
			require.LessOrEqual(t, claims["iat"], float64(now.Unix()), "ttl %q", ttl)
		}
	})
}

func TestDevTokensOfOneSecondDiffer(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		handler := provision(t, testHandler(t))
		form := url.Values{"user": {"alice"}, "alg": {"EdDSA"}}
		first, second := devToken(handler, form), devToken(handler, form)
		require.NotEqual(t, first.body, second.body)
	})
}

func TestDevTokenClaims(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))

	_, claims := devClaims(t, handler, url.Values{"user": {"alice"}, "client_id": {"other"}, "claims": {
		`{"roles":["reader"],"email_verified":false,"name":null,"iat":12,"n":{"deep":true},"nonce":"x","jti":"chosen"}`,
	}})
	require.Equal(t, []any{"other"}, claims["aud"])
	require.Equal(t, []any{"reader"}, claims["roles"])
	require.Equal(t, false, claims["email_verified"])
	require.NotContains(t, claims, "name")
	require.EqualValues(t, 12, claims["iat"])
	require.Equal(t, map[string]any{"deep": true}, claims["n"])
	require.Equal(t, "chosen", claims["jti"])

	require.Contains(t, devToken(handler, url.Values{"user": {"alice"}, "claims": {`{"big":9007199254740993}`}}).json(t), "id_token")
}

func TestDecision20_ClaimsMayNotSetIssuerAudienceOrExpiry(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))

	for _, claims := range []string{
		`{"iss":"https://evil.example"}`, `{"aud":"x"}`, `{"aud":["notes","x"]}`, `{"exp":9999999999}`, `{"exp":null}`,
		`{"\u0069ss":"x"}`, `{"roles":[],"aud":null}`,
	} {
		got := devToken(handler, url.Values{"user": {"alice"}, "claims": {claims}})
		require.Equal(t, http.StatusBadRequest, got.status, claims)
		require.Contains(t, got.body, "claims may not set", claims)
	}
}

func TestDecision19_BareTokenToPlainText(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))
	form := url.Values{"user": {"alice"}}

	got := devToken(handler, form, "Accept", "text/plain")
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "text/plain; charset=utf-8", got.header.Get("Content-Type"))
	require.Len(t, strings.Split(got.body, "."), 3)
	require.NotContains(t, got.body, "\n")

	for accept, plain := range map[string]bool{
		"": false, "*/*": false, "application/json": false, "application/json, text/plain, */*": false,
		"text/plain, */*; q=0.01": true, "text/plain;q=0.5, application/json": false, "text/plain; q=0.9, application/json;q=0.8": true,
		"text/*": false, "TEXT/PLAIN": true, "text/plain;q=x": false, ";;,": false, "text/plain;q=0": false,
	} {
		got := devToken(handler, form, "Accept", accept)
		require.Equal(t, plain, strings.HasPrefix(got.header.Get("Content-Type"), "text/plain"), "%q", accept)
	}
}

func TestDevTokenRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))

	for want, form := range map[string]url.Values{
		"listed are alice, bob":   {"user": {"mallory"}},
		`user \"\"`:               {},
		"repeated":                {"user": {"alice", "bob"}},
		`unknown field \"claim\"`: {"user": {"alice"}, "claim": {`{}`}},
		"no such client":          {"user": {"alice"}, "client_id": {"stranger"}},
		"alg":                     {"user": {"alice"}, "alg": {"none"}},
		"must be RS256":           {"user": {"alice"}, "alg": {"HS256"}},
		"must be a duration":      {"user": {"alice"}, "ttl": {"soon"}},
		"200 years":               {"user": {"alice"}, "ttl": {"9223372036854775807"}},
		"than 200":                {"user": {"alice"}, "ttl": {"2000000h"}},
		"JSON object":             {"user": {"alice"}, "claims": {"[]"}},
		"be a JSON":               {"user": {"alice"}, "claims": {"null"}},
		"a JSON":                  {"user": {"alice"}, "claims": {""}},
		"claims must":             {"user": {"alice"}, "claims": {"{"}},
	} {
		got := devToken(handler, form)
		require.Equal(t, http.StatusBadRequest, got.status, "%v", form)
		require.Contains(t, got.body, want)
		require.Equal(t, "invalid_request", got.json(t)["error"])
	}

	require.Equal(t, http.StatusBadRequest, devToken(handler, url.Values{"user": {"alice"}}, "Content-Type", "application/json").status)
	require.Equal(t, http.StatusBadRequest, devToken(handler, url.Values{"user": {strings.Repeat("a", maxBody)}}).status)

	wrong := serve(handler, loopbackRequest(http.MethodGet, "/idp/dev/token", nil))
	require.Equal(t, http.StatusMethodNotAllowed, wrong.status)
	require.Equal(t, "POST", wrong.header.Get("Allow"))
}

func TestDevTokenTakesMultipartForms(t *testing.T) {
	t.Parallel()

	handler := provision(t, testHandler(t))

	var body bytes.Buffer

	form := multipart.NewWriter(&body)
	require.NoError(t, form.WriteField("user", "alice"))
	require.NoError(t, form.Close())

	r := loopbackRequest(http.MethodPost, "/idp/dev/token", nil)
	full, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "/idp/dev/token", &body)
	require.NoError(t, err)

	full.RemoteAddr, full.Host = r.RemoteAddr, r.Host
	full.Header.Set("Content-Type", form.FormDataContentType())
	require.Equal(t, http.StatusOK, serve(handler, full).status)
}
