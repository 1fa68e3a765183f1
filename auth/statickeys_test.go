package auth

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/auth/filewatch"
	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// backend is a jwt provider's configuration: an app's own two-factor backend, say.
func backend(keys ...json.RawMessage) Provider {
	return Provider{
		Kind: KindJWT, Name: "backend", Issuer: "my-backend", ClientIDs: []string{"sync"},
		Algorithms: []string{"RS256", "ES256", "EdDSA"}, Keys: keys, Register: true,
	}
}

// withBackend adds the provider to the configuration and the database.
func withBackend(p Provider) func(*Config) {
	return func(c *Config) {
		c.Providers = append(c.Providers, p)
		c.Databases[0].Providers = append(c.Databases[0].Providers, p.Name)
	}
}

// jwk is a test key's public JWK; more are members added or, if nil, removed.
func jwk(tb testing.TB, name, kid string, more ...map[string]any) json.RawMessage {
	tb.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: testKeys()[name].Public(), KeyID: kid})
	require.NoError(tb, err)
	var members map[string]any
	require.NoError(tb, json.Unmarshal(text, &members))
	for _, m := range more {
		maps.Copy(members, m)
	}
	maps.DeleteFunc(members, func(_ string, v any) bool { return v == nil })
	text, err = json.Marshal(members)
	require.NoError(tb, err)
	return text
}

func keySetText(tb testing.TB, keys ...json.RawMessage) []byte {
	tb.Helper()
	text, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(tb, err)
	return text
}

// publicPEM is a test key as `openssl pkey -pubout` writes it.
func publicPEM(tb testing.TB, name string) []byte {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(testKeys()[name].Public())
	require.NoError(tb, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// backendClaims are those of a good token of the backend.
func backendClaims(sub string, more ...map[string]any) map[string]any {
	now := time.Now().Unix()
	c := map[string]any{"iss": "my-backend", "aud": "sync", "sub": sub, "iat": now, "exp": now + 3600}
	for _, m := range more {
		maps.Copy(c, m)
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == absent })
	return c
}

var testAlgorithms = map[string]jose.SignatureAlgorithm{
	"rsa": jose.RS256, "rsa2": jose.RS256, "ec": jose.ES256, "ec2": jose.ES256, "ed": jose.EdDSA,
}

// backendToken is a bearer of sub signed by a test key; kid may be "".
func backendToken(tb testing.TB, key, kid, sub string, more ...map[string]any) string {
	tb.Helper()
	header := map[string]any{}
	if kid != "" {
		header["kid"] = kid
	}
	return bearer(sign(tb, key, testAlgorithms[key], header, backendClaims(sub, more...)))
}

// keyFile writes a key file.
func keyFile(tb testing.TB, content []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "keys")
	require.NoError(tb, os.WriteFile(path, content, 0o600))
	return path
}

func ofFile(path string) Provider {
	p := backend()
	p.JWKSFile = path
	return p
}

// F53: RS256 and ES256 (and EdDSA) with configured keys, inline, from a file of each
// form, and from an address without discovery.
func TestF53_KeysFromEverywhere(t *testing.T) {
	t.Parallel()
	set := keySetText(t, jwk(t, "rsa", "rsa"), jwk(t, "ec", "ec"), jwk(t, "ed", "ed"))
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificateOf(t, "ec")})
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: rsaPKCS1(t)})
	for _, c := range []struct {
		name     string
		provider Provider
		keys     []string
		kid      bool
	}{
		{"inline", backend(jwk(t, "rsa", "rsa"), jwk(t, "ec", "ec"), jwk(t, "ed", "ed")), []string{"rsa", "ec", "ed"}, true},
		{"one inline without kid", backend(jwk(t, "ec", "")), []string{"ec"}, false},
		{"file of a set", ofFile(keyFile(t, set)), []string{"rsa", "ec", "ed"}, true},
		{"file of one JWK", ofFile(keyFile(t, jwk(t, "ed", "ed"))), []string{"ed"}, true},
		{"file of a PEM key", ofFile(keyFile(t, publicPEM(t, "ec"))), []string{"ec"}, false},
		{"file of a PEM key of RSA's own form", ofFile(keyFile(t, pkcs1)), []string{"rsa"}, false},
		{"file of a certificate, with text around", ofFile(keyFile(t, append([]byte("Certificate:\n"), certificate...))), []string{"ec"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withBackend(c.provider))
			for _, key := range c.keys {
				kid := ""
				if c.kid {
					kid = key
				}
				require.Equal(t, "backend_bilbo", w.in(backendToken(t, key, kid, "bilbo", map[string]any{"jti": key})).Name)
			}
			require.Equal(t, 401, w.out(backendToken(t, "ec2", "", "bilbo")).Status)
		})
	}
	t.Run("address", func(t *testing.T) {
		t.Parallel()
		w := &world{issuer: newIssuer(t)}
		p := backend()
		p.JWKSURL, p.HTTPClient = "https://idp.example.com/keys", w.issuer.client
		i := w.issuer
		w = newWorld(t, withBackend(p))
		w.in(backendToken(t, "ec", "ec", "bilbo"))
		w.in(backendToken(t, "rsa", "rsa", "bilbo"))
		require.Zero(t, i.discoveries.Load(), "there is no discovery")
		require.EqualValues(t, 1, i.fetches.Load())
	})
}

