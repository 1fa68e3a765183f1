package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

func TestF5_WholeFlowSignsInAndMakesASession(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	resp := f.signIn(b, "", "alice")
	got := body(t, resp)
	require.Equal(t, http.StatusOK, resp.StatusCode, got)
	require.Equal(t, "idp.example.com_alice", got["name"])
	require.NotEmpty(t, got["id_token"])
	require.NotEmpty(t, got["refresh_token"])
	require.Equal(t, b.jar[DefaultCookie], got["session_id"])
	for _, member := range []string{"access_token", "token_type", "expires_in"} {
		require.NotContains(t, got, member, "only with include_access")
	}
	require.Empty(t, b.logins(), "F14: the state's cookie is deleted")
	require.Equal(t, "idp.example.com_alice", f.in(b.sessionOf()).Name)
	f.in(bearer(fmt.Sprint(got["id_token"])))
	asked := f.idp.asked[0]
	id, secret, _ := asked.BasicAuth()
	require.Equal(t, "app s3cret-of-app", id+" "+secret, "client_secret_basic is the default")
	require.Empty(t, asked.PostForm.Get("client_secret"))
}

func TestF6_F7_UnregisteredUsers(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(c *Config) { c.Providers[0].Register = false })
	b := f.browser()
	answered(t, f.signIn(b, "", "alice"), 401, "Invalid login")
	require.Empty(t, b.jar, "no session")
	require.NoError(t, f.state.CreateUser(t.Context(), notes.ID, "idp.example.com_bob", false))
	require.Equal(t, 200, f.signIn(b, "", "bob").StatusCode, "a user made before")
	require.Equal(t, "idp.example.com_bob", f.in(b.sessionOf()).Name)
}

func TestF8_NoIDToken(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.idp.bend = func(answer map[string]any) { delete(answer, "id_token") }
	answered(t, f.signIn(f.browser(), "", "alice"), 502, "No id_token field in oauth2 token.")
	f.idp.refresh["r"] = "alice"
	answered(t, f.browser().post(OIDCRefresh, jsonBody, `{"refresh_token":"r"}`), 502, "No id_token field")
}

// The token endpoint fails in every way: 4xx, 502 or 503, never 500, and nothing that it
// wrote reaches the client.
func TestF9_TokenEndpointFails(t *testing.T) {
	t.Parallel()
	write := func(status int, kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
		}
	}
	for _, c := range []struct {
		name   string
		fail   http.HandlerFunc
		status int
	}{
		{"refuses the code", write(400, jsonBody, `{"error":"invalid_grant","error_description":"planted"}`), 401},
		{"refuses by 200", write(200, jsonBody, `{"error":"invalid_grant"}`), 401},
		{"does not know us", write(401, jsonBody, `{"error":"invalid_client"}`), 502},
		{"is confused", write(400, jsonBody, `{"error":"planted \"quoted\""}`), 502},
		{"breaks", write(500, "text/html", "planted"), 502},
		{"is not there", write(404, "text/html", "planted"), 502},
		{"redirects", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, 502},
		{"answers no JSON", write(200, jsonBody, `planted`), 502},
		{"answers no token", write(200, jsonBody, `{}`), 502},
		{"answers too much", write(200, jsonBody, `{"access_token":"`+strings.Repeat("x", 2<<20)+`"}`), 502},
		{"is busy", write(503, jsonBody, `{}`), 503},
		{"has enough of us", write(429, jsonBody, `{}`), 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFlow(t)
			f.idp.fail = c.fail
			resp := f.signIn(f.browser(), "", "alice")
			got := body(t, resp)
			require.Equal(t, c.status, resp.StatusCode, got)
			require.Equal(t, "Failed to exchange token", got["reason"])
			require.Equal(t, c.status == 503, resp.Header.Get("Retry-After") != "")

			f.idp.refresh["r"] = "alice"
			resp = f.browser().post(OIDCRefresh, jsonBody, `{"refresh_token":"r"}`)
			require.Equal(t, c.status, resp.StatusCode)
			require.Equal(t, "Unable to refresh token.", body(t, resp)["reason"], "F18")
		})
	}
}

// roundTripper answers as a function does.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestF9_TokenEndpointIsUnreachable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.service.Stop()
	w.service = w.start(func(c *Config) {
		c.Providers[0].HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/token" {
				return nil, errors.New("dial tcp: connection refused")
			}
			return w.issuer.RoundTrip(r)
		})}
	})
	f := &flow{world: w, idp: newCodeProvider(t, w.issuer)}
	resp := f.signIn(f.browser(), "", "alice")
	require.Equal(t, "5", resp.Header.Get("Retry-After"))
	answered(t, resp, 503, "Failed to exchange token")
	answered(t, f.browser().post(OIDCRefresh, jsonBody, `{"refresh_token":"r"}`), 503, "Unable to refresh token.")
}

