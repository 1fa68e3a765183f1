package auth

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// explained is one token and the checks that must fail, with a word of the detail.
type explained struct {
	name   string
	raw    string
	failed map[string]string
}

// explain explains a token for notes; it must agree with the real sign-in.
func (w *world) explain(name, raw string) Explanation {
	w.t.Helper()
	x, err := w.service.Explain(w.t.Context(), &Principal{Admin: true}, raw, &notes)
	require.NoError(w.t, err, name)
	_, refused := w.service.Authenticate(get(bearer(raw)), w.site, notes)
	require.Equal(w.t, refused == nil, x.OK, "%s: %v, but %v", name, x, refused)
	all := true
	for _, c := range x.Checks {
		all = all && c.OK
		require.NotEmpty(w.t, c.Detail, "%s: %s", name, c.Check)
		require.NotEqual(w.t, "verdict", c.Check, "%s: %s", name, c.Detail)
		for part := range strings.SplitSeq(raw, ".") {
			if len(part) > 20 {
				require.NotContains(w.t, c.Detail, part, name)
			}
		}
	}
	require.Equal(w.t, all, x.OK, name)
	return x
}

func TestDecision42_ExplainSaysCheckByCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		p := &c.Providers[0]
		p.Require = map[string][]string{"org": {"acme"}}
		p.RolesClaim, p.MaxTokenAge = "realm_access.roles", 2*time.Hour
		c.Providers = append(c.Providers, secondProvider(p))
	})
	now := time.Now().Unix()
	good := map[string]any{"org": "acme"}
	tok := func(more ...map[string]any) string {
		return w.issuer.token("alice", append([]map[string]any{good}, more...)...)
	}
	header := func(h map[string]any) string {
		return sign(t, "ec", jose.ES256, h, w.issuer.claims("alice", good))
	}
	whole := tok()
	parts := strings.Split(whole, ".")
	for _, c := range []explained{
		{"good", whole, nil},
		{"nothing", "", map[string]string{"form": "no token"}},
		{"opaque", "abcdef", map[string]string{"form": "three parts"}},
		{"encrypted", "a.b.c.d.e", map[string]string{"form": "encrypted"}},
		{"cut", parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-1] + "=", map[string]string{"form": "signature"}},
		{"unsigned", parts[0] + "." + parts[1] + ".", map[string]string{"form": "not signed", "signature": "bad"}},
		{"too long", whole + strings.Repeat("x", maxToken), map[string]string{"form": "bytes"}},
		{"hmac", hmacToken(t, w.issuer.claims("alice", good)), map[string]string{"algorithm": "HS256"}},
		{"type", header(map[string]any{"kid": "ec", "typ": "logout+jwt"}), map[string]string{"type": "logout+jwt"}},
		{"own key", header(map[string]any{"kid": "ec", "b64": true}), map[string]string{"header": "b64"}},
		{"access token", header(map[string]any{"kid": "ec", "typ": "at+jwt"}), map[string]string{"kind": "access_tokens"}},
		{"events", tok(map[string]any{"events": map[string]any{}}), map[string]string{"type": "events"}},
		{"unknown issuer", tok(map[string]any{"iss": "https://other.example"}), map[string]string{"issuer": "no provider"}},
		{"slash", tok(map[string]any{"iss": w.issuer.url + "/"}), map[string]string{"issuer": "slash"}},
		{"audience", tok(map[string]any{"aud": "web"}), map[string]string{"audience": "client_id web"}},
		{"other client", tok(map[string]any{"aud": []string{"app", "web"}, "azp": "web"}), map[string]string{"azp": "web"}},
		{"no subject", tok(map[string]any{"sub": absent}), map[string]string{"sub": "subject"}},
		{"no times", tok(map[string]any{"exp": absent, "iat": absent}), map[string]string{"exp": "expiry", "iat": "issue"}},
		{"expired", tok(map[string]any{"exp": now - 120}), map[string]string{"exp": "new token"}},
		{"early", tok(map[string]any{"nbf": now + 600}), map[string]string{"nbf": "clock"}},
		{"ahead", tok(map[string]any{"iat": now + 600}), map[string]string{"iat": "clock"}},
		{"old", tok(map[string]any{"iat": now - 3*3600}), map[string]string{"max_token_age": "max_token_age"}},
		{"require", tok(map[string]any{"org": "evil"}), map[string]string{"require": "acme"}},
		{"roles", tok(map[string]any{"realm_access": map[string]any{"roles": 1}}), map[string]string{"roles": "roles_claim"}},
		{"unknown key", header(map[string]any{"kid": "none"}), map[string]string{"kid": "none"}},
		{"bad signature", sign(t, "ec2", jose.ES256, map[string]any{"kid": "ec"}, w.issuer.claims("alice", good)), map[string]string{"signature": "signature"}},
		{"many at once", tok(map[string]any{"aud": "web", "exp": now - 9, "org": "evil"}), map[string]string{"audience": "web", "exp": "new token", "require": "acme"}},
		{"other provider", sign(t, "ec", jose.ES256, map[string]any{"kid": "ec"}, w.issuer.claims("alice", good, map[string]any{"iss": "https://second.example.com"})),
			map[string]string{"database": "oidc second"}},
	} {
		w.service.explains = explainLimit{}
		x := w.explain(c.name, c.raw)
		failed := map[string]string{}
		for _, check := range x.Checks {
			if !check.OK {
				failed[check.Check] = check.Detail
			}
		}
		require.Len(t, failed, len(c.failed), "%s: %v", c.name, failed)
		for check, word := range c.failed {
			require.Contains(t, failed[check], word, "%s: %s", c.name, check)
		}
	}
}