// F55 and F56: which tokens the configured keys refuse.
func TestF55_F56_WhichKeyIsMeant(t *testing.T) {
	t.Parallel()
	two := []json.RawMessage{jwk(t, "ec", "ec"), jwk(t, "ec2", "ec2")}
	for _, c := range []struct {
		name string
		keys []json.RawMessage
		tok  string
		says string // "" = good
	}{
		{"unknown kid", two, backendToken(t, "ec", "other", "x"), "unknown key"},
		{"kid of the other key", two, backendToken(t, "ec", "ec2", "x"), "bad signature"},
		{"no kid and several keys", two, backendToken(t, "ec", "", "x"), "token has no kid, and there are several keys"},
		{"no kid and one key with an ID", two[:1], backendToken(t, "ec", "", "x"), ""},
		{"one key with an ID and another kid", two[:1], backendToken(t, "ec", "other", "x"), "unknown key"},
		{"no kid and one key, not the one", two[:1], backendToken(t, "ec2", "", "x"), "bad signature"},
		{"key is for another algorithm", []json.RawMessage{jwk(t, "rsa", "rsa", map[string]any{"alg": "PS256"}), two[0]}, backendToken(t, "rsa", "rsa", "x"), "bad signature"},
		{"key is for this algorithm", []json.RawMessage{jwk(t, "rsa", "rsa", map[string]any{"alg": "RS256"})}, backendToken(t, "rsa", "rsa", "x"), ""},
		{"algorithm is not configured", two, bearer(sign(t, "rsa", jose.PS384, nil, backendClaims("x"))), "signature algorithm not accepted"},
		{"wrong issuer", two, backendToken(t, "ec", "ec", "x", map[string]any{"iss": "my-backend2"}), "unknown issuer"},
		{"wrong audience", two, backendToken(t, "ec", "ec", "x", map[string]any{"aud": "app"}), "wrong audience"},
		{"no audience", two, backendToken(t, "ec", "ec", "x", map[string]any{"aud": absent}), "token has no audience"},
		{"expired", two, backendToken(t, "ec", "ec", "x", map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), "token expired"},
		{"of the future", two, backendToken(t, "ec", "ec", "x", map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), "token not valid yet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withBackend(backend(c.keys...)))
			if c.says == "" {
				w.in(c.tok)
				return
			}
			e := w.out(c.tok)
			require.Equal(t, http.StatusUnauthorized, e.Status)
			require.Equal(t, "Invalid login: "+c.says, e.Reason)
		})
	}
}

// F54: garbage, alg none and HS256 are refused where the only provider is a jwt one.
func TestF54_BrokenTokensOfABackend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withBackend(backend(jwk(t, "ec", "ec"))), func(c *Config) {
		c.Providers, c.Databases[0].Providers = c.Providers[1:], c.Databases[0].Providers[1:]
	})
	w.issuer.url = "my-backend"
	for _, b := range brokenTokens() {
		switch b.name {
		case "garbage", "alg none", "alg NoNe", "HS256 with the public RSA key", "no signature", "payload exchanged":
			e := w.out(bearer(b.token(w.issuer)))
			require.Equal(t, 401, e.Status, b.name)
		}
	}
}

