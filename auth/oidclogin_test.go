package auth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// observed returns a logger and what it wrote.
func observed() (*zap.Logger, func() string) {
	core, logs := observer.New(zap.DebugLevel)
	return zap.New(core), func() string {
		var text strings.Builder
		for _, e := range logs.All() {
			fmt.Fprintln(&text, e.Message, e.ContextMap())
		}
		return text.String()
	}
}

func TestF1_CallbackURL(t *testing.T) {
	t.Parallel()
	second := newIssuer(t)
	second.url = "https://second.example.com"
	f := newFlow(t, func(c *Config) {
		other := second.provider()
		other.Name = "second"
		c.Providers = append(c.Providers, other)
		c.Databases[0].Providers, c.Databases[0].DefaultProvider = []string{"second", "idp"}, "idp"
	})
	newCodeProvider(t, second)
	callback := func(b *browser, query string) string {
		u, err := url.Parse(b.begin(query))
		require.NoError(t, err)
		return u.Query().Get("redirect_uri")
	}
	b := f.browser()
	require.Equal(t, "https://example.com/notes/_oidc_callback", callback(b, ""))
	require.Equal(t, "https://example.com/notes/_oidc_callback", callback(b, "provider=idp"))
	require.Equal(t, "https://example.com/notes/_oidc_callback?provider=second", callback(b, "provider=second"))
	f.site.Prefix = "/api"
	require.Equal(t, "https://example.com/api/notes/_oidc_callback", callback(b, ""))
	f.site.Prefix = ""
	// Each request has its own: it is not the first one's for ever.
	b.host, b.secure = "sync.example.org:8443", true
	require.Equal(t, "https://sync.example.org:8443/notes/_oidc_callback", callback(b, ""))
	b.host, b.secure = "localhost:8080", false
	require.Equal(t, "http://localhost:8080/notes/_oidc_callback", callback(b, ""))
	for _, host := range []string{"evil.example@example.com", "a b", "x/y", `x\y`, "x#y", "x?y", "x%2fy"} {
		b.host = host
		answered(t, b.open(OIDCLogin, ""), 400, "Host")
	}
}

// F2: a request by the name of a collection leads to the database's callback: only its
// name is in the URL.
func TestF2_CallbackURLIsOfTheDatabase(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	r := request(http.MethodGet, "/notes.scope.collection/_oidc", "")
	rec := newRecorder()
	serveOIDC(f.service, rec, r, f.site, notes, OIDCLogin)
	require.Contains(t, rec.Result().Header.Get("Location"), url.QueryEscape("http://example.com/notes/_oidc_callback"))
}

func TestConfiguredCallbackURL(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(c *Config) { c.Providers[0].CallbackURL = "https://sync.example.com/notes/_oidc_callback" })
	b := f.browser()
	b.host = "internal:8080"
	redirect, answer := f.idp.authorize(b.begin(""), "alice")
	require.Equal(t, "https://sync.example.com/notes/_oidc_callback", redirect)
	require.Equal(t, 200, b.returned(redirect, answer).StatusCode)
}

func TestF3_UnknownProvider(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	for _, endpoint := range []OIDCEndpoint{OIDCLogin, OIDCChallenge} {
		b := f.browser()
		answered(t, b.open(endpoint, "provider=none"), 400, "OpenID Connect not configured for database notes")
		require.Empty(t, b.jar)
	}
}

func TestF4_Challenge(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	resp := b.open(OIDCChallenge, "offline=true")
	require.Equal(t, "Login required", body(t, resp)["reason"])
	require.Equal(t, 401, resp.StatusCode)
	header := resp.Header.Values("WWW-Authenticate")
	require.Len(t, header, 1)
	login, ok := strings.CutPrefix(header[0], `OIDC login="`)
	require.True(t, ok, header[0])
	login = strings.TrimSuffix(login, `"`)
	require.NotContains(t, login, `"`)
	redirect, answer := f.idp.authorize(login, "alice")
	require.Equal(t, 200, b.returned(redirect, answer).StatusCode)
}

