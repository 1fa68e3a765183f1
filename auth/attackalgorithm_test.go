package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"hash"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// A token that says it needs no signature. Tim McLean, "Critical vulnerabilities in JSON
// Web Token libraries" (2015); RFC 8725 sections 2.1 and 3.2; CVE-2022-23540 (none by
// default); CVE-2020-28042 (an empty signature).
func TestAttack_AlgorithmNone(t *testing.T) {
	t.Parallel()
	refuseAll(t, unsignedTokens())
}

func unsignedTokens() []broken {
	const refused, malformed = "signature algorithm not accepted", "malformed token"
	list := []broken{
		{"no alg", "RFC 7515 4.1.1: must be there", withHeaderText(`{"kid":"ec"}`), refused},
		{"alg null", "type confusion", withHeaderText(`{"alg":null,"kid":"ec"}`), refused},
		{"alg in capitals", "names are exact", withHeaderText(`{"ALG":"ES256","kid":"ec"}`), refused},
		{"alg is an array", "type confusion", withHeaderText(`{"alg":["none","ES256"],"kid":"ec"}`), malformed},
		{"alg none beside ES256", "RFC 7515 4: the last or neither", withHeaderText(`{"alg":"ES256","alg":"none","kid":"ec"}`), malformed},
		{"no header at all", "RFC 7515 7.1", func(i *issuer) string {
			_, payload := splitToken(i.token("alice"))
			return "." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "."
		}, malformed},
	}
	spellings := []string{"none", "None", "NONE", "nOnE", "none ", " none", `none\u0000`, `n\u006fne`, "", "null", "ｎone", "0"}
	for _, alg := range spellings {
		header := `{"alg":"` + alg + `","kid":"ec"}`
		list = append(list,
			broken{"with a good signature: " + alg, "RFC 8725 3.2", withHeaderText(header), refused},
			broken{"with any signature: " + alg, "RFC 8725 3.2", func(i *issuer) string {
				_, payload := splitToken(i.token("alice"))
				return forge(header, payload, []byte("x"))
			}, refused},
			broken{"without signature: " + alg, "RFC 8725 3.2", func(i *issuer) string {
				_, payload := splitToken(i.token("alice"))
				return forge(header, payload, nil)
			}, refused},
		)
	}
	return list
}

// An HMAC whose secret is what the provider published. RFC 8725 sections 2.1 and 3.1;
// CVE-2015-9235 and CVE-2016-10555 (RSA), CVE-2022-29217 (other spellings of the key).
func TestAttack_HMACWithThePublishedKey(t *testing.T) {
	t.Parallel()
	refuseAll(t, macTokens())
}

func macTokens() []broken {
	var list []broken
	for alg, sum := range map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New} {
		for _, kid := range []string{"rsa", "ec", "ed"} {
			for form, secret := range publishedForms(kid) {
				list = append(list, broken{
					alg + " with " + kid + " as " + form, "RFC 8725 2.1",
					func(i *issuer) string {
						_, payload := splitToken(i.token("alice"))
						e := base64.RawURLEncoding.EncodeToString
						input := e([]byte(`{"alg":"`+alg+`","kid":"`+kid+`"}`)) + "." + e([]byte(payload))
						mac := hmac.New(sum, secret)
						mac.Write([]byte(input))
						return input + "." + e(mac.Sum(nil))
					}, "signature algorithm not accepted",
				})
			}
		}
	}
	return list
}

// publishedForms are the bytes that a library might take for a key's secret.
func publishedForms(name string) map[string][]byte {
	public := testKeys()[name].Public()
	der, _ := x509.MarshalPKIXPublicKey(public)
	jwk, _ := json.Marshal(jose.JSONWebKey{Key: public, KeyID: name})
	return map[string][]byte{
		"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "JWK": jwk, "nothing": {},
	}
}

// An algorithm that the key is not of, or that the provider does not use. RFC 8725 section
// 3.1: a key is used with exactly one algorithm.
func TestAttack_AlgorithmOfAnotherKey(t *testing.T) {
	t.Parallel()
	refuseAll(t, crossedAlgorithms())
}

func crossedAlgorithms() []broken {
	const bad, refused = "bad signature", "signature algorithm not accepted"
	return []broken{
		{"ES256 by the kid of an RSA key", "RFC 8725 3.1", withHeaderText(`{"alg":"ES256","kid":"rsa"}`), bad},
		{"RS256 by the kid of an EC key", "RFC 8725 3.1", withHeader("rsa", jose.RS256, map[string]any{"kid": "ec"}), bad},
		{"EdDSA by the kid of an EC key", "RFC 8725 3.1", withHeader("ed", jose.EdDSA, map[string]any{"kid": "ec"}), bad},
		{"RS256 that is an EC signature", "RFC 8725 3.1", withHeaderText(`{"alg":"RS256","kid":"ec"}`), bad},
		{"RS256 that is an EC signature, without kid", "all keys are tried", withHeaderText(`{"alg":"RS256"}`), bad},
		{"PS256 that is PKCS #1 v1.5", "RFC 7518 3.5", func(i *issuer) string {
			_, payload := splitToken(i.token("alice"))
			return signText(i.t, "rsa", `{"alg":"PS256","kid":"rsa"}`, payload)
		}, bad},
		{"ES384 by a P-256 key", "RFC 7518 3.4", withHeaderText(`{"alg":"ES384","kid":"ec"}`), bad},
		{"ES512 by a P-256 key", "RFC 7518 3.4", withHeaderText(`{"alg":"ES512","kid":"ec"}`), bad},
		{"PS384, which discovery does not offer", "RFC 8725 3.1", withHeader("rsa", jose.PS384, map[string]any{"kid": "rsa"}), refused},
		{"ES256K, a curve of no provider", "RFC 8812", withHeaderText(`{"alg":"ES256K","kid":"ec"}`), refused},
		{"es256", "names are exact", withHeaderText(`{"alg":"es256","kid":"ec"}`), refused},
		{"RSA-OAEP, which encrypts", "RFC 7518 4.1", withHeaderText(`{"alg":"RSA-OAEP","kid":"rsa"}`), refused},
		{"dir", "RFC 7518 4.1", withHeaderText(`{"alg":"dir","kid":"ec"}`), refused},
	}
}

// HMAC and none are no options either: there is no setting that lets them in.
func TestAttack_ForgeableAlgorithmsCannotBeConfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, alg := range []string{"none", "None", "", "HS256", "HS384", "HS512", "RSA-OAEP", "A256GCM"} {
		_, err := New(w.config(func(c *Config) { c.Providers[0].Algorithms = []string{"ES256", alg} }))
		require.ErrorContains(t, err, "use some of RS256", alg)
	}
}