// F10, F11: no option takes an ID token without verifying it, wherever it is from.
func TestF10F11_IDTokensOfTheTokenEndpointAreVerified(t *testing.T) {
	t.Parallel()
	es256 := map[string]any{"kid": "ec", "typ": "JWT"}
	for _, c := range []struct {
		name   string
		claims map[string]any
		sign   func(c map[string]any) string
		reason string
	}{
		{name: "another key", sign: func(c map[string]any) string { return sign(t, "ec2", jose.ES256, es256, c) }, reason: "bad signature"},
		{name: "unsigned", sign: func(c map[string]any) string {
			text, _ := json.Marshal(c)
			return forge(`{"alg":"none"}`, string(text), nil)
		}, reason: "signature algorithm not accepted"},
		{name: "no token at all", sign: func(map[string]any) string { return "planted" }, reason: "malformed"},
		{name: "another issuer", claims: map[string]any{"iss": "https://evil.example"}, reason: "unknown issuer"},
		{name: "another audience", claims: map[string]any{"aud": "other"}, reason: "wrong audience"},
		{name: "expired", claims: map[string]any{"exp": 1000}, reason: "token expired"},
		{name: "not yet valid", claims: map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}, reason: "not valid yet"},
		{name: "no subject", claims: map[string]any{"sub": absent}, reason: "no subject"},
		{name: "another client's (azp)", claims: map[string]any{"azp": "other"}, reason: "azp"},
		{name: "several audiences without azp", claims: map[string]any{"aud": []string{"app", "api"}}, reason: "azp"},
		{name: "azp of another type", claims: map[string]any{"azp": []string{"app"}}, reason: "azp"},
		{name: "at_hash of another access token", claims: map[string]any{"at_hash": halfHash("ES256", "other")}, reason: "at_hash"},
		{name: "an access token", sign: func(c map[string]any) string {
			return sign(t, "ec", jose.ES256, map[string]any{"kid": "ec", "typ": "at+jwt"}, c)
		}, claims: map[string]any{"client_id": "app"}, reason: "not an ID token"},
		{name: "for our other client", claims: map[string]any{"aud": "second"}, reason: "another client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFlow(t, func(cfg *Config) {
				cfg.Providers[0].AccessTokens = true
				cfg.Providers[0].ClientIDs = []string{"app", "second"}
			})
			f.idp.claims, f.idp.sign = c.claims, c.sign
			b := f.browser()
			resp := f.signIn(b, "", "alice")
			got := body(t, resp)
			require.Equal(t, 502, resp.StatusCode, got)
			require.Contains(t, got["reason"], "ID token was refused")
			require.Contains(t, got["reason"], c.reason)
			require.NotContains(t, got["reason"], "planted")
			require.Empty(t, b.jar)
		})
	}
	f := newFlow(t)
	f.idp.claims = map[string]any{"aud": []string{"app", "api"}, "azp": "app"}
	require.Equal(t, 200, f.signIn(f.browser(), "", "alice").StatusCode, "several audiences with azp")
	f.idp.claims = map[string]any{"at_hash": absent}
	require.Equal(t, 200, f.signIn(f.browser(), "", "bob").StatusCode, "at_hash is optional in this flow")
}

func TestAtHashFollowsTheSignatureAlgorithm(t *testing.T) {
	t.Parallel()
	// OpenID Connect Core, appendix A.3 (RS256).
	require.Equal(t, "77QmUPtjPfzWtF2AnpK9RQ", halfHash("RS256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"))
	require.Len(t, halfHash("ES384", "x"), 32)
	require.Len(t, halfHash("EdDSA", "x"), 43)
}

func TestF12_ProviderAnswersAnError(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	answered(t, b.open(OIDCCallback, "error=access_denied&error_description=denied+by+user"), 401, "oidc callback received an error: denied by user")
	answered(t, b.open(OIDCCallback, "error=access_denied"), 401, "error: access_denied")
	resp := b.open(OIDCCallback, "error=x&error_description="+url.QueryEscape("a\r\nb\"<script>"+strings.Repeat("y", 1000)))
	got := fmt.Sprint(body(t, resp)["reason"])
	require.Less(t, len(got), 300)
	require.NotContains(t, got, "\n")
	require.Equal(t, jsonBody, resp.Header.Get("Content-Type"))

	_, answer := f.idp.authorize(b.begin(""), "alice")
	answered(t, b.open(OIDCCallback, "error=access_denied&state="+answer.Get("state")), 401, "error")
	require.Empty(t, b.logins(), "the login is over")
}

func TestF13_CallbackWithoutCode(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	answered(t, f.browser().open(OIDCCallback, ""), 400, "Code must be present on oidc callback")
}