func TestLoginParameters(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	asked := func(query string) url.Values {
		u, err := url.Parse(b.begin(query))
		require.NoError(t, err)
		return u.Query()
	}
	q := asked("")
	require.Equal(t, "openid email", q.Get("scope"))
	for _, name := range []string{"prompt", "access_type", "login_hint", "ui_locales", "response_mode"} {
		require.NotContains(t, q, name)
	}
	q = asked("offline=true")
	require.Equal(t, "offline consent", q.Get("access_type")+" "+q.Get("prompt"))
	require.Equal(t, "openid email offline_access", q.Get("scope"), "the provider lists offline_access")
	q = asked("login_hint=alice%40example.com&prompt=login&ui_locales=de+fr&state=x&nonce=y&client_id=z&redirect_uri=https://evil.example&scope=admin&acr_values=x")
	require.Equal(t, "alice@example.com|login|de fr", q.Get("login_hint")+"|"+q.Get("prompt")+"|"+q.Get("ui_locales"))
	require.Equal(t, "app", q.Get("client_id"))
	require.Len(t, q.Get("state"), stateLength)
	require.Equal(t, "openid email", q.Get("scope"))
	require.NotContains(t, q, "acr_values")
	require.Equal(t, "https://example.com/notes/_oidc_callback", q.Get("redirect_uri"))
	answered(t, b.open(OIDCLogin, "login_hint="+strings.Repeat("x", maxPassed+1)), 400, "login_hint")
	answered(t, b.open(OIDCLogin, "provider=idp&provider=idp"), 400, "twice")
	answered(t, b.open(OIDCLogin, "%zz"), 400, "malformed")

	f.idp.discovery("scopes_supported", absent)
	fresh := newFlow(t)
	fresh.idp.discovery("scopes_supported", absent)
	b = fresh.browser()
	require.Equal(t, "openid email", asked("offline=true").Get("scope"))
}

func TestLoginByHEADAndOtherMethods(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	b := f.browser()
	do := func(method string, endpoint OIDCEndpoint) *http.Response {
		return b.do(httptest.NewRequest(method, "/notes/"+string(endpoint), nil), endpoint)
	}
	require.Equal(t, 302, do(http.MethodHead, OIDCLogin).StatusCode)
	for _, endpoint := range []OIDCEndpoint{OIDCCallback, OIDCRefresh, OIDCLogout, OIDCBackchannelLogout} {
		resp := do(http.MethodHead, endpoint)
		require.Equal(t, 405, resp.StatusCode, "what changes something is not done by HEAD")
		require.Contains(t, resp.Header.Get("Allow"), "POST")
	}
	require.Equal(t, 405, do(http.MethodPost, OIDCLogin).StatusCode)
	require.Equal(t, 405, do(http.MethodGet, OIDCBackchannelLogout).StatusCode)
}

func TestF47_DefaultProvider(t *testing.T) {
	t.Parallel()
	second := newIssuer(t)
	second.url = "https://second.example.com"
	start := func(named string, names ...string) (*flow, error) {
		change := func(c *Config) {
			other := second.provider()
			other.Name = "second"
			c.Providers = append(c.Providers, other)
			c.Databases[0].Providers, c.Databases[0].DefaultProvider = names, named
		}
		w := &world{t: t, issuer: newIssuer(t)}
		if _, err := New(w.config(change)); err != nil {
			return nil, err
		}
		newCodeProvider(t, second)
		return newFlow(t, change), nil
	}
	goesTo := func(f *flow) string {
		u, err := url.Parse(f.browser().begin(""))
		require.NoError(t, err)
		return u.Host
	}
	f, err := start("second", "idp", "second")
	require.NoError(t, err)
	require.Equal(t, "second.example.com", goesTo(f), "the named one")
	f, err = start("", "idp")
	require.NoError(t, err)
	require.Equal(t, "idp.example.com", goesTo(f), "the only one")
	f, err = start("", "idp", "second")
	require.NoError(t, err)
	b := f.browser()
	answered(t, b.open(OIDCLogin, ""), 400, "OpenID Connect not configured for database notes")
	answered(t, b.open(OIDCCallback, "code=x&state=y"), 400, "Unable to identify provider for callback request")
	answered(t, b.post(OIDCRefresh, jsonBody, `{"refresh_token":"x"}`), 400, "Unable to identify provider for callback request")
	require.Equal(t, 302, b.open(OIDCLogin, "provider=idp").StatusCode)
	_, err = start("none", "idp")
	require.ErrorContains(t, err, "default_provider none is not one of the database's oidc providers")
	_, err = start("second", "idp")
	require.ErrorContains(t, err, "add it to `oidc`")
}

