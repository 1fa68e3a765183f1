package auth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// Keys that are published and not meant for this: for encryption (RFC 7517 section 4.2),
// for other operations (4.3) or algorithms (RFC 8725 section 3.1), private or symmetric
// ones (whoever reads the set could sign), weak ones (RFC 7518 section 3.3), and those
// whose size is the attack (CVE-2023-29409). The others of the set go on.
func TestAttack_KeysThatMayNotVerify(t *testing.T) {
	t.Parallel()
	jwk := func(more string) json.RawMessage {
		return json.RawMessage(strings.Replace(rogueJWK("ec"), `"use":"sig"`, more, 1))
	}
	private := func() jose.JSONWebKey { return jose.JSONWebKey{Key: testKeys()["ec"], KeyID: "ec"} }
	for _, c := range []struct {
		name string
		key  func() any
	}{
		{"for encryption", func() any {
			return jose.JSONWebKey{Key: testKeys()["ec"].Public(), KeyID: "ec", Use: "enc"}
		}},
		{"private", func() any { return private() }},
		{"symmetric", func() any { return jose.JSONWebKey{Key: []byte(strings.Repeat("k", 32)), KeyID: "ec"} }},
		{"for another algorithm", func() any {
			return jose.JSONWebKey{Key: testKeys()["ec"].Public(), KeyID: "ec", Algorithm: "ES256K"}
		}},
		{"for HMAC", func() any {
			return jose.JSONWebKey{Key: testKeys()["ec"].Public(), KeyID: "ec", Algorithm: "HS256"}
		}},
		{"only to sign", func() any {
			return map[string]any{"kty": "EC", "crv": "P-256", "kid": "ec", "x": "AA", "y": "AA", "key_ops": []string{"sign"}}
		}},
		{"a point off the curve", func() any {
			return map[string]any{"kty": "EC", "crv": "P-256", "kid": "ec", "x": "AA", "y": "AA"}
		}},
		{"a short RSA key", func() any {
			return map[string]any{"kty": "RSA", "kid": "ec", "n": strings.Repeat("_", 170), "e": "AQAB"}
		}},
		{"a long RSA key", func() any {
			return map[string]any{"kty": "RSA", "kid": "ec", "n": strings.Repeat("_", 2800), "e": "AQAB"}
		}},
		{"an RSA key with the exponent 1", func() any {
			return map[string]any{"kty": "RSA", "kid": "ec", "n": strings.Repeat("_", 342), "e": "AQ"}
		}},
		{"for encryption, in two spellings", func() any { return jwk(`"use":"enc","Use":"sig"`) }},
		{"for encryption and for signatures", func() any { return jwk(`"use":"enc","use":"sig"`) }},
		{"of a use that is a number", func() any { return jwk(`"use":1`) }},
		{"only to sign, in two spellings", func() any { return jwk(`"key_ops":["sign"],"Key_ops":["verify"]`) }},
		{"of operations that are no list", func() any { return jwk(`"key_ops":{"verify":true}`) }},
		{"no object", func() any { return 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.issuer.answer(func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/keys" {
					writeJSON(rw, map[string]any{"keys": []any{c.key(), jose.JSONWebKey{Key: testKeys()["ed"].Public(), KeyID: "ed"}}})
					return
				}
				writeJSON(rw, map[string]any{"issuer": w.issuer.url, "jwks_uri": w.issuer.url + "/keys"})
			})
			require.Equal(t, "Invalid login: unknown key", w.out(bearer(w.issuer.token("alice"))).Reason)
			w.in(bearer(sign(t, "ed", jose.EdDSA, map[string]any{"kid": "ed"}, w.issuer.claims("alice"))))
		})
	}
}

