package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// broken is a kind of token that must be refused.
type broken struct {
	name  string
	why   string // the source of the rule
	token func(i *issuer) string
	says  string // to the client
}

func withClaim(name string, value any) func(*issuer) string {
	return func(i *issuer) string { return i.token("alice", map[string]any{name: value}) }
}

func withHeader(key string, alg jose.SignatureAlgorithm, header map[string]any) func(*issuer) string {
	return func(i *issuer) string { return sign(i.t, key, alg, header, i.claims("alice")) }
}

func text(s string) func(*issuer) string {
	return func(*issuer) string { return s }
}

const goodHeader = `{"alg":"ES256","kid":"ec"}`

func brokenTokens() []broken {
	soon := time.Now().Add(time.Hour).Unix()
	return []broken{
		// Form
		{"empty", "RFC 6750 2.1", text(""), "malformed token"},
		{"garbage", "RFC 7519 7.2", text("abc.def.ghi"), "malformed token"},
		{"two parts", "RFC 7515 7.1", text("abc.def"), "malformed token"},
		{"four parts", "RFC 7515 7.1", text("a.b.c.d"), "malformed token"},
		{"encrypted", "RFC 7516 7.1: five parts", text("a.b.c.d.e"), "encrypted tokens are not accepted"},
		{"too long", "16 KiB", withClaim("pad", strings.Repeat("x", maxToken)), "token too long"},
		{"no signature", "RFC 7515 7.1", func(i *issuer) string {
			tok := i.token("alice")
			return tok[:strings.LastIndexByte(tok, '.')+1]
		}, "malformed token"},
		{"padded base64", "RFC 7515 2", func(i *issuer) string { return i.token("alice") + "=" }, "malformed token"},
		{"line break in base64", "Go skips them: a second spelling", func(i *issuer) string {
			tok := i.token("alice")
			return tok[:len(tok)-4] + "\n" + tok[len(tok)-4:]
		}, "malformed token"},
		{"spare bits in base64", "a second spelling of a refused token", respelled, "malformed token"},
		{"header is no JSON", "RFC 7515 4", text(forge("x", "{}", []byte("s"))), "malformed token"},
		{"header is an array", "RFC 7515 4", text(forge("[]", "{}", []byte("s"))), "malformed token"},
		{"duplicate in header", "RFC 7515 4", text(forge(`{"alg":"none","alg":"ES256"}`, "{}", []byte("s"))), "malformed token"},
		{"payload is no JSON", "RFC 7519 7.2", text(forge(goodHeader, "x", []byte("s"))), "malformed token"},
		{"text after payload", "RFC 8259 2", text(forge(goodHeader, "{} {}", []byte("s"))), "malformed token"},
		{"duplicate in payload", "RFC 7519 4", func(i *issuer) string {
			return sign(i.t, "ec", jose.ES256, map[string]any{"kid": "ec"}, `{"sub":"alice","sub":"bob"}`)
		}, "malformed token"},
		{"duplicate deeper down", "RFC 7519 4", func(i *issuer) string {
			return sign(i.t, "ec", jose.ES256, map[string]any{"kid": "ec"}, `{"a":[{"b":1,"b":2}]}`)
		}, "malformed token"},
		{"invalid UTF-8", "RFC 8259 8.1", text(forge(goodHeader, "{\"sub\":\"\xff\"}", []byte("s"))), "malformed token"},
		{"nested too deep", "bounded work", text(forge(goodHeader, `{"a":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+"}", []byte("s"))), "malformed token"},
		{"nested token", "RFC 7519 5.2", func(i *issuer) string {
			return sign(i.t, "ec", jose.ES256, map[string]any{"kid": "ec", "cty": "JWT"}, i.token("alice"))
		}, "malformed token"},

		// Algorithm and header
		{"alg none", "RFC 8725 3.2", unsigned("none"), "signature algorithm not accepted"},
		{"alg NoNe", "RFC 8725 3.2", unsigned("NoNe"), "signature algorithm not accepted"},
		{"alg empty", "RFC 8725 3.2", unsigned(""), "signature algorithm not accepted"},
		{"HS256 with the public RSA key", "RFC 8725 2.1", confused, "signature algorithm not accepted"},
		{"alg not of the key", "RFC 8725 3.1", func(i *issuer) string {
			return sign(i.t, "ec", jose.ES256, map[string]any{"kid": "rsa"}, i.claims("alice"))
		}, "bad signature"},
		{"alg is a number", "type confusion", text(forge(`{"alg":1}`, "{}", []byte("s"))), "malformed token"},
		{"alg not offered", "discovery does not list PS384", func(i *issuer) string {
			return sign(i.t, "rsa", jose.PS384, map[string]any{"kid": "rsa"}, i.claims("alice"))
		}, "signature algorithm not accepted"},
		{"typ at+jwt", "RFC 9068 4: not an ID token", withHeader("ec", jose.ES256, map[string]any{"kid": "ec", "typ": "at+jwt"}), "not an ID token"},
		{"typ logout+jwt", "Back-Channel Logout 2.4", withHeader("ec", jose.ES256, map[string]any{"kid": "ec", "typ": "logout+jwt"}), "not an ID token"},
		{"typ dpop+jwt", "RFC 8725 3.11", withHeader("ec", jose.ES256, map[string]any{"kid": "ec", "typ": "dpop+jwt"}), "not an ID token"},
		{"crit", "RFC 7515 4.1.11", text(forge(`{"alg":"ES256","kid":"ec","crit":["exp"],"exp":1}`, "{}", []byte("s"))), "malformed token"},
		{"b64 false", "RFC 7797", text(forge(`{"alg":"ES256","kid":"ec","b64":false}`, "{}", []byte("s"))), "malformed token"},
		{"embedded jwk", "RFC 8725 3.10", text(forge(`{"alg":"ES256","jwk":{}}`, "{}", []byte("s"))), "malformed token"},

		// Signature
		{"bad signature RS256", "rogue key, published kid", func(i *issuer) string {
			return sign(i.t, "rsa2", jose.RS256, map[string]any{"kid": "rsa"}, i.claims("alice"))
		}, "bad signature"},
		{"bad signature ES256", "rogue key, published kid", func(i *issuer) string {
			return sign(i.t, "ec2", jose.ES256, map[string]any{"kid": "ec"}, i.claims("alice"))
		}, "bad signature"},
		{"rogue key, no kid", "all keys are tried", func(i *issuer) string {
			return sign(i.t, "ec2", jose.ES256, nil, i.claims("alice"))
		}, "bad signature"},
		{"unknown kid", "not there after a fetch", func(i *issuer) string {
			return sign(i.t, "ec2", jose.ES256, map[string]any{"kid": "../../etc/passwd"}, i.claims("alice"))
		}, "unknown key"},
		{"zero signature", "CVE-2022-21449", func(i *issuer) string {
			tok := i.token("alice")
			return tok[:strings.LastIndexByte(tok, '.')+1] + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
		}, "bad signature"},
		{"DER signature", "RFC 7518 3.4: raw r and s", derSignature, "bad signature"},
		{"truncated signature", "RFC 7518 3.4", func(i *issuer) string {
			tok := i.token("alice")
			return tok[:len(tok)-2]
		}, "bad signature"},
		{"payload exchanged", "RFC 7515 5.2", func(i *issuer) string {
			a, b := strings.Split(i.token("alice"), "."), strings.Split(i.token("bob"), ".")
			return a[0] + "." + b[1] + "." + a[2]
		}, "bad signature"},

		// Claims
		{"expired", "F25", withClaim("exp", time.Now().Add(-2*time.Minute).Unix()), "token expired"},
		{"expired by a second", "DECISIONS 5: no leeway", withClaim("exp", time.Now().Add(-time.Second).Unix()), "token expired"},
		{"expired in 1970", "exp 0 is a time", withClaim("exp", 0), "token expired"},
		{"no exp", "OpenID Connect Core 2", withClaim("exp", absent), "token has no expiry"},
		{"exp is text", "RFC 7519 2", withClaim("exp", fmt.Sprint(soon)), "claim exp is not a number"},
		{"exp is negative", "type confusion", withClaim("exp", -1), "claim exp is not a time"},
		{"exp beyond numbers", "overflow", func(i *issuer) string {
			return sign(i.t, "ec", jose.ES256, map[string]any{"kid": "ec"},
				fmt.Sprintf(`{"iss":%q,"aud":"app","sub":"alice","iat":1,"exp":1e400}`, i.url))
		}, "claim exp is not a time"},
		{"nbf in 10 minutes", "F29", withClaim("nbf", time.Now().Add(10*time.Minute).Unix()), "token not valid yet"},
		{"nbf in 2 minutes", "skew is 30 s", withClaim("nbf", time.Now().Add(2*time.Minute).Unix()), "token not valid yet"},
		{"iat in an hour", "made up", withClaim("iat", time.Now().Add(time.Hour).Unix()), "token issued in the future"},
		{"no iat", "OpenID Connect Core 2; not_before needs it", withClaim("iat", absent), "token has no issue time"},
		{"wrong audience", "F26", withClaim("aud", "other"), "wrong audience"},
		{"audience in another case", "exact comparison", withClaim("aud", "APP"), "wrong audience"},
		{"no audience", "F26", withClaim("aud", absent), "token has no audience"},
		{"empty audiences", "F26", withClaim("aud", []string{}), "token has no audience"},
		{"audience is an object", "type confusion", withClaim("aud", map[string]any{"app": true}), "claim aud is not a string or an array of strings"},
		{"audience holds a number", "type confusion", withClaim("aud", []any{"app", 1}), "claim aud is not a string or an array of strings"},
		{"unknown issuer", "F28", withClaim("iss", "https://evil.example.com"), "unknown issuer"},
		{"issuer with a slash more", "exact comparison", withClaim("iss", "https://idp.example.com/"), "unknown issuer"},
		{"issuer in capitals", "exact comparison", withClaim("iss", "https://IDP.example.com"), "unknown issuer"},
		{"issuer with a look-alike letter", "exact comparison", withClaim("iss", "https://\u0456dp.example.com"), "unknown issuer"},
		{"no issuer", "F28", withClaim("iss", absent), "token has no issuer"},
		{"issuer is an array", "type confusion", withClaim("iss", []string{"https://idp.example.com"}), "claim iss is not a string"},
		{"no subject", "F27", withClaim("sub", absent), "token has no subject"},
		{"empty subject", "F27", withClaim("sub", ""), "token has no subject"},
		{"subject is a number", "type confusion", withClaim("sub", 7), "claim sub is not a string"},
		{"half a surrogate pair as subject", "two subjects must not become one", func(i *issuer) string {
			return sign(i.t, "ec", jose.ES256, map[string]any{"kid": "ec"},
				fmt.Sprintf(`{"iss":%q,"aud":"app","sub":"a\ud800","iat":1,"exp":%d}`, i.url, soon))
		}, "subject not accepted"},
		{"events", "DECISIONS 4: a logout token", withClaim("events", map[string]any{}), "not an ID token"},
	}
}

func unsigned(alg string) func(*issuer) string {
	return func(i *issuer) string {
		parts := strings.Split(i.token("alice"), ".")
		h := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `"}`))
		return h + "." + parts[1] + "." + parts[2]
	}
}

// respelled has the same bytes by another last letter of the signature.
func respelled(i *issuer) string {
	tok := i.token("alice")
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(letters, tok[len(tok)-1])
	return tok[:len(tok)-1] + string(letters[last^1])
}

// confused is an HS256 token whose secret is the published RSA key.
func confused(i *issuer) string {
	pub, err := x509.MarshalPKIXPublicKey(testKeys()["rsa"].Public())
	require.NoError(i.t, err)
	parts := strings.Split(i.token("alice"), ".")
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"rsa"}`)) + "." + parts[1]
	mac := hmac.New(sha256.New, pub)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func derSignature(i *issuer) string {
	tok := i.token("alice")
	dot := strings.LastIndexByte(tok, '.')
	raw, err := base64.RawURLEncoding.DecodeString(tok[dot+1:])
	require.NoError(i.t, err)
	der := func(b []byte) []byte {
		n := new(big.Int).SetBytes(b).Bytes()
		if n[0]&0x80 != 0 {
			n = append([]byte{0}, n...)
		}
		return append([]byte{2, byte(len(n))}, n...)
	}
	body := append(der(raw[:32]), der(raw[32:])...)
	return tok[:dot+1] + base64.RawURLEncoding.EncodeToString(append([]byte{0x30, byte(len(body))}, body...))
}

// sync-gateway F rows 25-29 and the attacks that are known on tokens: each is refused
// with 401, an RFC 6750 challenge and its reason, and registers nobody.
func TestBrokenTokensAreRefused(t *testing.T) {
	t.Parallel()
	for _, b := range brokenTokens() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			// A good cookie does not help: a bad bearer never falls through.
			cookie := w.signIn(w.issuer.token("carol"))
			before := w.records.updates.Load()
			e := w.out(bearer(b.token(w.issuer)), cookie)
			require.Equal(t, http.StatusUnauthorized, e.Status, b.why)
			require.Equal(t, "unauthorized", e.Name)
			require.Equal(t, "Invalid login: "+b.says, e.Reason, b.why)
			require.Equal(t, []string{`Bearer realm="caddy-sync", error="invalid_token", error_description="` + b.says + `"`}, e.Challenges)
			require.False(t, w.records.holds("alice"), "a refused token left something behind")
			require.LessOrEqual(t, w.records.updates.Load()-before, int64(1), "at most the fetched keys are written")
		})
	}
}

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

func TestAccessTokensOnlyWhereAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Providers[0].AccessTokens = true })
	for _, typ := range []string{"at+jwt", "application/at+jwt", "JWT"} {
		w.in(bearer(sign(t, "ec", jose.ES256, map[string]any{"kid": "ec", "typ": typ}, w.issuer.claims("alice"))))
	}
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
		// What we read is what go-jose reads.
		jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(got.alg)})
		if err == nil {
			require.Equal(t, string(got.payload), string(jws.UnsafePayloadWithoutVerification()))
			require.Equal(t, got.kid, jws.Signatures[0].Header.KeyID)
		}
	})
}
