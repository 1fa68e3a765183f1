package auth

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

const (
	contoso  = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	fabrikam = "9188040d-6c67-4c5b-b112-36a304b66dad"
	stranger = "11111111-2222-3333-4444-555555555555"

	entraIssuer = "https://login.microsoftonline.com/{tenantid}/v2.0"
)

// entra is Microsoft's endpoint for all tenants: discovery's issuer has {tenantid}.
func entra(tb testing.TB, tenants ...string) (*issuer, func(*Config)) {
	tb.Helper()
	i := newIssuer(tb)
	i.url = entraIssuer
	i.answer(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/common/v2.0/.well-known/openid-configuration":
			writeJSON(w, map[string]any{"issuer": entraIssuer, "jwks_uri": "https://login.microsoftonline.com/common/discovery/v2.0/keys"})
		case "/common/discovery/v2.0/keys":
			// Entra says of each key which issuer it is for.
			member := func(issuer string) map[string]any { return map[string]any{"issuer": issuer, "use": "sig"} }
			writeJSON(w, map[string]any{"keys": []any{
				jwk(tb, "ec", "ec", member(entraIssuer)),
				jwk(tb, "ec2", "ec2", member(strings.ReplaceAll(entraIssuer, "{tenantid}", fabrikam))),
				jwk(tb, "ed", "ed"),
			}})
		default:
			http.NotFound(w, r)
		}
	})
	return i, func(c *Config) {
		p := i.provider()
		p.Tenants = tenants
		c.Providers = []Provider{p}
	}
}

// tenantToken is a token of a tenant signed by a key, with claims changed.
func tenantToken(i *issuer, tenant, key, sub string, more ...map[string]any) string {
	own := map[string]any{"iss": strings.ReplaceAll(entraIssuer, "{tenantid}", tenant), "tid": tenant, "ver": "2.0"}
	return sign(i.t, key, testAlgorithms[key], map[string]any{"kid": key, "typ": "JWT"},
		i.claims(sub, append([]map[string]any{own}, more...)...))
}

// Entra's issuer for all tenants is accepted with a list of tenants, and each tenant is
// an issuer of its own.
func TestDecision21_TenantsOfEntra(t *testing.T) {
	t.Parallel()
	i, change := entra(t, contoso, fabrikam)
	w := newWorld(t, change)
	a := w.in(bearer(tenantToken(i, contoso, "ec", "alice")))
	require.Equal(t, "https://login.microsoftonline.com/"+contoso+"/v2.0", a.Issuer, "the identity's issuer is the tenant's")
	require.Equal(t, "login.microsoftonline.com%2F"+contoso+"%2Fv2.0_alice", a.Name)
	b := w.in(bearer(tenantToken(i, fabrikam, "ec", "alice")))
	require.NotEqual(t, a.Name, b.Name, "a subject is one tenant's")

	for name, bad := range map[string]struct{ tok, says string }{
		"tenant not listed":         {tenantToken(i, stranger, "ec", "eve"), "unknown issuer"},
		"iss of another tenant":     {tenantToken(i, stranger, "ec", "eve", map[string]any{"tid": contoso}), "unknown issuer"},
		"tid of another tenant":     {tenantToken(i, contoso, "ec", "eve", map[string]any{"tid": fabrikam}), "unknown issuer"},
		"no tid":                    {tenantToken(i, contoso, "ec", "eve", map[string]any{"tid": absent}), "unknown issuer"},
		"tid is an array":           {tenantToken(i, contoso, "ec", "eve", map[string]any{"tid": []string{contoso}}), "unknown issuer"},
		"tid in capitals":           {tenantToken(i, contoso, "ec", "eve", map[string]any{"tid": strings.ToUpper(contoso)}), "unknown issuer"},
		"iss is the template":       {tenantToken(i, contoso, "ec", "eve", map[string]any{"iss": entraIssuer}), "unknown issuer"},
		"template as tenant":        {tenantToken(i, "{tenantid}", "ec", "eve"), "unknown issuer"},
		"common as tenant":          {tenantToken(i, "common", "ec", "eve"), "unknown issuer"},
		"key of the other tenant":   {tenantToken(i, contoso, "ec2", "eve"), "bad signature"},
		"wrong audience":            {tenantToken(i, contoso, "ec", "eve", map[string]any{"aud": "other"}), "wrong audience"},
		"version 1 of the endpoint": {tenantToken(i, contoso, "ec", "eve", map[string]any{"iss": "https://sts.windows.net/" + contoso + "/"}), "unknown issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			e := w.out(bearer(bad.tok))
			require.Equal(t, 401, e.Status)
			require.Equal(t, "Invalid login: "+bad.says, e.Reason)
		})
	}
	w.in(bearer(tenantToken(i, fabrikam, "ec2", "bob")))
	w.in(bearer(sign(t, "ed", jose.EdDSA, map[string]any{"kid": "ed"}, i.claims("bob", map[string]any{"iss": a.Issuer, "tid": contoso}))))
}