func TestF14_State(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	redirect, answer := f.idp.authorize(b.begin(""), "alice")
	// Login CSRF: somebody else's browser has no cookie of this login.
	answered(t, f.browser().returned(redirect, answer), 400, "No state cookie found")
	other := f.browser()
	other.begin("")
	answered(t, other.returned(redirect, answer), 400, "State mismatch")
	answered(t, b.open(OIDCCallback, "code=x&state="+newState()), 400, "State mismatch")
	answered(t, b.open(OIDCCallback, "code=x"), 400, "State mismatch")
	require.Empty(t, f.idp.asked, "no code goes to the provider")
	require.Equal(t, 200, b.returned(redirect, answer).StatusCode, "the login itself is unharmed")
}

// F15: there is no option to go without state; PKCE and nonce are always sent too.
func TestF15_StateNonceAndPKCEAlways(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	seen := map[string]bool{}
	for range 3 {
		u, err := url.Parse(b.begin(""))
		require.NoError(t, err)
		q := u.Query()
		require.Equal(t, "S256", q.Get("code_challenge_method"))
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			require.Len(t, q.Get(name), 43, name)
			require.False(t, seen[q.Get(name)], "%s repeats", name)
			seen[q.Get(name)] = true
		}
	}
	require.Len(t, b.logins(), 3)
}

func TestF16_UnknownProviderAtTheCallback(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	answered(t, f.browser().open(OIDCCallback, "code=x&state=y&provider=none"), 400, "Unable to identify provider for callback request")
}

func TestF17_UsernameClaim(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{"": "al", "corp": "corp_al"} {
		f := newFlow(t, func(c *Config) {
			c.Providers[0].UsernameClaim, c.Providers[0].UserPrefix = "preferred_username", prefix
		})
		f.idp.claims = map[string]any{"preferred_username": "al"}
		require.Equal(t, want, body(t, f.signIn(f.browser(), "", "alice"))["name"])
	}
	f := newFlow(t, func(c *Config) { c.Providers[0].UsernameClaim = "preferred_username" })
	answered(t, f.signIn(f.browser(), "", "alice"), 502, "preferred_username")
}

func TestF19_IncludeAccess(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(c *Config) { c.Providers[0].IncludeAccess = true })
	got := body(t, f.signIn(f.browser(), "", "alice"))
	require.Contains(t, got["access_token"], "-of-alice")
	require.Equal(t, "Bearer", got["token_type"])
	require.InDelta(t, 3599, got["expires_in"], 0)
	got = body(t, f.browser().post(OIDCRefresh, jsonBody, fmt.Sprintf(`{"refresh_token":%q}`, got["refresh_token"])))
	require.Contains(t, got["access_token"], "-of-alice")
	require.InDelta(t, 3599, got["expires_in"], 0)
}

func TestF20_ProviderDownAtFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		f.issuer.down()
		b := f.browser()
		resp := b.open(OIDCLogin, "")
		require.NotEmpty(t, resp.Header.Get("Retry-After"))
		answered(t, resp, 503, "Unable to obtain client for provider: idp") // F16
		resp = b.open(OIDCChallenge, "")
		answered(t, resp, 503, "Unable to obtain client for provider: idp")
		answered(t, b.post(OIDCRefresh, jsonBody, `{"refresh_token":"x"}`), 503, "Unable to obtain client")
		require.Empty(t, b.jar)
		f.issuer.up()
		time.Sleep(maxBackoff)
		require.Equal(t, 200, f.signIn(b, "", "alice").StatusCode)
	})
}

func TestDisabledUserAndRequire(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(c *Config) { c.Providers[0].Require = map[string][]string{"groups": {"staff"}} })
	answered(t, f.signIn(f.browser(), "", "alice"), 403, "this account may not sign in here")
	f.idp.claims = map[string]any{"groups": []string{"staff"}}
	require.Equal(t, 200, f.signIn(f.browser(), "", "alice").StatusCode)
	require.NoError(t, f.state.SetDisabled(t.Context(), notes.ID, "idp.example.com_alice", true))
	b := f.browser()
	answered(t, f.signIn(b, "", "alice"), 401, "Invalid login")
	require.Empty(t, b.jar)
}

func TestDisableSession(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"by the provider": func(c *Config) { c.Providers[0].DisableSession = true },
		"by the database": func(c *Config) { c.Databases[0].Session.Off = true },
	} {
		f := newFlow(t, change)
		b := f.browser()
		got := body(t, f.signIn(b, "", "alice"))
		require.NotContains(t, got, "session_id", name)
		require.NotEmpty(t, got["id_token"])
		require.Empty(t, b.jar)
		answered(t, b.open(OIDCLogin, "return_to=/"), 400, "sessions are off")
	}
}

