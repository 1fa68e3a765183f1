package auth

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// F24: it does not matter which URL the first request has.
func TestF24_FirstRequestMayBeToAnyURL(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/notes.scope.coll/doc", "/notes.coll/_changes?feed=longpoll", "/"} {
		w := newWorld(t)
		p, err := w.service.Authenticate(request(http.MethodGet, path, "", bearer(w.issuer.token("bob"))), w.site, notes)
		require.NoError(t, err)
		require.Equal(t, "idp.example.com_bob", p.Name)
	}
}

// F29 and DECISIONS 5: clock_skew forgives iat and nbf as far as configured.
func TestF29_ClockSkewIsAsConfigured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for skew, forgiven := range map[time.Duration]time.Duration{
			0: DefaultClockSkew, NoClockSkew: 0, time.Minute: time.Minute,
		} {
			w := newWorld(t, func(c *Config) { c.Providers[0].ClockSkew = skew })
			for _, claim := range []string{"iat", "nbf"} {
				at := func(d time.Duration) string {
					return bearer(w.issuer.token("bob", map[string]any{claim: time.Now().Add(d).Unix()}))
				}
				w.in(at(forgiven))
				require.Equal(t, 401, w.out(at(forgiven+time.Second)).Status, "%s %v", claim, skew)
				w.in(at(-time.Minute))
			}
		}
	})
}

// F34: another identity with another claim value is another user. (The same identity
// keeps its name, DECISIONS 1, where Sync Gateway makes a second user.)
func TestF34_AnotherClaimValueIsAnotherUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].UsernameClaim = "nick" })
	require.Equal(t, "one", w.in(bearer(w.issuer.token("a", map[string]any{"nick": "one"}))).Name)
	require.Equal(t, "two", w.in(bearer(w.issuer.token("b", map[string]any{"nick": "two"}))).Name)
	w.service = w.start(func(c *Config) { c.Providers[0].UsernameClaim, c.Providers[0].Register = "nick", false })
	require.Equal(t, "one", w.in(bearer(w.issuer.token("a", map[string]any{"nick": "one"}))).Name)
	require.Equal(t, 401, w.out(bearer(w.issuer.token("c", map[string]any{"nick": "three"}))).Status)
}

// F41: tokens as well-known providers shape them.
func TestF41_ShapesOfRealTokens(t *testing.T) {
	t.Parallel()
	type m = map[string]any
	for _, c := range []struct {
		name, issuer string
		claims       m
	}{
		{"IBM App ID", "https://us-south.appid.cloud.ibm.com/oauth/v4/39a37f57-a227-4bfe-a044-93b6e6050a61", m{
			"aud": []string{"app"}, "tenant": "39a37f57-a227-4bfe-a044-93b6e6050a61", "amr": []string{"cloud_directory"},
			"identities": []any{m{"provider": "cloud_directory", "id": "7"}}, "email_verified": true, "at_hash": "x",
		}},
		{"Microsoft v2, one tenant", "https://login.microsoftonline.com/" + contoso + "/v2.0", m{
			"nbf": time.Now().Unix(), "tid": contoso, "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "ver": "2.0", "aio": "x",
			"uti": "y", "rh": "0.", "preferred_username": "bob@contoso.com", "groups": []string{"g"}, "hasgroups": true,
		}},
		{"Yahoo", "https://api.login.yahoo.com", m{
			"at_hash": "x", "nonce": "n", "auth_time": time.Now().Unix(), "session_exp": time.Now().Add(time.Hour).Unix(),
		}},
		{"Keycloak", "https://sso.example.com/realms/main", m{
			"aud": []string{"app", "account"}, "azp": "app", "typ": "ID", "session_state": "s", "sid": "s", "acr": "1",
			"realm_access": m{"roles": []string{"offline_access"}}, "email_verified": false,
		}},
		{"Cognito", "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc", m{
			"token_use": "id", "cognito:username": "bob", "cognito:groups": []string{"g"}, "origin_jti": "o", "event_id": "e",
		}},
		{"Auth0", "https://acme.eu.auth0.com/", m{"sub": "auth0|5f7c8ec7c33c6c004bbafe82", "sid": "s", "https://acme.example/roles": []string{"r"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			i.url = c.issuer
			i.answer(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.String() == discoveryURL(c.issuer) {
					writeJSON(w, m{"issuer": c.issuer, "jwks_uri": "https://keys.example.com/keys"})
					return
				}
				i.mu.Lock()
				defer i.mu.Unlock()
				writeJSON(w, jose.JSONWebKeySet{Keys: i.published})
			})
			w := newWorld(t, func(cfg *Config) { cfg.Providers[0] = i.provider() })
			tok := sign(t, "rsa", jose.RS256, m{"kid": "rsa", "typ": "JWT"}, i.claims("bob", c.claims))
			require.Equal(t, c.issuer, w.in(bearer(tok)).Issuer)
		})
	}
}