// secondProvider is a provider that the database does not take.
func secondProvider(p *Provider) Provider {
	other := *p
	other.Name, other.Issuer, other.JWKSURL = "second", "https://second.example.com", "https://idp.example.com/keys"
	return other
}

func hmacToken(tb testing.TB, payload map[string]any) string {
	tb.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 32))}, nil)
	require.NoError(tb, err)
	jws, err := signer.Sign([]byte(`{"iss":"x"}`))
	require.NoError(tb, err)
	compact, err := jws.CompactSerialize()
	require.NoError(tb, err)
	good := strings.Split(sign(tb, "ec", jose.ES256, nil, payload), ".")
	bad := strings.Split(compact, ".")
	return bad[0] + "." + good[1] + "." + bad[2]
}

func TestDecision42_ExplainSaysWhoseAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].UsernameClaim = "name" })
	account := func(sub, name string) ExplainCheck {
		t.Helper()
		x := w.explainOnly(w.issuer.token(sub, map[string]any{"name": name}))
		last := x.Checks[len(x.Checks)-1]
		require.Equal(t, "account", last.Check, x)
		require.Equal(t, last.OK, x.OK)
		return last
	}
	require.Contains(t, account("1", "alice").Detail, `registered as the new user "alice"`)
	_, err := w.state.User(t.Context(), notes.ID, "alice")
	require.ErrorIs(t, err, ErrNoUser, "explaining registers nobody")
	require.True(t, account("1", "alice").OK)
	w.in(bearer(w.issuer.token("1", map[string]any{"name": "alice"})))
	require.Contains(t, account("1", "other").Detail, `signs in as the user "alice"`)
	taken := account("2", "alice")
	require.False(t, taken.OK)
	require.Contains(t, taken.Detail, "_identity")
	require.NoError(t, w.state.CreateUser(t.Context(), notes.ID, "bob", true))
	require.Contains(t, account("3", "bob").Detail, "would become the user")
	require.NoError(t, w.state.SetDisabled(t.Context(), notes.ID, "alice", true))
	disabled := account("1", "alice")
	require.False(t, disabled.OK)
	require.Contains(t, disabled.Detail, "disabled")
}

func (w *world) explainOnly(raw string) Explanation {
	w.t.Helper()
	x, err := w.service.Explain(w.t.Context(), nil, raw, &notes)
	require.NoError(w.t, err)
	return x
}

func TestDecision42_ExplainTellsRevokedTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tok := w.issuer.token("alice")
		name := w.in(bearer(tok)).Name
		time.Sleep(2 * time.Second)
		require.NoError(t, w.state.EndAllSessions(t.Context(), notes.ID, name))
		x := w.explain("revoked", tok)
		require.False(t, x.OK)
		require.Contains(t, x.Checks[len(x.Checks)-1].Detail, "signed out everywhere")
	})
}

func TestDecision42_ExplainTellsThatKeysAreNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer.down()
	x := w.explainOnly(w.issuer.token("alice"))
	require.False(t, x.OK)
	var keys ExplainCheck
	for _, c := range x.Checks {
		if c.Check == "keys" {
			keys = c
		}
		require.NotEqual(t, "signature", c.Check)
	}
	require.False(t, keys.OK)
	require.Contains(t, keys.Detail, "reaches the provider")
}

func TestDecision42_ExplainIsBoundedAndAuditedAndIsNoSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		w := newWorld(t, func(c *Config) { c.Audit = zap.New(core) })
		tok := w.issuer.token("alice")
		for range explainBurst {
			w.explainOnly(tok)
		}
		_, err := w.service.Explain(t.Context(), nil, tok, &notes)
		require.Equal(t, http.StatusTooManyRequests, asError(t, err).Status)
		time.Sleep(explainEvery)
		w.explainOnly(tok)
		require.Zero(t, logs.FilterMessage(auditSignIn).Len())
		require.Equal(t, explainBurst+1, logs.FilterMessage(auditTokenExplained).Len())
		for _, entry := range logs.All() {
			for _, field := range entry.Context {
				require.NotContains(t, field.String, tok)
			}
		}
	})
}
