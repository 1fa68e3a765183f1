package auth

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

func TestGoodTokensAreAccepted(t *testing.T) {
	t.Parallel()
	for _, g := range []struct {
		name  string
		token func(*issuer) string
	}{
		{"ES256", withHeader("ec", jose.ES256, map[string]any{"kid": "ec"})},
		{"RS256", withHeader("rsa", jose.RS256, map[string]any{"kid": "rsa"})},
		{"EdDSA", withHeader("ed", jose.EdDSA, map[string]any{"kid": "ed"})},
		{"PS256, which discovery offers", withHeader("rsa", jose.PS256, map[string]any{"kid": "rsa"})},
		{"no typ", withHeader("ec", jose.ES256, map[string]any{"kid": "ec"})},
		{"typ jwt in small letters", withHeader("ec", jose.ES256, map[string]any{"kid": "ec", "typ": "jwt"})},
		{"typ as a media type", withHeader("ec", jose.ES256, map[string]any{"kid": "ec", "typ": "application/JWT"})},
		{"no kid", withHeader("ec", jose.ES256, nil)},
		{"foreign header members are not read", withHeader("ec", jose.ES256, map[string]any{"kid": "ec", "jku": "https://evil.example.com", "x5u": "https://evil.example.com"})},
		{"our audience among others", withClaim("aud", []string{"other", "app"})},
		{"nbf a minute ago", withClaim("nbf", time.Now().Add(-time.Minute).Unix())},
		{"nbf within the skew", withClaim("nbf", time.Now().Add(20*time.Second).Unix())},
		{"iat within the skew", withClaim("iat", time.Now().Add(20*time.Second).Unix())},
		{"times with fractions", withClaim("exp", float64(time.Now().Add(time.Hour).Unix())+0.5)},
		{"exp in the year 2126", withClaim("exp", time.Now().AddDate(100, 0, 0).Unix())},
		{"exp in milliseconds by mistake", withClaim("exp", time.Now().UnixMilli())},
	} {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.in(bearer(g.token(w.issuer)))
			require.Equal(t, "idp.example.com_alice", p.Name)
			require.Equal(t, MethodBearer, p.Method)
			require.Equal(t, "alice", p.Subject)
			require.Equal(t, w.issuer.url, p.Issuer)
			require.False(t, p.Admin)
		})
	}
}

// clock_skew forgives iat and nbf only; exp has no leeway.
func TestDecision5_ExpiryHasNoLeeway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tok := w.issuer.token("alice", map[string]any{"exp": time.Now().Add(time.Minute).Unix()})
		w.in(bearer(tok))
		time.Sleep(time.Minute - time.Second)
		w.in(bearer(tok))
		time.Sleep(time.Second)
		require.Equal(t, "Invalid login: token expired", w.out(bearer(tok)).Reason)
	})
}

func TestMaxTokenAgeEndsATokenBeforeItsExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Providers[0].MaxTokenAge = 10 * time.Minute })
		tok := w.issuer.token("alice", map[string]any{"exp": time.Now().AddDate(100, 0, 0).Unix()})
		p := w.in(bearer(tok))
		require.Equal(t, time.Now().Add(10*time.Minute).Unix(), p.Expires.Unix())
		l := w.lease(p)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.True(t, ended(l))
		require.Equal(t, "Invalid login: token too old", w.out(bearer(tok)).Reason)
	})
}

func TestConfiguredAlgorithmsAreTheOnlyOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].Algorithms = []string{"EdDSA"} })
	require.Equal(t, "Invalid login: signature algorithm not accepted", w.out(bearer(w.issuer.token("alice"))).Reason)
	require.Zero(t, w.issuer.fetches.Load(), "refused before any network")
	w.in(bearer(sign(t, "ed", jose.EdDSA, map[string]any{"kid": "ed"}, w.issuer.claims("alice"))))
}

func FuzzToken(f *testing.F) {
	i := newIssuer(f)
	tok := i.token("alice")
	f.Add(tok)
	f.Add(forge(goodHeader, `{"iss":"a","sub":"b","aud":["c"],"exp":1,"iat":1.5e1}`, []byte("s")))
	f.Add(forge(`{"alg":"none"}`, `{"a":{"a":[1,null,true]}}`, nil))
	f.Add("a.b.c.d.e")
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := peek(raw)
		if err != nil {
			require.NotEmpty(t, err.Error())
			require.NotContains(t, quotable(err.Error()), `"`)
			return
		}
		require.NotEmpty(t, got.subject)
		require.NotEmpty(t, got.issuer)
		require.Contains(t, signatureAlgorithms, got.alg)
		require.False(t, got.expires.IsZero())
		require.False(t, got.expires.After(maxTime))
		// There is no second text of the same token.
		header, payload := splitToken(raw)
		require.Equal(t, string(got.payload), payload)
		rest, ok := strings.CutPrefix(raw, strings.TrimSuffix(forge(header, payload, nil), "."))
		require.True(t, ok)
		require.NotContains(t, rest, "=")
		// What we read is what go-jose reads.
		jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(got.alg)})
		if err == nil {
			require.Equal(t, string(got.payload), string(jws.UnsafePayloadWithoutVerification()))
			require.Equal(t, got.kid, jws.Signatures[0].Header.KeyID)
		}
	})
}
