package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// logoutClaims are those of a good logout token.
func (i *issuer) logoutClaims(more ...map[string]any) map[string]any {
	now := time.Now().Unix()
	c := map[string]any{
		"iss": i.url, "aud": "app", "iat": now, "exp": now + 120, "jti": newState(), "sub": "alice",
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	for _, m := range more {
		maps.Copy(c, m)
	}
	for k, v := range c {
		if v == absent {
			delete(c, k)
		}
	}
	return c
}

func (i *issuer) logoutToken(more ...map[string]any) string {
	return sign(i.t, "ec", jose.ES256, map[string]any{"kid": "ec", "typ": "logout+jwt"}, i.logoutClaims(more...))
}

func (b *browser) logOut(token string) *http.Response {
	b.w.t.Helper()
	return b.post(OIDCBackchannelLogout, formType, url.Values{"logout_token": {token}}.Encode())
}

func TestBackchannelLogoutEndsSessionsTokensAndFeeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		b := f.browser()
		token := fmt.Sprint(body(t, f.signIn(b, "", "alice"))["id_token"])
		other := f.browser()
		f.signIn(other, "", "bob")
		l := f.lease(f.in(b.sessionOf()))
		byToken := f.lease(f.in(bearer(token)))
		time.Sleep(2 * time.Second)
		logout := f.issuer.logoutToken()
		idp := f.browser()
		idp.header = map[string]string{"Sec-Fetch-Site": "cross-site"}
		resp := idp.logOut(logout)
		require.Equal(t, http.StatusOK, resp.StatusCode, body(t, resp))
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		_ = f.out(b.sessionOf())
		_ = f.out(bearer(token))
		require.True(t, ended(l))
		require.True(t, ended(byToken))
		f.in(other.sessionOf())

		// Decision 4: replaying it ends nothing newer.
		time.Sleep(2 * time.Second)
		require.Equal(t, 200, f.signIn(b, "", "alice").StatusCode)
		require.Equal(t, 200, idp.logOut(logout).StatusCode)
		f.in(b.sessionOf())
	})
}

func TestBackchannelLogoutOfOneSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		phone, laptop := f.browser(), f.browser()
		f.idp.claims = map[string]any{"sid": "phone"}
		f.signIn(phone, "", "alice")
		f.idp.claims = map[string]any{"sid": "laptop"}
		f.signIn(laptop, "", "alice")
		time.Sleep(2 * time.Second)
		require.Equal(t, 200, f.browser().logOut(f.issuer.logoutToken(map[string]any{"sid": "phone", "sub": absent})).StatusCode)
		_ = f.out(phone.sessionOf())
		f.in(laptop.sessionOf())
		require.Equal(t, 200, f.browser().logOut(f.issuer.logoutToken(map[string]any{"sid": "laptop"})).StatusCode)
		_ = f.out(laptop.sessionOf())
	})
}

// Attacks on logout tokens: whoever can forge one can sign anybody out.
func TestBackchannelLogoutRefuses(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	typed := map[string]any{"kid": "ec", "typ": "logout+jwt"}
	with := func(more map[string]any) func(*issuer) string {
		return func(i *issuer) string { return i.logoutToken(more) }
	}
	for _, c := range []struct {
		name  string
		token func(*issuer) string
	}{
		{"no token", func(*issuer) string { return "" }},
		{"garbage", func(*issuer) string { return "a.b.c" }},
		{"an encrypted one", func(*issuer) string { return "a.b.c.d.e" }},
		{"an ID token", func(i *issuer) string { return i.token("alice") }},
		{"an ID token of a code flow", func(i *issuer) string { return i.token("alice", map[string]any{"nonce": "x", "jti": "1"}) }},
		{"a nonce", with(map[string]any{"nonce": "x"})},
		{"an empty nonce", with(map[string]any{"nonce": nil})},
		{"no events", with(map[string]any{"events": absent})},
		{"other events", with(map[string]any{"events": map[string]any{"http://schemas.openid.net/event/other": map[string]any{}}})},
		{"events of another type", with(map[string]any{"events": []string{logoutEvent}})},
		{"an event of another type", with(map[string]any{"events": map[string]any{logoutEvent: true}})},
		{"neither sub nor sid", with(map[string]any{"sub": absent})},
		{"sub of another type", with(map[string]any{"sub": []string{"alice"}})},
		{"sid of another type", with(map[string]any{"sid": 5})},
		{"no jti", with(map[string]any{"jti": absent})},
		{"no iat", with(map[string]any{"iat": absent})},
		{"no exp", with(map[string]any{"exp": absent})},
		{"no aud", with(map[string]any{"aud": absent})},
		{"another audience", with(map[string]any{"aud": "other"})},
		{"another issuer", with(map[string]any{"iss": "https://evil.example"})},
		{"expired", with(map[string]any{"exp": now - 1})},
		{"old", with(map[string]any{"iat": now - 3600})},
		{"of the future", with(map[string]any{"iat": now + 3600, "exp": now + 7200})},
		{"another type", func(i *issuer) string {
			return sign(i.t, "ec", jose.ES256, map[string]any{"kid": "ec", "typ": "at+jwt"}, i.logoutClaims())
		}},
		{"another key", func(i *issuer) string { return sign(i.t, "ec2", jose.ES256, typed, i.logoutClaims()) }},
		{"alg none", func(i *issuer) string {
			text, _ := json.Marshal(i.logoutClaims())
			return forge(`{"alg":"none","typ":"logout+jwt"}`, string(text), []byte("x"))
		}},
		{"an embedded key", func(i *issuer) string {
			return sign(i.t, "ec2", jose.ES256, map[string]any{"kid": "ec", "jwk": map[string]any{"kty": "EC"}}, i.logoutClaims())
		}},
		{"crit", func(i *issuer) string {
			return sign(i.t, "ec", jose.ES256, map[string]any{"kid": "ec", "crit": []string{"x"}, "x": 1}, i.logoutClaims())
		}},
		{"duplicate members", func(i *issuer) string {
			text, _ := json.Marshal(i.logoutClaims())
			return sign(i.t, "ec", jose.ES256, typed, `{"sub":"bob",`+string(text[1:]))
		}},
		{"another provider's key", func(i *issuer) string {
			return sign(i.t, "ed", jose.EdDSA, map[string]any{"kid": "ec", "typ": "logout+jwt"}, i.logoutClaims())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFlow(t)
			b := f.browser()
			f.signIn(b, "", "alice")
			resp := f.browser().logOut(c.token(f.issuer))
			got := body(t, resp)
			require.Equal(t, 400, resp.StatusCode, got)
			require.Equal(t, "invalid_request", got["error"])
			require.NotEmpty(t, got["error_description"])
			f.in(b.sessionOf())
		})
	}
}