// F51: a slash at the issuer's end is not doubled, and discovery_url replaces it.
func TestF51_DiscoveryAddressOfTheCodeFlow(t *testing.T) {
	t.Parallel()
	require.Equal(t, "https://a.example/x/.well-known/openid-configuration", discoveryURL("https://a.example/x/"))
	require.Equal(t, "https://a.example/x/.well-known/openid-configuration", discoveryURL("https://a.example/x"))
	f := newFlow(t, func(c *Config) {
		c.Providers[0].DiscoveryURL = c.Providers[0].Issuer + "/.well-known/openid-configuration?custom"
	})
	require.Equal(t, 200, f.signIn(f.browser(), "", "alice").StatusCode)
}

func TestF47_DatabaseWithoutProviders(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(c *Config) { c.Databases[0].Providers = nil })
	answered(t, f.browser().open(OIDCLogin, ""), 400, "OpenID Connect not configured for database notes")
	f.service.policies = nil
	answered(t, f.browser().open(OIDCLogin, ""), 400, "OpenID Connect not configured for database notes")
}

func TestProviderThatCannotDoTheCodeFlow(t *testing.T) {
	t.Parallel()
	f := newFlow(t, func(c *Config) { c.Providers[0].JWKSURL = c.Providers[0].Issuer + "/keys" })
	answered(t, f.browser().open(OIDCLogin, ""), 400, "provider idp cannot be used for sign-in by browser")
	for member, value := range map[string]any{
		"authorization_endpoint": absent, "token_endpoint": absent,
	} {
		f := newFlow(t)
		f.idp.discovery(member, value)
		f.in(bearer(f.issuer.token("alice")))
		b := f.browser()
		resp := b.open(OIDCLogin, "")
		if resp.StatusCode == http.StatusFound {
			resp = b.returned("x", url.Values{"code": {"x"}, "state": {stateOf(t, resp.Header.Get("Location"))}})
		}
		answered(t, resp, 502, "the identity provider cannot be used for sign-in by browser")
	}
}

func stateOf(t *testing.T, location string) string {
	t.Helper()
	u, err := url.Parse(location)
	require.NoError(t, err)
	return u.Query().Get("state")
}

// A discovery document must not make this server talk to machines behind it.
func TestEndpointsOfDiscoveryAreChecked(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://127.0.0.1:2019/load", "http://localhost/x", "http://idp.example.com/token", "file:///etc/passwd", "https://user@idp.example.com/", "//x"} {
		f := newFlow(t)
		f.idp.discovery("token_endpoint", address)
		answered(t, f.signIn(f.browser(), "", "alice"), 502, "cannot be used")
		f = newFlow(t)
		f.idp.discovery("authorization_endpoint", address)
		answered(t, f.browser().open(OIDCLogin, ""), 502, "cannot be used")
	}
}

