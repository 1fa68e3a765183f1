package auth

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStateWorksOnce(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	redirect, answer := f.idp.authorize(b.begin(""), "alice")
	kept := maps.Clone(b.jar)
	require.Equal(t, 200, b.returned(redirect, answer).StatusCode)
	answered(t, b.returned(redirect, answer), 400, "OIDC Auth Failure")
	thief := f.browser() // has stolen the cookie, and a code
	thief.jar = kept
	_, fresh := f.idp.authorize(f.browser().begin(""), "mallory")
	answer.Set("code", fresh.Get("code"))
	answered(t, thief.returned(redirect, answer), 400, "State mismatch")
	require.Len(t, f.idp.asked, 1)
}

func TestStateIsGoodForTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t)
		b := f.browser()
		first, answer1 := f.idp.authorize(b.begin(""), "alice")
		late, answer2 := f.idp.authorize(b.begin(""), "alice")
		time.Sleep(loginLife - time.Second)
		require.Equal(t, 200, b.returned(first, answer1).StatusCode)
		time.Sleep(time.Second)
		answered(t, b.returned(late, answer2), 400, "begin again")
	})
}

func TestParallelLoginsDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	r1, a1 := f.idp.authorize(b.begin(""), "alice")
	r2, a2 := f.idp.authorize(b.begin(""), "bob")
	require.Equal(t, "idp.example.com_bob", body(t, b.returned(r2, a2))["name"])
	require.Equal(t, "idp.example.com_alice", body(t, b.returned(r1, a1))["name"])
}

// A login that was given up leaves its cookie; a thousand must not fill the jar.
func TestLoginCookiesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	for range 40 {
		b.begin("")
	}
	require.LessOrEqual(t, len(b.logins()), maxLogins)
	require.Equal(t, 200, f.signIn(b, "", "alice").StatusCode)
}

func TestLoginCookieAttributes(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	resp := b.open(OIDCLogin, "")
	c := resp.Cookies()[0]
	require.Regexp(t, `^__Host-sync-login-[0-9a-f]{32}=[\w-]+; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax$`, resp.Header.Get("Set-Cookie"))
	u, _ := url.Parse(resp.Header.Get("Location"))
	for _, secret := range []string{u.Query().Get("state"), u.Query().Get("nonce")} {
		require.NotContains(t, c.Value, secret, "the cookie is sealed")
	}
	plain := f.browser()
	plain.secure = false
	require.Regexp(t, `^sync-login-[0-9a-f]{32}=[\w-]+; Path=/; Max-Age=600; HttpOnly; SameSite=Lax$`, plain.open(OIDCLogin, "").Header.Get("Set-Cookie"))
}

// Mix-up (RFC 9700 section 4.4): an answer of one provider is never taken for one of
// another.
func TestMixUpBetweenTwoProviders(t *testing.T) {
	t.Parallel()
	evil := newIssuer(t)
	evil.url = "https://evil.example.com"
	f := newFlow(t, func(c *Config) {
		other := evil.provider()
		other.Name = "evil"
		c.Providers = append(c.Providers, other)
		c.Databases[0].Providers, c.Databases[0].DefaultProvider = []string{"idp", "evil"}, "idp"
	})
	attacker := newCodeProvider(t, evil)
	b := f.browser()

	// The user chose evil, which sends them on to the honest provider with its own
	// state; the honest code must not reach evil's token endpoint.
	honest, code := f.idp.authorize(f.browser().begin(""), "alice")
	_, evilAnswer := attacker.authorize(b.begin("provider=evil"), "alice")
	code.Set("state", evilAnswer.Get("state"))
	answered(t, b.returned(honest, code), 400, "State mismatch")
	require.Empty(t, attacker.asked)

	// The other way round, with evil's callback.
	_, answer := f.idp.authorize(b.begin(""), "alice")
	redirect, evilCode := attacker.authorize(f.browser().begin("provider=evil"), "alice")
	require.Contains(t, redirect, "?provider=evil")
	evilCode.Set("state", answer.Get("state"))
	answered(t, b.returned(redirect, evilCode), 400, "State mismatch")
	require.Empty(t, f.idp.asked)
}

