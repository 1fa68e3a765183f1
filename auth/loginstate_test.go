package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func testSeal(tb testing.TB) cipher.AEAD {
	tb.Helper()
	block, err := aes.NewCipher(make([]byte, 32))
	require.NoError(tb, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(tb, err)
	return aead
}

func TestLoginOpensWithItsOwnStateOnly(t *testing.T) {
	t.Parallel()
	aead := testSeal(t)
	state, other := newState(), newState()
	l := &codeLogin{Provider: "idp", Issuer: "https://idp.example.com", Database: "notes", ID: 7, ReturnTo: "https://a.example/?a&b", Begun: time.Now().Unix()}
	value, err := l.seal(aead, state)
	require.NoError(t, err)
	got, err := openLogin(aead, state, value, time.Now())
	require.NoError(t, err)
	require.Equal(t, l, got)
	for _, c := range []struct{ state, value string }{
		{other, value}, {"", value}, {state, ""}, {state, "x"}, {state, value + "A"}, {state, value[:len(value)-4]},
		{state, value + "\n"}, {state, strings.Repeat("A", maxLoginCookie+1)}, {state + "x", value},
	} {
		_, err := openLogin(aead, c.state, c.value, time.Now())
		require.ErrorIs(t, err, errSpoiltLogin)
	}
	_, err = openLogin(aead, state, value, time.Now().Add(loginLife))
	require.ErrorIs(t, err, errExpiredLogin)
	_, err = openLogin(aead, state, value, time.Now().Add(-2*loginLife))
	require.ErrorIs(t, err, errExpiredLogin, "nor one of the future")
}

func TestLoginFitsIntoACookie(t *testing.T) {
	t.Parallel()
	l := &codeLogin{Provider: "idp", Issuer: "https://idp.example.com", Database: "notes", Callback: "https://sync.example.com/notes/_oidc_callback",
		Nonce: newState(), Verifier: newState(), ReturnTo: "https://a.example/?" + strings.Repeat("&", maxReturnTo-19), Begun: 1}
	value, err := l.seal(testSeal(t), newState())
	require.NoError(t, err)
	require.Less(t, len(value), 2600)
	l.Callback = strings.Repeat("x", 4000)
	_, err = l.seal(testSeal(t), newState())
	require.Error(t, err)
}

// The key is made once and kept: a login that began before a restart ends after it.
func TestLoginSurvivesARestart(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	redirect, answer := f.idp.authorize(b.begin(""), "alice")
	f.service.Stop()
	f.state.Close()
	f.state = openTestState(t, f.records)
	f.service = f.start(func(c *Config) { c.Providers[0].ClientSecret = "s3cret-of-app" })
	require.Equal(t, 200, b.returned(redirect, answer).StatusCode)
}

func TestStoreThatTakesNoWritesAtTheFirstLogin(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.in(bearer(f.issuer.token("alice")))
	full := syncstore.ErrUnavailable
	f.records.refuse.Store(&full)
	resp := f.browser().open(OIDCLogin, "")
	require.Equal(t, 503, resp.StatusCode, body(t, resp))
}

func TestLoginCookiesOfARequest(t *testing.T) {
	t.Parallel()
	r := request(http.MethodGet, "/", "", "a=b; sync-login-"+strings.Repeat("a", 32)+"=x; sync-login-short=y; __Host-sync-login-"+strings.Repeat("b", 32)+"=z; sync-login-"+strings.Repeat("c", 32))
	require.Equal(t, []string{"sync-login-" + strings.Repeat("a", 32)}, loginCookies(r))
	r = r.WithContext(WithClient(r.Context(), Client{Secure: true}))
	require.Equal(t, []string{"__Host-sync-login-" + strings.Repeat("b", 32)}, loginCookies(r))
}

// FuzzLoginCookie: no value opens but the one that was sealed for the state.
func FuzzLoginCookie(f *testing.F) {
	aead := testSeal(f)
	state := strings.Repeat("s", stateLength)
	now := time.Unix(1_800_000_000, 0)
	l := &codeLogin{Provider: "idp", Database: "notes", Begun: now.Unix()}
	value, err := l.seal(aead, state)
	require.NoError(f, err)
	f.Add(state, value)
	f.Add(state, value[1:])
	f.Add(state, "")
	f.Add("", value)
	f.Fuzz(func(t *testing.T, s, v string) {
		got, err := openLogin(aead, s, v, now)
		// The key is the same in each of the fuzzer's processes, the nonce is not.
		if err == nil && (s != state || *got != *l) || err != nil && s == state && v == value {
			t.Fatalf("%q %q: %v %v", s, v, got, err)
		}
		r := request(http.MethodGet, "/", "")
		r.Header["Cookie"] = []string{loginName(r, s) + "=" + v, v}
		if l, err := findLogin(aead, r, s, now); (l == nil) == (err == nil) {
			t.Fatal("a login and an error, or neither")
		}
		_ = loginCookies(r)
	})
}