// Sessions and leases know the tenant: one that leaves the list is out, the others stay.
func TestDecision21_ATenantLeavesTheList(t *testing.T) {
	t.Parallel()
	i, both := entra(t, contoso, fabrikam)
	w := newWorld(t, both)
	tokA, tokB := tenantToken(i, contoso, "ec", "alice"), tenantToken(i, fabrikam, "ec", "bob")
	cookieA, cookieB := w.signIn(tokA), w.signIn(tokB)
	leases := []*Lease{w.lease(w.in(bearer(tokA))), w.lease(w.in(cookieA)), w.lease(w.in(bearer(tokB))), w.lease(w.in(cookieB))}
	w.service = w.start(func(c *Config) {
		both(c)
		c.Providers[0].Tenants = []string{contoso}
	})
	require.Equal(t, []bool{false, false, true, true}, []bool{ended(leases[0]), ended(leases[1]), ended(leases[2]), ended(leases[3])})
	w.in(cookieA)
	require.Equal(t, 401, w.out(cookieB).Status)
	require.Equal(t, "Invalid login: unknown issuer", w.out(bearer(tokB)).Reason)
}

// Roles that a tenant's token gave count while the tenant is listed.
func TestDecision21_GrantsOfATenant(t *testing.T) {
	t.Parallel()
	i, both := entra(t, contoso, fabrikam)
	w := newWorld(t, both, func(c *Config) { c.Providers[0].RolesClaim = "roles" })
	p := w.in(bearer(tenantToken(i, contoso, "ec", "alice", map[string]any{"roles": []string{"editor"}})))
	require.Equal(t, []string{"editor"}, p.Roles)
	u, err := w.state.User(t.Context(), notes.ID, p.Name)
	require.NoError(t, err)
	roles, _ := w.service.policy("notes").grants(&u)
	require.Equal(t, []string{"editor"}, roles)
	s := w.start(func(c *Config) {
		both(c)
		c.Providers[0].Tenants = []string{fabrikam}
	})
	roles, _ = s.policy("notes").grants(&u)
	require.Empty(t, roles)
}

// discovery of one tenant is not taken for that of all, and the other way round.
func TestDecision21_DiscoveryNamesTheTemplate(t *testing.T) {
	t.Parallel()
	i, change := entra(t, contoso)
	i.answer(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"issuer": "https://login.microsoftonline.com/" + stranger + "/v2.0", "jwks_uri": "https://evil.example.com"})
	})
	w := newWorld(t, change)
	e := w.out(bearer(tenantToken(i, contoso, "ec", "alice")))
	require.Equal(t, 503, e.Status)
	require.Contains(t, e.Detail, "names the issuer")
	require.Equal(t, "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration", discoveryURL(entraIssuer))
}

func TestDecision21_ConfigErrorsOfTenants(t *testing.T) {
	t.Parallel()
	one := "https://login.microsoftonline.com/" + contoso + "/v2.0"
	for _, c := range []struct {
		name    string
		issuer  string
		tenants []string
		says    string
	}{
		{"template without tenants", entraIssuer, nil, "write `tenants <id…>`"},
		{"tenants without template", one, []string{contoso}, "tenants needs {tenantid} in the issuer"},
		{"two templates", entraIssuer + "/{tenantid}", []string{contoso}, "more than once"},
		{"domain as tenant", entraIssuer, []string{"contoso.com"}, "is no tenant ID"},
		{"path as tenant", entraIssuer, []string{"a/../b"}, "is no tenant ID"},
		{"empty tenant", entraIssuer, []string{""}, "is no tenant ID"},
		{"tenant twice", entraIssuer, []string{contoso, contoso}, "listed twice"},
		{"good", entraIssuer, []string{contoso, fabrikam}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, issuer: newIssuer(t)}
			_, err := New(w.config(func(cfg *Config) {
				cfg.Providers[0].Issuer, cfg.Providers[0].Tenants = c.issuer, c.tenants
			}))
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
	t.Run("a tenant is another provider's too", func(t *testing.T) {
		t.Parallel()
		w := &world{t: t, issuer: newIssuer(t)}
		_, err := New(w.config(func(cfg *Config) {
			p := cfg.Providers[0]
			p.Name, p.Issuer = "one", one
			cfg.Providers[0].Issuer, cfg.Providers[0].Tenants = entraIssuer, []string{fabrikam, contoso}
			cfg.Providers = append(cfg.Providers, p)
		}))
		require.ErrorContains(t, err, "both accept tokens of the issuer "+one)
	})
}