// F56 where the keys come from an address.
func TestF56_FetchedKeysNeedAKidToo(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	p := backend()
	p.JWKSURL, p.HTTPClient = "https://idp.example.com/keys", i.client
	w := newWorld(t, withBackend(p))
	require.Equal(t, "Invalid login: token has no kid, and there are several keys", w.out(backendToken(t, "ec", "", "x")).Reason)
	require.EqualValues(t, 1, i.fetches.Load())
	require.Equal(t, 401, w.out(backendToken(t, "ec", "", "x")).Status)
	require.EqualValues(t, 1, i.fetches.Load(), "no fetch can help")
}

// F57: the default prefix is the provider's name if the issuer is no URL.
func TestF57_NamesOfABackendsUsers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		issuer, claim, prefix, want string
	}{
		{"testIssuer", "", "", "test_bilbo"},
		{"my-backend", "", "", "test_bilbo"},
		{"urn:example:backend", "", "", "test_bilbo"},
		{"/backend", "", "", "test_bilbo"},
		{"https://login.example.com/2fa", "", "", "login.example.com%2F2fa_bilbo"},
		{"http://login.example.com", "", "", "login.example.com_bilbo"}, // only a name here
		{"my-backend", "nick", "", "baggins"},
		{"my-backend", "nick", "shire", "shire_baggins"},
		{"my-backend", "", "shire", "shire_bilbo"},
	} {
		p := backend(jwk(t, "ec", "ec"))
		p.Name, p.Issuer, p.UsernameClaim, p.UserPrefix = "test", c.issuer, c.claim, c.prefix
		w := newWorld(t, withBackend(p))
		got := w.in(backendToken(t, "ec", "ec", "bilbo", map[string]any{"iss": c.issuer, "nick": "baggins"}))
		require.Equal(t, c.want, got.Name, c.issuer)
		require.Equal(t, c.issuer, got.Issuer)
		require.Equal(t, "test", got.Provider)
	}
	p := backend(jwk(t, "ec", "ec"))
	p.Register = false
	w := newWorld(t, withBackend(p))
	require.Equal(t, "Invalid login: no such user", w.out(backendToken(t, "ec", "ec", "bilbo")).Reason)
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "backend_bilbo", false))
	w.in(backendToken(t, "ec", "ec", "bilbo"))
}

// F58: each token goes to the provider of its issuer and audience; GET _session with a
// bearer registers the user too.
func TestF58_BothKindsTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withBackend(backend(jwk(t, "ec", "ec"))))
	require.Equal(t, "idp", w.in(bearer(w.issuer.token("bilbo"))).Provider)
	require.Equal(t, "backend", w.in(backendToken(t, "ec", "ec", "bilbo")).Provider)
	// The same key with the other's issuer or audience is neither's.
	require.Equal(t, "Invalid login: wrong audience", w.out(backendToken(t, "ec", "ec", "bilbo", map[string]any{"aud": "app"})).Reason)
	require.Equal(t, "Invalid login: wrong audience", w.out(backendToken(t, "ec", "ec", "bilbo", map[string]any{"iss": w.issuer.url})).Reason)

	resp, body := w.session(request(http.MethodGet, "/notes/_session", "", backendToken(t, "ec", "ec", "frodo")), &notes)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	u, err := w.state.User(t.Context(), notes.ID, "backend_frodo")
	require.NoError(t, err)
	require.Equal(t, "my-backend", u.Identities[0].Issuer)
}

// A session that a backend's token was traded for is one like any other.
func TestABackendsTokenMakesASession(t *testing.T) {
	t.Parallel()
	change := withBackend(backend(jwk(t, "ed", "")))
	w := newWorld(t, change)
	cookie := w.signIn(backendToken(t, "ed", "", "bilbo")[len("Bearer "):])
	require.Equal(t, "backend_bilbo", w.in(cookie).Name)
	w.service = w.start()
	require.Equal(t, 401, w.out(cookie).Status, "the provider is gone")
	w.service = w.start(change)
	w.in(cookie)
}

// F59: claims of a backend's tokens work as those of OpenID Connect's.
func TestF59_ClaimsOfABackend(t *testing.T) {
	t.Parallel()
	p := backend(jwk(t, "ec", "ec"))
	p.RolesClaim, p.Require = "app.roles", map[string][]string{"mfa": {"true"}}
	w := newWorld(t, withBackend(p))
	more := map[string]any{"app": map[string]any{"roles": []string{"editor"}}, "mfa": true}
	require.Equal(t, []string{"editor"}, w.in(backendToken(t, "ec", "ec", "bilbo", more)).Roles)
	require.Equal(t, 403, w.out(backendToken(t, "ec", "ec", "bilbo")).Status)
}