// D21: Apple answers by a POST from its own site.
func TestDecision21_FormPost(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(c *Config) { c.Providers[0].ResponseMode = "form_post" })
	b := f.browser()
	resp := b.open(OIDCLogin, "")
	require.Contains(t, resp.Header.Get("Set-Cookie"), "; Secure; SameSite=None")
	location := resp.Header.Get("Location")
	require.Contains(t, location, "response_mode=form_post")
	_, answer := f.idp.authorize(location, "alice")
	answered(t, b.open(OIDCCallback, answer.Encode()), 400, "State mismatch")

	b.header = map[string]string{"Origin": "https://idp.example.com", "Sec-Fetch-Site": "cross-site"}
	_, answer = f.idp.authorize(b.begin(""), "alice")
	answered(t, b.post(OIDCCallback, jsonBody, "{}"), 415, "form")
	resp = b.post(OIDCCallback, formType+"; charset=utf-8", answer.Encode()+"&user=%7B%7D")
	require.Equal(t, 200, resp.StatusCode, body(t, resp))
	require.Empty(t, b.logins())

	_, answer = f.idp.authorize(b.begin("return_to=%2Fapp"), "alice")
	resp = b.post(OIDCCallback, formType, answer.Encode())
	require.Equal(t, 303, resp.StatusCode, "after a POST the browser must not POST on")
	require.Equal(t, "https://example.com/app", resp.Header.Get("Location"))

	plain := newFlow(t)
	b = plain.browser()
	_, answer = plain.idp.authorize(b.begin(""), "alice")
	answered(t, b.post(OIDCCallback, formType, answer.Encode()), 400, "State mismatch")
}

func TestReturnToTheApp(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	to := "https://app.example.com/inbox?tab=1#top"
	redirect, answer := f.idp.authorize(b.begin("return_to="+url.QueryEscape(to)), "alice")
	resp := b.returned(redirect, answer)
	require.Equal(t, http.StatusFound, resp.StatusCode)
	require.Equal(t, to, resp.Header.Get("Location"), "and no token in it")
	require.Equal(t, "no-referrer", resp.Header.Get("Referrer-Policy"))
	require.Equal(t, "idp.example.com_alice", f.in(b.sessionOf()).Name)

	_, answer = f.idp.authorize(b.begin("return_to="+url.QueryEscape(to)), "alice")
	resp = b.open(OIDCCallback, "error=access_denied&error_description=planted&state="+answer.Get("state"))
	require.Equal(t, "https://app.example.com/inbox?error=access_denied&error_description=The+sign-in+provider+did+not+sign+you+in.&tab=1#top", resp.Header.Get("Location"))

	f.idp.fail = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "planted", http.StatusBadGateway) }
	resp = b.returned(f.idp.authorize(b.begin("return_to="+url.QueryEscape(to)), "alice"))
	require.Equal(t, "https://app.example.com/inbox?error=server_error&error_description=Failed+to+exchange+token&tab=1#top", resp.Header.Get("Location"))

	answered(t, b.open(OIDCLogin, "return_to=https://evil.example"), 400, "return_to must be")
}

// No secret of the flow reaches a log, whatever fails.
func TestDecision15_NoSecretOfTheFlowInLogs(t *testing.T) {
	t.Parallel()
	logger, logs := observed()
	f := newFlow(t, func(c *Config) { c.Logger = logger })
	f.state.logger = logger
	b := f.browser()
	got := body(t, f.signIn(b, "", "alice"))
	redirect, answer := f.idp.authorize(b.begin(""), "alice")
	answer.Set("code", "planted-code")
	b.returned(redirect, answer)
	b.post(OIDCRefresh, jsonBody, `{"refresh_token":"planted-refresh"}`)
	b.open(OIDCRefresh, "refresh_token=planted-query")
	b.open(OIDCCallback, "error=planted-error&error_description=planted-text&code=planted&state=planted")
	f.idp.fail = func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "planted-body "+r.PostForm.Encode(), http.StatusBadGateway)
	}
	b.post(OIDCRefresh, formType, `refresh_token=planted-refresh`)
	f.signIn(b, "", "alice")
	b.post(OIDCBackchannelLogout, formType, "logout_token=planted.planted.planted")
	b.post(OIDCLogout, formType, "id_token_hint="+fmt.Sprint(got["id_token"]))
	text := logs()
	require.NotEmpty(t, text)
	for _, secret := range []string{
		"planted", "s3cret-of-app", "code-", "refresh-", "access-", answer.Get("state"), fmt.Sprint(got["session_id"]),
		strings.Split(fmt.Sprint(got["id_token"]), ".")[1],
	} {
		require.NotContains(t, text, secret)
	}
}