func TestBackchannelLogoutAsOlderProvidersSendIt(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"JWT", "logout+jwt", "application/logout+jwt", "LOGOUT+JWT"} {
		f := newFlow(t)
		token := sign(t, "rsa", jose.RS256, map[string]any{"kid": "rsa", "typ": typ}, f.issuer.logoutClaims(map[string]any{"aud": []string{"x", "app"}}))
		require.Equal(t, 200, f.browser().logOut(token).StatusCode, typ)
	}
	f := newFlow(t)
	answered(t, f.browser().post(OIDCBackchannelLogout, jsonBody, `{"logout_token":"x"}`), 400, "")
	require.Equal(t, 400, f.browser().post(OIDCBackchannelLogout, formType, "logout_token=a&logout_token=b").StatusCode)
}

// Decision 4: a logout token is never a bearer.
func TestDecision4_LogoutTokenIsNoBearer(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	_ = f.out(bearer(f.issuer.logoutToken()))
	_ = f.out(bearer(sign(t, "ec", jose.ES256, map[string]any{"kid": "ec"}, f.issuer.logoutClaims())))
}

func TestBackchannelLogoutThatCannotBeDoneNow(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	token := f.issuer.logoutToken()
	f.issuer.down()
	resp := f.browser().logOut(token)
	require.Equal(t, 400, resp.StatusCode, "section 2.8")
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	require.Equal(t, "temporarily_unavailable", body(t, resp)["error"])
	f.issuer.up()
	require.Equal(t, 200, f.browser().logOut(token).StatusCode)

	again := f.issuer.logoutToken()
	f.records.broken.Store(true)
	require.Equal(t, 400, f.browser().logOut(again).StatusCode)
	f.records.broken.Store(false)
	b := f.browser()
	f.signIn(b, "", "alice")
	require.Equal(t, 200, f.browser().logOut(again).StatusCode, "not taken for a replay: it had failed")
	_ = f.out(b.sessionOf())
}

// slowFailure are records whose next update takes a while and fails.
type slowFailure struct {
	*memoryRecords
	armed atomic.Bool
}

func (s *slowFailure) Update(ctx context.Context, fn func(syncstore.RecordTx) error) error {
	if s.armed.CompareAndSwap(true, false) {
		time.Sleep(5 * time.Second)
		return syncstore.ErrUnavailable
	}
	return s.memoryRecords.Update(ctx, fn)
}

// A logout token comes twice, as a provider or a proxy sends it again that has waited for too long: 200 to the second
// would say that they are signed out, whatever becomes of the first.
func TestLogoutTokenSentAgainMeanwhileHearsWhatBecomesOfTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		b := f.browser()
		f.signIn(b, "", "alice")
		time.Sleep(10 * time.Second) // the provider's keys are stored
		synctest.Wait()
		slow := &slowFailure{memoryRecords: f.records}
		f.state.records = slow
		logout := f.issuer.logoutToken()
		slow.armed.Store(true)
		first := make(chan *http.Response, 1)
		go func() { first <- f.browser().logOut(logout) }()
		time.Sleep(time.Second)
		for _, resp := range []*http.Response{f.browser().logOut(logout), <-first} {
			require.Equal(t, 400, resp.StatusCode)
			require.Equal(t, "temporarily_unavailable", body(t, resp)["error"])
		}
		f.in(b.sessionOf())
		require.Equal(t, 200, f.browser().logOut(logout).StatusCode, "not taken for a replay: it had failed")
		_ = f.out(b.sessionOf())
	})
}

func TestLogoutTokenOfADatabaseWithoutTheProvider(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(c *Config) { c.Databases[0].Providers = nil })
	require.Equal(t, 400, f.browser().logOut(f.issuer.logoutToken()).StatusCode)
}

// FuzzLogoutToken: nothing that comes in panics, and what is read is a logout token.
func FuzzLogoutToken(f *testing.F) {
	f.Add(`{"alg":"ES256","typ":"logout+jwt"}`, `{"iss":"a","aud":"b","iat":1,"exp":2,"jti":"x","sub":"s","events":{"`+logoutEvent+`":{}}}`)
	f.Add(`{"alg":"RS256"}`, `{"events":{"`+logoutEvent+`":[]},"nonce":null}`)
	f.Fuzz(func(t *testing.T, header, payload string) {
		l, err := peekLogout(forge(header, payload, []byte("s")))
		if err == nil && (l.subject == "" && l.sid == "" || l.id == "" || l.issuer == "" || l.claims["events"] == nil) {
			t.Fatalf("%s %s: %+v", header, payload, l)
		}
		_, _ = peekLogout(payload)
	})
}