// F60, and what a configuration of our own can get wrong.
func TestF60_ConfigErrorsOfJWTProviders(t *testing.T) {
	t.Parallel()
	good := backend(jwk(t, "ec", "ec"))
	oct, err := json.Marshal(jose.JSONWebKey{Key: []byte("0123456789abcdef0123456789abcdef"), KeyID: "s"})
	require.NoError(t, err)
	private, err := json.Marshal(jose.JSONWebKey{Key: testKeys()["ec"], KeyID: "s"})
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		bend func(*Provider)
		says string
	}{
		{"no issuer", func(p *Provider) { p.Issuer = "" }, "write `issuer <text>`"},
		{"issuer with a line break", func(p *Provider) { p.Issuer = "a\nb" }, "control characters"},
		{"no audience", func(p *Provider) { p.ClientIDs = nil }, "write `audience <text…>`"},
		{"empty audience", func(p *Provider) { p.ClientIDs = []string{""} }, "write `audience <text…>`"},
		{"no algorithms", func(p *Provider) { p.Algorithms = nil }, "write `algorithms <alg…>`"},
		{"HS256", func(p *Provider) { p.Algorithms = []string{"HS256"} }, "algorithm HS256 is refused"},
		{"none", func(p *Provider) { p.Algorithms = []string{"ES256", "none"} }, "algorithm none is refused"},
		{"unknown algorithm", func(p *Provider) { p.Algorithms = []string{"ES257"} }, "algorithm ES257 is refused"},
		{"no keys", func(p *Provider) { p.Keys = nil }, "write `jwks_file <path>`, `key <jwk>` or `jwks_url <url>`"},
		{"keys and an address", func(p *Provider) { p.JWKSURL = "https://a.example/keys" }, "exclude each other"},
		{"keys and a file", func(p *Provider) { p.JWKSFile = "/nosuch" }, "exclude each other"},
		{"address by plain http", func(p *Provider) { p.Keys, p.JWKSURL = nil, "http://a.example/keys" }, "jwks_url: http is accepted on loopback"},
		{"discovery", func(p *Provider) { p.DiscoveryURL = "https://a.example" }, "`oidc <name> { … }`"},
		{"tenants", func(p *Provider) { p.Tenants = []string{"a"} }, "`oidc <name> { … }`"},
		{"no such file", func(p *Provider) { p.Keys, p.JWKSFile = nil, "/nosuch" }, "jwks_file: open /nosuch"},
		{"symmetric key", func(p *Provider) { p.Keys = []json.RawMessage{oct} }, "key 1: symmetric key"},
		{"private key", func(p *Provider) { p.Keys = []json.RawMessage{private} }, "key 1: private key"},
		{"key for encryption", func(p *Provider) {
			p.Keys = append(p.Keys, jwk(t, "rsa", "r", map[string]any{"use": "enc"}))
		}, "key 2: not for signatures"},
		{"key to sign with", func(p *Provider) {
			p.Keys = append(p.Keys, jwk(t, "rsa", "r", map[string]any{"key_ops": []string{"sign"}}))
		}, "key 2: not for verifying"},
		{"key for HS256", func(p *Provider) {
			p.Keys = []json.RawMessage{jwk(t, "rsa", "r", map[string]any{"alg": "HS256"})}
		}, "algorithm not accepted"},
		{"no key for the algorithms", func(p *Provider) { p.Algorithms = []string{"EdDSA", "RS256"} }, "no key can verify EdDSA or RS256"},
		{"key's alg is of another type of key", func(p *Provider) {
			p.Keys = []json.RawMessage{jwk(t, "ec", "e", map[string]any{"alg": "RS256"})}
		}, "no key can verify"},
		{"two keys, one without kid", func(p *Provider) { p.Keys = append(p.Keys, jwk(t, "rsa", "")) }, "key 2 has no kid"},
		{"two keys of one kid", func(p *Provider) { p.Keys = append(p.Keys, jwk(t, "rsa", "ec")) }, "key 2 has the kid of another"},
		{"not a JWK", func(p *Provider) { p.Keys = []json.RawMessage{[]byte(`"x"`)} }, "key 1: malformed"},
		{"name of the other kind", func(p *Provider) { p.Name = "idp" }, "oidc idp and jwt idp share a name"},
		{"issuer and audience of the other kind", func(p *Provider) { p.Issuer, p.ClientIDs = "https://idp.example.com", []string{"x", "app"} },
			"oidc idp and jwt backend both accept tokens of the issuer https://idp.example.com for the audience app"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := good
			p.Keys = append([]json.RawMessage(nil), good.Keys...)
			c.bend(&p)
			w := &world{t: t, issuer: newIssuer(t)}
			_, err := New(w.config(withBackend(p)))
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "0123456789abcdef")
		})
	}
	w := &world{t: t, issuer: newIssuer(t)}
	_, err = New(w.config(func(c *Config) { c.Providers[0].JWKSFile = "/keys" }))
	require.ErrorContains(t, err, "write `jwt <name> { … }`")
	_, err = New(w.config(withBackend(good), func(c *Config) { c.Databases[0].AccessStated = false }))
	require.ErrorContains(t, err, "register", "DECISIONS 8 is for both kinds")
}