// F42, F44, F46 deviate: loading a configuration never asks a provider, so that one
// that is down stops neither a start nor a change of something else. F43: nor is one
// asked that goes.
func TestF42_F43_F44_F46_LoadingAsksNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, issuer: newIssuer(t), records: newMemoryRecords(), site: &Site{CookiePath: "/"}}
		w.issuer.down()
		w.state = openTestState(t, w.records)
		services := []*Service{
			w.start(),
			w.start(), // the same again
			w.start(func(c *Config) { c.Providers[0].ClientIDs = []string{"app", "tv"} }),
			w.start(func(c *Config) { c.Providers[0].DiscoveryURL = "https://idp.example.com/elsewhere" }),
			w.start(func(c *Config) { c.Databases[0].Session.Idle = time.Hour }),
			w.start(func(c *Config) { c.Providers, c.Databases[0].Providers = nil, nil }),
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		require.Zero(t, w.issuer.discoveries.Load()+w.issuer.fetches.Load())

		// What is wrong with a provider is told to the first who needs it.
		w.service = services[1]
		require.Equal(t, 503, w.out(bearer(w.issuer.token("bob"))).Status)
		require.EqualValues(t, 1, w.issuer.discoveries.Load())
		w.issuer.up()
		w.in(bearer(w.issuer.token("bob")))
	})
}

// F48: the provider is the one whose issuer is exactly the token's and that has one of
// the token's audiences.
func TestF48_ProviderOfAToken(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	list := func(c *Config) {
		c.Providers = nil
		for _, p := range []struct {
			name, issuer string
			clients      []string
		}{
			{"a", "https://idp.example.com", []string{"ios", "android"}},
			{"b", "https://idp.example.com", []string{"web"}},
			{"c", "https://idp.example.com/", []string{"web"}},
			{"d", "https://idp.example.com/realm", []string{"ios"}},
		} {
			c.Providers = append(c.Providers, Provider{Name: p.name, Issuer: p.issuer, ClientIDs: p.clients, HTTPClient: i.client})
		}
		c.Databases[0].Providers = []string{"a", "b", "c", "d"}
	}
	w := newWorld(t, list)
	all := func(*provider) bool { return true }
	for _, c := range []struct {
		issuer string
		aud    any
		want   string
	}{
		{"https://idp.example.com", "ios", "a"},
		{"https://idp.example.com", []string{"other", "android"}, "a"},
		{"https://idp.example.com", "web", "b"},
		{"https://idp.example.com/", "web", "c"},
		{"https://idp.example.com/", "ios", ""},
		{"https://idp.example.com/realm", "ios", "d"},
		{"https://idp.example.com/realm", "web", ""},
		{"https://idp.example.com", "", ""},
		{"https://idp.example.com", "io", ""},
		{"idp.example.com", "ios", ""},
	} {
		tok, err := peek(w.issuer.token("bob", map[string]any{"iss": c.issuer, "aud": c.aud}))
		require.NoError(t, err)
		for range 10 { // always the same one
			p, refusal := w.service.providerOf(tok, all)
			if c.want == "" {
				require.NotNil(t, refusal, "%s %v", c.issuer, c.aud)
				continue
			}
			require.Nil(t, refusal)
			require.Equal(t, c.want, p.Name, "%s %v", c.issuer, c.aud)
		}
	}
}