func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	methods := func(list ...string) func(*flow) {
		return func(f *flow) { f.idp.discovery("token_endpoint_auth_methods_supported", list) }
	}
	for _, c := range []struct {
		name   string
		secret string
		change func(*flow)
		basic  bool
		status int
	}{
		{"basic is preferred", "s3cret-of-app", methods("client_secret_post", "client_secret_basic"), true, 200},
		{"post if nothing else", "s3cret-of-app", methods("private_key_jwt", "client_secret_post"), false, 200},
		{"neither", "s3cret-of-app", methods("private_key_jwt"), false, 502},
		{"public", "", methods("none"), false, 200},
		{"public, whatever is offered", "", methods("client_secret_basic"), false, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFlow(t, func(cfg *Config) { cfg.Providers[0].ClientSecret = c.secret })
			f.idp.secret = c.secret
			c.change(f)
			resp := f.signIn(f.browser(), "", "alice")
			require.Equal(t, c.status, resp.StatusCode, body(t, resp))
			if c.status != 200 {
				return
			}
			form := f.idp.asked[0]
			_, _, basic := form.BasicAuth()
			require.Equal(t, c.basic, basic)
			require.NotEmpty(t, form.PostForm.Get("code_verifier"), "PKCE, with a secret or without")
		})
	}
}

// What an earlier version stored of a provider lacks the endpoints: it is discovered anew.
func TestStoredKeysOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.in(bearer(f.issuer.token("alice")))
	k := f.service.providers[0].keys.Load()
	old := *k.current.Load()
	old.Metadata = metadata{Issuer: old.Metadata.Issuer, JWKSURI: old.Metadata.JWKSURI}
	k.current.Store(&old)
	require.Equal(t, 200, f.signIn(f.browser(), "", "alice").StatusCode)
	require.EqualValues(t, 2, f.issuer.discoveries.Load())

	k.current.Store(&old)
	f.issuer.down()
	answered(t, f.browser().open(OIDCLogin, ""), 503, "Unable to obtain client for provider: idp")
	answer := f.browser().open(OIDCLogin, "return_to=%2F")
	back, err := url.Parse(answer.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, "The sign-in provider cannot be reached. Try again later.", back.Query().Get("error_description"), "a page shows it to people")
	f.in(bearer(f.issuer.token("alice"))) // tokens go on with what is there
}

func TestAdministratorsSiteSignsNobodyIn(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.site.Admin = &AdminRule{Loopback: true}
	answered(t, f.browser().open(OIDCLogin, ""), 404, "public site")
}

func TestCodeFlowConfigurationErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change func(*Provider)
		want   string
	}{
		{func(p *Provider) { p.CallbackURL = "http://sync.example.com/notes/_oidc_callback" }, "callback_url: http is accepted on loopback hosts only"},
		{func(p *Provider) { p.CallbackURL = "/notes/_oidc_callback" }, "callback_url: not an absolute URL"},
		{func(p *Provider) { p.Scopes = []string{"email"} }, "scope lacks openid"},
		{func(p *Provider) { p.Scopes = []string{"openid", `x"y`} }, "is not a scope"},
		{func(p *Provider) { p.Scopes = []string{"openid email"} }, "is not a scope"},
		{func(p *Provider) { p.ResponseMode = "fragment" }, "response_mode fragment is not known"},
		{func(p *Provider) { p.ClientSecretKey.File = "x" }, "client_secret_key needs a file, a key ID and a team ID"},
		{func(p *Provider) { p.ClientSecret, p.ClientSecretKey.File = "x", "y" }, "exclude each other"},
		{func(p *Provider) { p.ClientSecretKey = ClientSecretKey{"/none.p8", "k", "t"} }, "client_secret_key: "},
	} {
		p := newIssuer(t).provider()
		c.change(&p)
		_, err := New(Config{Providers: []Provider{p}})
		require.ErrorContains(t, err, c.want)
	}
	p := newIssuer(t).provider()
	p.CallbackURL = "http://localhost:8080/notes/_oidc_callback"
	_, err := New(Config{Providers: []Provider{p}})
	require.NoError(t, err)
}