// A key file is read again within 5 s of its change. A key that is no longer there ends
// what it signed: tokens that are known, and open leases.
func TestDecision17_KeyFileIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := keyFile(t, keySetText(t, jwk(t, "ec", "old")))
		w := newWorld(t, withBackend(ofFile(path)))
		synctest.Wait()
		old := backendToken(t, "ec", "old", "bilbo")
		known := w.lease(w.in(old))
		require.NoError(t, os.WriteFile(path, keySetText(t, jwk(t, "ec", "old"), jwk(t, "ec2", "new")), 0o600))
		time.Sleep(filewatch.Interval)
		synctest.Wait()
		next := w.lease(w.in(backendToken(t, "ec2", "new", "frodo")))
		w.in(old)
		require.False(t, ended(known))

		// "old" was stolen.
		require.NoError(t, os.WriteFile(path, keySetText(t, jwk(t, "ec2", "new")), 0o600))
		time.Sleep(filewatch.Interval)
		synctest.Wait()
		require.True(t, ended(known))
		require.Equal(t, "the key that signed the token is gone", known.Reason())
		require.Equal(t, 503, w.out(old).Status, "also from the digest cache; whether it is there is known in a second")
		time.Sleep(checkInterval)
		require.Equal(t, "Invalid login: unknown key", w.out(old).Reason)
		require.False(t, ended(next))

		// Back again, it is as good as any other.
		require.NoError(t, os.WriteFile(path, jwk(t, "ec", "old"), 0o600))
		time.Sleep(filewatch.Interval)
		synctest.Wait()
		w.in(old)
		require.True(t, ended(next))
	})
}

// A bad new file keeps the old keys and logs an error, once.
func TestDecision17_BadKeyFileKeepsTheOldKeys(t *testing.T) {
	t.Parallel()
	private, err := x509.MarshalPKCS8PrivateKey(testKeys()["ec2"])
	require.NoError(t, err)
	good := keySetText(t, jwk(t, "ec", "ec"))
	for _, c := range []struct {
		name    string
		content []byte // nil: no file
		says    string
	}{
		{"no file", nil, "no such file"},
		{"empty", []byte{}, "is empty"},
		{"half of it", good[:len(good)/2], "not well-formed"},
		{"no keys", []byte(`{"keys":[]}`), "there is no key in it"},
		{"private key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), "private key"},
		{"two keys without kid", append(publicPEM(t, "ec"), publicPEM(t, "ec2")...), "has no kid"},
		{"over the limit", make([]byte, filewatch.Limit+1), "is over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				core, logs := observer.New(zap.InfoLevel)
				path := keyFile(t, good)
				w := newWorld(t, withBackend(ofFile(path)), func(cfg *Config) { cfg.Logger = zap.New(core) })
				synctest.Wait() // the first look is over: it must not see the file half written
				l := w.lease(w.in(backendToken(t, "ec", "ec", "bilbo")))
				synctest.Wait() // the first look is over: it must not see half a file
				if c.content == nil {
					require.NoError(t, os.Remove(path))
				} else {
					require.NoError(t, os.WriteFile(path, c.content, 0o600))
				}
				time.Sleep(10 * filewatch.Interval)
				synctest.Wait()
				errs := logs.FilterLevelExact(zap.ErrorLevel).All()
				require.Len(t, errs, 1, "once, not every 5 s")
				require.Contains(t, errs[0].ContextMap()["error"], c.says)
				require.Equal(t, "backend", errs[0].ContextMap()["provider"])
				require.False(t, ended(l))
				w.in(backendToken(t, "ec", "ec", "frodo"))

				require.NoError(t, os.WriteFile(path, keySetText(t, jwk(t, "ec2", "ec2")), 0o600))
				time.Sleep(filewatch.Interval)
				synctest.Wait()
				w.in(backendToken(t, "ec2", "ec2", "sam"))
				require.Len(t, logs.FilterLevelExact(zap.ErrorLevel).All(), 1)
			})
		})
	}
}