// F51: where the discovery document is.
func TestF51_DiscoveryAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ issuer, configured, want string }{
		{"https://idp.example.com", "", "https://idp.example.com/.well-known/openid-configuration"},
		{"https://idp.example.com/", "", "https://idp.example.com/.well-known/openid-configuration"},
		{"https://idp.example.com/realms/x", "", "https://idp.example.com/realms/x/.well-known/openid-configuration"},
		{"https://idp.example.com/realms/x/", "", "https://idp.example.com/realms/x/.well-known/openid-configuration"},
		{"https://idp.example.com/x", "https://meta.example.com/oidc.json?v=1", "https://meta.example.com/oidc.json?v=1"},
	} {
		t.Run(c.issuer+c.configured, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			i.url = c.issuer
			var asked []string
			i.answer(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.URL.String())
				if len(asked) == 1 {
					writeJSON(w, map[string]any{"issuer": c.issuer, "jwks_uri": "https://keys.example.com/keys"})
					return
				}
				writeJSON(w, jose.JSONWebKeySet{Keys: i.published})
			})
			w := newWorld(t, func(cfg *Config) {
				cfg.Providers[0] = i.provider()
				cfg.Providers[0].DiscoveryURL = c.configured
			})
			require.Equal(t, c.issuer, w.in(bearer(i.token("bob"))).Issuer)
			require.Equal(t, []string{c.want, "https://keys.example.com/keys"}, asked)
		})
	}
}

// F52: which algorithms are accepted, by what is configured and what discovery offers.
// Where nothing is, ES256 and EdDSA are beside RS256: the key says which is meant.
func TestF52_Algorithms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                string
		configured, offered []string
		good, bad           []jose.SignatureAlgorithm
	}{
		{"nothing", nil, nil, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}, []jose.SignatureAlgorithm{jose.PS256, jose.RS512}},
		{"offered ones come to the default", nil, []string{"PS256"}, []jose.SignatureAlgorithm{jose.RS256, jose.PS256}, []jose.SignatureAlgorithm{jose.PS512}},
		{"unknown ones are dropped", nil, []string{"HS256", "none", "XY1", "RS384"}, []jose.SignatureAlgorithm{jose.RS384, jose.ES256}, []jose.SignatureAlgorithm{jose.PS256}},
		{"configured ones are the only ones", []string{"ES256"}, []string{"RS256", "PS256"}, []jose.SignatureAlgorithm{jose.ES256}, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.EdDSA}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			i.answer(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/keys" {
					writeJSON(w, jose.JSONWebKeySet{Keys: i.published})
					return
				}
				m := map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"}
				if c.offered != nil {
					m["id_token_signing_alg_values_supported"] = c.offered
				}
				writeJSON(w, m)
			})
			w := newWorld(t, func(cfg *Config) {
				cfg.Providers[0] = i.provider()
				cfg.Providers[0].Algorithms = c.configured
			})
			signed := func(alg jose.SignatureAlgorithm) string {
				key := map[byte]string{'R': "rsa", 'P': "rsa", 'E': "ec"}[alg[0]]
				if alg == jose.EdDSA {
					key = "ed"
				}
				return bearer(sign(t, key, alg, map[string]any{"kid": key}, i.claims("bob")))
			}
			for _, alg := range c.good {
				w.in(signed(alg))
			}
			for _, alg := range c.bad {
				require.Equal(t, "Invalid login: signature algorithm not accepted", w.out(signed(alg)).Reason, alg)
			}
		})
	}
}
