package auth

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A refused configuration says what to write instead.
func TestConfigErrorsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, c := range []struct {
		name string
		bend func(*Config)
		says string
	}{
		{"no issuer", func(c *Config) { c.Providers[0].Issuer = "" }, "write `issuer https://…`"},
		{"no client", func(c *Config) { c.Providers[0].ClientIDs = nil }, "client_id is missing"},
		{"empty client", func(c *Config) { c.Providers[0].ClientIDs = []string{""} }, "client_id is missing"},
		{"no name", func(c *Config) { c.Providers[0].Name = "" }, "`oidc <name> { … }`"},
		{"plain http", func(c *Config) { c.Providers[0].Issuer = "http://idp.example.com" }, "use https"},
		{"http on a name that only looks local", func(c *Config) { c.Providers[0].Issuer = "http://localhost.example.com" }, "use https"},
		{"other scheme", func(c *Config) { c.Providers[0].Issuer = "ftp://idp.example.com" }, "scheme must be https"},
		{"issuer with a query", func(c *Config) { c.Providers[0].Issuer = "https://idp.example.com?x=1" }, "no query"},
		{"issuer with a password", func(c *Config) { c.Providers[0].Issuer = "https://a:b@idp.example.com" }, "must not hold"},
		{"issuer is no URL", func(c *Config) { c.Providers[0].Issuer = "idp" }, "absolute URL"},
		{"HMAC", func(c *Config) { c.Providers[0].Algorithms = []string{"HS256"} }, "use some of RS256"},
		{"none", func(c *Config) { c.Providers[0].Algorithms = []string{"none"} }, "use some of RS256"},
		{"two sources of keys", func(c *Config) {
			c.Providers[0].DiscoveryURL, c.Providers[0].JWKSURL = "https://a.example", "https://b.example"
		}, "keep one"},
		{"keys by plain http", func(c *Config) { c.Providers[0].JWKSURL = "http://b.example" }, "jwks_url: http is accepted on loopback"},
		{"skew", func(c *Config) { c.Providers[0].ClockSkew = time.Hour }, "clock_skew"},
		{"negative age", func(c *Config) { c.Providers[0].MaxTokenAge = -1 }, "max_token_age"},
		{"require without values", func(c *Config) { c.Providers[0].Require = map[string][]string{"a": nil} }, "`require <claim> <value…>`"},
		{"no such CA file", func(c *Config) { c.Providers[0].HTTPClient, c.Providers[0].CAFile = nil, "/nosuch" }, "ca_file"},
		{"empty CA file", func(c *Config) { c.Providers[0].HTTPClient, c.Providers[0].CAFile = nil, empty }, "no PEM certificate"},
		{"provider twice", func(c *Config) { c.Providers = append(c.Providers, c.Providers[0]) }, "another name"},
		{"client in two providers", func(c *Config) {
			p := c.Providers[0]
			p.Name = "again"
			c.Providers = append(c.Providers, p)
		}, "keep it in one"},
		{"database twice", func(c *Config) { c.Databases = append(c.Databases, c.Databases[0]) }, "keep one block"},
		{"database without a name", func(c *Config) { c.Databases[0].Name = "" }, "needs a name"},
		{"unknown provider", func(c *Config) { c.Databases[0].Providers = []string{"nosuch"} }, "add `oidc nosuch { … }`"},
		{"provider listed twice", func(c *Config) { c.Databases[0].Providers = []string{"idp", "idp"} }, "listed twice"},
		{"lifetime", func(c *Config) { c.Databases[0].Session.Lifetime = -1 }, "at least 1s"},
		{"idle", func(c *Config) { c.Databases[0].Session.Idle = time.Millisecond }, "at least 1s"},
		{"cookie", func(c *Config) { c.Databases[0].Session.Cookie = "a b" }, "not a cookie name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, issuer: newIssuer(t)}
			_, err := New(w.config(c.bend))
			require.ErrorContains(t, err, c.says)
		})
	}
}

// register with open access is refused.
func TestDecision8_RegisterWithOpenAccess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		bend func(*Config)
		ok   bool
	}{
		{"nothing stated", func(*Config) {}, false},
		{"access stated", func(c *Config) { c.Databases[0].AccessStated = true }, true},
		{"stated in one of two", func(c *Config) {
			c.Databases[0].AccessStated = true
			c.Databases = append(c.Databases, Policy{Name: "*", Providers: []string{"idp"}})
		}, false},
		{"require", func(c *Config) { c.Providers[0].Require = map[string][]string{"org": {"7"}} }, true},
		{"no register", func(c *Config) { c.Providers[0].Register = false }, true},
		{"no database lists it", func(c *Config) { c.Databases[0].Providers = nil }, true},
		{"issuer on loopback", func(c *Config) { c.Providers[0].Issuer = "http://localhost:8080/idp" }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, issuer: newIssuer(t)}
			_, err := New(w.config(func(cfg *Config) {
				cfg.Databases[0].AccessStated = false
				c.bend(cfg)
			}))
			if c.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "write `access shared`, `access private`, `access channels` or `sync_function <file>`")
		})
	}
}

func TestSeveralProvidersOfOneIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		p := c.Providers[0]
		p.Name, p.ClientIDs = "second", []string{"web", "tv"}
		c.Providers = append(c.Providers, p)
		c.Databases[0].Providers = []string{"idp", "second"}
	})
	require.Equal(t, "idp", w.in(bearer(w.issuer.token("a"))).Provider)
	require.Equal(t, "second", w.in(bearer(w.issuer.token("b", map[string]any{"aud": "tv"}))).Provider)
}

func TestStartTwiceIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Error(t, w.service.Start(t.Context(), w.state))
}

func TestGoogleSignsWithoutTheScheme(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.url = "https://accounts.google.com"
	w := newWorld(t)
	w.issuer = i
	w.service = w.start()
	p := w.in(bearer(i.token("7", map[string]any{"iss": "accounts.google.com"})))
	require.Equal(t, i.url, p.Issuer)
	require.Equal(t, "accounts.google.com_7", p.Name)
}
