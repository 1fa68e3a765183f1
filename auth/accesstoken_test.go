package auth

import (
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// accessToken is a good access token (RFC 9068 section 2.2), with claims changed.
func (i *issuer) accessToken(sub string, more ...map[string]any) string {
	return sign(i.t, "ec", jose.ES256, map[string]any{"kid": "ec", "typ": "at+jwt"},
		i.claims(sub, append([]map[string]any{{"client_id": "spa", "jti": "1"}}, more...)...))
}

func TestAccessTokensOnlyWhereAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Equal(t, "Invalid login: not an ID token", w.out(bearer(w.issuer.accessToken("alice"))).Reason)
	w.service = w.start(func(c *Config) { c.Providers[0].AccessTokens = true })
	require.Equal(t, "alice", w.in(bearer(w.issuer.accessToken("alice"))).Subject)
	for _, typ := range []string{"application/at+jwt", "AT+JWT"} {
		claims := w.issuer.claims("alice", map[string]any{"client_id": "spa", "jti": "1"})
		w.in(bearer(sign(t, "ec", jose.ES256, map[string]any{"kid": "ec", "typ": typ}, claims)))
	}
	w.in(bearer(w.issuer.token("alice")))
}

// What RFC 9068 section 2.2 demands and section 4 checks.
func TestRFC9068_AccessTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].AccessTokens = true })
	for _, c := range []struct {
		claim string
		value any
		says  string
	}{
		{"iss", absent, "token has no issuer"},
		{"iss", "https://evil.example.com", "unknown issuer"},
		{"exp", absent, "token has no expiry"},
		{"exp", 1, "token expired"},
		{"aud", absent, "token has no audience"},
		{"aud", "https://other-api.example.com", "wrong audience"},
		{"sub", absent, "token has no subject"},
		{"client_id", absent, "access token has no client_id"},
		{"client_id", "", "access token has no client_id"},
		{"client_id", []string{"spa"}, "claim client_id is not a string"},
		{"iat", absent, "token has no issue time"},
		{"jti", absent, "access token has no jti"},
		{"jti", 7, "claim jti is not a string"},
	} {
		e := w.out(bearer(w.issuer.accessToken("alice", map[string]any{c.claim: c.value})))
		require.Equal(t, "Invalid login: "+c.says, e.Reason, "%s %v", c.claim, c.value)
		require.Equal(t, http.StatusUnauthorized, e.Status)
	}
	// The client is not the audience, and azp says nothing in an access token.
	w.in(bearer(w.issuer.accessToken("alice", map[string]any{"aud": []string{"app", "files"}, "azp": "spa"})))
}

func TestAccessTokensScopeMakesAnAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].AccessTokens = true })
	w.site = &Site{Admin: &AdminRule{Scopes: []string{"sync.admin"}}}
	for _, good := range []map[string]any{
		{"scope": "openid sync.admin"},
		{"scp": []string{"sync.admin"}}, // as Okta and Entra have it
		{"scp": "openid sync.admin"},
	} {
		require.True(t, w.in(bearer(w.issuer.accessToken("robot", good))).Admin)
	}
	for _, bad := range []map[string]any{{}, {"scope": "sync.administrator"}, {"scope": "sync"}, {"scope": 1}, {"scope": "SYNC.ADMIN"}} {
		require.Equal(t, http.StatusForbidden, w.out(bearer(w.issuer.accessToken("robot", bad))).Status, "%v", bad)
	}
}

// OpenID Connect Core section 3.1.3.7: an ID token for several audiences is for the one
// that azp names.
func TestAuthorizedParty(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].ClientIDs = []string{"app", "tv"} })
	token := func(aud any, azp any) string {
		return bearer(w.issuer.token("alice", map[string]any{"aud": aud, "azp": azp}))
	}
	both := []string{"app", "other"}
	for name, good := range map[string]string{
		"azp is ours":           token(both, "app"),
		"azp is another of our": token(both, "tv"),
		"no azp":                token(both, absent),
		"one audience: azp is the app that asked for a token for its server (Google)": token("app", "android"),
	} {
		t.Run(name, func(t *testing.T) { w.in(good) })
	}
	require.Equal(t, "Invalid login: token was issued to another client", w.out(token(both, "other")).Reason)
	require.Equal(t, "Invalid login: token was issued to another client", w.out(token(both, "APP")).Reason)
	require.Equal(t, "Invalid login: claim azp is not a string", w.out(token(both, []string{"app"})).Reason)
	require.Equal(t, "Invalid login: claim azp is not a string", w.out(token(both, 7)).Reason)
}

// Of two providers of one issuer, azp picks the one whose client it names; a reload that
// takes the client away ends what was signed in with it.
func TestAuthorizedPartyPicksTheProvider(t *testing.T) {
	t.Parallel()
	two := func(c *Config) {
		p := c.Providers[0]
		p.Name, p.ClientIDs = "web", []string{"web"}
		c.Providers = append(c.Providers, p)
		c.Databases[0].Providers = []string{"idp", "web"}
	}
	w := newWorld(t, two)
	tok := w.issuer.token("alice", map[string]any{"aud": []string{"app", "web"}, "azp": "web"})
	p := w.in(bearer(tok))
	require.Equal(t, "web", p.Provider)
	l := w.lease(p)
	w.start(two)
	require.False(t, ended(l))
	w.start(two, func(c *Config) { c.Providers[1].ClientIDs = []string{"web2"} })
	require.True(t, ended(l))
}