// A key is its provider's: another provider's tokens do not get in by it, whatever they
// say. RFC 8725 section 3.8 (the key must belong to the issuer), RFC 9700 section 4.4.
func TestAttack_KeyOfAnotherProvider(t *testing.T) {
	t.Parallel()
	other := newIssuer(t)
	other.url = "https://other.example.com"
	other.publish("ec2")
	w := newWorld(t, func(c *Config) {
		p := other.provider()
		p.Name = "other"
		c.Providers = append(c.Providers, p)
		c.Databases[0].Providers = append(c.Databases[0].Providers, "other")
	})
	forged := sign(t, "ec2", jose.ES256, map[string]any{"kid": "ec"}, w.issuer.claims("alice"))
	require.Equal(t, 401, w.out(bearer(forged)).Status, "a key of another provider")
	p := w.in(bearer(sign(t, "ec2", jose.ES256, map[string]any{"kid": "ec2"}, other.claims("alice"))))
	require.Equal(t, "other", p.Provider)
	require.Equal(t, "other.example.com_alice", p.Name)
}

// A key that was stolen and withdrawn ends with the next refresh, without anybody asking,
// for tokens not seen before; those known by their digest end within five minutes
// (DECISIONS 6). RFC 8725 section 2.8, OpenID Connect Core section 10.1.1.
func TestAttack_RevokedKeyAfterRotation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header string
		after  time.Duration
	}{
		{"max-age=600", 10 * time.Minute},
		{"max-age=1", minRefresh},
		{"no-store", minRefresh},
		{"max-age=9999999", maxRefresh},
		{"", defaultRefresh},
	} {
		t.Run(c.header, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.issuer.maxAge = c.header
				w.in(w.signedBy("ec", "ec", "alice"))
				w.issuer.publish("ec2") // "ec" was stolen
				time.Sleep(c.after - time.Second)
				synctest.Wait()
				require.EqualValues(t, 1, w.issuer.fetches.Load())
				time.Sleep(2 * time.Second)
				synctest.Wait()
				require.EqualValues(t, 2, w.issuer.fetches.Load(), "without any request")
				require.Equal(t, 401, w.out(w.signedBy("ec", "ec", "bob")).Status)
			})
		})
	}
}

// A flood of random key IDs, at once and for a long time, becomes one fetch in 30 s at the
// provider, and those with known keys do not notice. RFC 8725 section 3.10, CWE-406.
func TestAttack_FloodOfUnknownKeyIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.in(bearer(w.issuer.token("alice")))
		began := w.issuer.fetches.Load()
		const minutes = 2
		for n := range minutes * 60 {
			var flood sync.WaitGroup
			for k := range 10 {
				tok := w.signedBy("ec2", fmt.Sprint("random", n, "-", k), "mallory")
				flood.Go(func() {
					if _, err := w.service.Authenticate(get(tok), w.site, notes); err == nil {
						t.Error("signed in")
					}
				})
			}
			flood.Wait()
			w.in(bearer(w.issuer.token(fmt.Sprint("u", n))))
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, w.issuer.fetches.Load()-began, int64(minutes*60*time.Second/kidInterval)+1)
		require.LessOrEqual(t, w.issuer.discoveries.Load(), int64(2))
		require.False(t, w.records.holds("mallory"))
	})
}

// The same without a key ID, where every key is tried. What says of itself that it is new may be signed with a new key.
func TestAttack_FloodWithoutKeyIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.in(bearer(w.issuer.token("alice")))
		for n := range 120 {
			forged := func(issued time.Time) int {
				claims := w.issuer.claims(fmt.Sprint("u", n), map[string]any{"iat": issued.Unix()})
				return w.out(bearer(sign(t, "ec2", jose.ES256, nil, claims))).Status
			}
			require.Equal(t, http.StatusUnauthorized, forged(time.Now().Add(-2*time.Minute)))
			require.Equal(t, http.StatusServiceUnavailable, forged(time.Now()), "until the next fetch, for which the first was in time")
			w.in(bearer(w.issuer.token(fmt.Sprint("good", n))))
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, w.issuer.fetches.Load(), int64(1+120*time.Second/kidInterval))
	})
}

// A key set so large that each token without a key ID costs thousands of verifications.
func TestAttack_KeySetOfManyKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer.mu.Lock()
	for n := range 5000 {
		w.issuer.published = append(w.issuer.published, jose.JSONWebKey{Key: testKeys()["ec2"].Public(), KeyID: fmt.Sprint(n)})
	}
	w.issuer.mu.Unlock()
	e := w.out(bearer(w.issuer.token("alice")))
	require.Equal(t, http.StatusServiceUnavailable, e.Status)
	require.Contains(t, e.Detail, "5003 keys, more than 100")
}