// A token by a key that was written a moment ago is not told 401; a flood of unknown
// key IDs looks at the file once a second.
func TestDecision7_UnknownKidLooksAtTheFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := keyFile(t, jwk(t, "ec", "ec"))
		w := newWorld(t, withBackend(ofFile(path)))
		synctest.Wait()
		looks := 0
		ring := w.service.providers[1].static
		ring.watch.ReadBy(func(path string) ([]byte, error) { looks++; return filewatch.Read(path) })
		require.NoError(t, os.WriteFile(path, jwk(t, "ec2", "new"), 0o600))
		e := w.out(backendToken(t, "ec2", "new", "bilbo"))
		require.Equal(t, 503, e.Status, "looked at within this second")
		require.Equal(t, time.Second, e.RetryAfter)
		require.Zero(t, looks)
		time.Sleep(checkInterval)
		w.in(backendToken(t, "ec2", "new", "bilbo"))
		require.Equal(t, 1, looks)
		for range 20 {
			require.Equal(t, 503, w.out(backendToken(t, "ec2", "random", "bilbo")).Status)
		}
		require.Equal(t, 1, looks)
		time.Sleep(checkInterval)
		require.Equal(t, 401, w.out(backendToken(t, "ec2", "random", "bilbo")).Status, "looked, and not there")
		require.Equal(t, 2, looks)
	})
}

// A service that was stopped looks at no file.
func TestDecision17_StopEndsTheWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := keyFile(t, jwk(t, "ec", "ec"))
		w := newWorld(t, withBackend(ofFile(path)))
		old := w.service
		synctest.Wait()
		w.service = w.start(withBackend(ofFile(path)))
		synctest.Wait()
		old.Stop()
		old.Stop()
		old.providers[1].static.watch.ReadBy(func(string) ([]byte, error) {
			t.Error("read after Stop")
			return nil, errors.New("stopped")
		})
		require.NoError(t, os.WriteFile(path, jwk(t, "ec2", "ec2"), 0o600))
		time.Sleep(3 * filewatch.Interval)
		synctest.Wait()
		w.in(backendToken(t, "ec2", "ec2", "bilbo"))
	})
}

// F49: keys may change while tokens are verified.
func TestF49_KeysChangeWhileTokensAreVerified(t *testing.T) {
	t.Parallel()
	path := keyFile(t, jwk(t, "ec", "ec"))
	w := newWorld(t, withBackend(ofFile(path)))
	tok := backendToken(t, "ec", "ec", "bilbo")
	ring := w.service.providers[1].static
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				if _, err := w.service.Authenticate(get(tok), w.site, notes); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 20 {
		set := keySetText(t, jwk(t, "ec", "ec"), jwk(t, "ec2", "ec2"))
		if n%2 == 0 {
			set = jwk(t, "ec", "ec")
		}
		require.NoError(t, os.WriteFile(path+"~", set, 0o600))
		require.NoError(t, os.Rename(path+"~", path))
		ring.watch.Check(0)
	}
	all.Wait()
}

// A key that OpenID Connect discovery no longer shows ends what it signed, likewise.
func TestKeysWithdrawnByAProviderEndKnownTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issuer.maxAge = "max-age=300"
		tok := bearer(w.issuer.token("alice"))
		stolen := w.lease(w.in(tok))
		other := w.lease(w.in(bearer(sign(t, "ed", jose.EdDSA, map[string]any{"kid": "ed"}, w.issuer.claims("bob")))))
		w.issuer.publish("ed")
		time.Sleep(minRefresh + time.Second)
		synctest.Wait()
		require.True(t, ended(stolen))
		require.False(t, ended(other))
		require.Equal(t, 401, w.out(tok).Status)
	})
}