// RFC 9207: iss in the answer is compared when it is there, and must be there when the
// provider promises it.
func TestIssParameter(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	with := func(iss ...string) *http.Response {
		redirect, answer := f.idp.authorize(b.begin(""), "alice")
		if len(iss) > 0 {
			answer["iss"] = iss
		}
		return b.returned(redirect, answer)
	}
	require.Equal(t, 200, with(f.issuer.url).StatusCode)
	answered(t, with("https://evil.example.com"), 400, "Issuer mismatch")
	answered(t, with(""), 400, "Issuer mismatch")
	answered(t, with(f.issuer.url, f.issuer.url), 400, "twice")
	f = newFlow(t)
	f.idp.discovery("authorization_response_iss_parameter_supported", true)
	b = f.browser()
	answered(t, with(), 400, "Issuer mismatch")
	require.Equal(t, 200, with(f.issuer.url).StatusCode)
}

// A code of somebody else's login is slipped into one's own (RFC 9700 section 4.5): PKCE
// stops it at the provider, and the nonce here if the provider does not look.
func TestCodeInjection(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	redirect, own := f.idp.authorize(b.begin(""), "mallory")
	_, stolen := f.idp.authorize(f.browser().begin(""), "alice")
	own.Set("code", stolen.Get("code"))
	answered(t, b.returned(redirect, own), 401, "Failed to exchange token")

	careless := newFlow(t)
	b = careless.browser()
	redirect, own = careless.idp.authorize(b.begin(""), "mallory")
	_, stolen = careless.idp.authorize(careless.browser().begin(""), "alice")
	mine := careless.idp.codes[own.Get("code")]
	careless.idp.codes[stolen.Get("code")].Set("code_challenge", mine.Get("code_challenge"))
	own.Set("code", stolen.Get("code"))
	answered(t, b.returned(redirect, own), 400, "Nonce mismatch")
	require.Empty(t, b.jar[DefaultCookie])

	careless.idp.claims = map[string]any{"nonce": absent}
	answered(t, careless.signIn(b, "", "alice"), 400, "Nonce mismatch")
}

// Session fixation: what the browser had before the sign-in is not what it has after.
func TestSignInMakesANewSessionID(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	planted := strings.Repeat("A", sessionIDLength)
	b.jar[DefaultCookie] = planted
	f.signIn(b, "", "alice")
	require.NotEqual(t, planted, b.jar[DefaultCookie])
	_ = f.out(DefaultCookie + "=" + planted)
	first := b.jar[DefaultCookie]
	f.signIn(b, "", "alice")
	require.NotEqual(t, first, b.jar[DefaultCookie])
}

// Cookie tossing: another host of the domain puts cookies of the name before ours.
func TestTossedLoginCookies(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b, mallory := f.browser(), f.browser()
	redirect, answer := f.idp.authorize(b.begin(""), "alice")
	mallory.begin("")
	name, junk := b.logins()[0], mallory.jar[mallory.logins()[0]]
	b.header["Cookie"] = name + "=" + junk + "; " + name + "=x; " + name + "=" + b.jar[name]
	b.jar = map[string]string{}
	require.Equal(t, 200, b.returned(redirect, answer).StatusCode, "ours is found among them")

	// A whole login of the attacker's, without the __Host- prefix that their host
	// cannot set: not taken over TLS.
	redirect, answer = f.idp.authorize(mallory.begin(""), "mallory")
	b = f.browser()
	for name, value := range mallory.jar {
		b.jar[strings.TrimPrefix(name, hostPrefix)] = value
	}
	answered(t, b.returned(redirect, answer), 400, "No state cookie found")
}

func TestSpoiltLoginCookie(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	redirect, answer := f.idp.authorize(b.begin(""), "alice")
	name := b.logins()[0]
	value := []byte(b.jar[name])
	value[20] ^= 1
	b.jar[name] = string(value)
	answered(t, b.returned(redirect, answer), 400, "Couldn't read state")
}

// A login belongs to its database: the same provider in another one is another matter.
func TestLoginOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(c *Config) {
		c.Databases = append(c.Databases, Policy{Name: "lists", Providers: []string{"idp"}, AccessStated: true})
	})
	b := f.browser()
	redirect, answer := f.idp.authorize(b.begin(""), "alice")
	require.Equal(t, "https://example.com/notes/_oidc_callback", redirect)
	r := request(http.MethodGet, "/lists/_oidc_callback?"+answer.Encode(), "")
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	r = r.WithContext(WithClient(context.Background(), Client{Host: "example.com", Secure: true}))
	rec := newRecorder()
	serveOIDC(f.service, rec, r, f.site, Database{Name: "lists", ID: 8}, OIDCCallback)
	answered(t, rec.Result(), 400, "State mismatch")
}
