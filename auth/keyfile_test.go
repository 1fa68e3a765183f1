package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func certificateOf(tb testing.TB, key string) []byte {
	tb.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "backend"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0), // the dates say nothing about tokens
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, testKeys()[key].Public(), testKeys()[key])
	require.NoError(tb, err)
	return der
}

func rsaPKCS1(tb testing.TB) []byte {
	tb.Helper()
	public, ok := testKeys()["rsa"].Public().(*rsa.PublicKey)
	require.True(tb, ok)
	return x509.MarshalPKCS1PublicKey(public)
}

func TestKeyFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	smallDER, err := x509.MarshalPKIXPublicKey(small.Public())
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	p224DER, err := x509.MarshalPKIXPublicKey(p224.Public())
	require.NoError(t, err)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	good := string(publicPEM(t, "ec"))
	key := string(jwk(t, "ec", "ec"))
	for _, c := range []struct{ name, content, says string }{
		{"empty", "", "is empty"},
		{"blank", " \n\t", "is empty"},
		{"text", "secret", "neither a JWK set, nor a JWK, nor PEM"},
		{"array", "[" + key + "]", "neither a JWK set, nor a JWK, nor PEM"},
		{"half an object", key[:20], "not well-formed JSON"},
		{"text after it", key + "x", "not well-formed JSON"},
		{"duplicate member", `{"kty":"EC",` + key[1:], "duplicate members"},
		{"object of nothing", `{}`, "key 1: malformed"},
		{"no keys", `{"keys":[]}`, "there is no key"},
		{"keys is null", `{"keys":null}`, "not an array"},
		{"keys is an object", `{"keys":{}}`, "not an array"},
		{"keys in capitals", `{"KEYS":[` + key + `]}`, "key 1: malformed"},
		{"too many", `{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`, "more than"},
		{"unknown type", `{"kty":"XX"}`, "key 1: malformed or of an unknown type"},
		{"X25519", `{"kty":"OKP","crv":"X25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, "key 1: malformed or of an unknown type"},
		{"PEM private key", block("EC PRIVATE KEY", []byte{1}), "key 1: private key"},
		{"PEM private key after a public one", good + block("RSA PRIVATE KEY", []byte{1}), "key 2: private key"},
		{"encrypted private key", block("ENCRYPTED PRIVATE KEY", []byte{1}), "key 1: private key"},
		{"certificate request", block("CERTIFICATE REQUEST", []byte{1}), "neither PUBLIC KEY nor CERTIFICATE"},
		{"broken public key", block("PUBLIC KEY", []byte{1}), "malformed PUBLIC KEY"},
		{"broken certificate", block("CERTIFICATE", []byte{1}), "malformed CERTIFICATE"},
		{"PEM cut off", good[:len(good)-10], "damaged PEM block"},
		{"PEM with a bad line", strings.Replace(good, "\n", "\n!", 1), "damaged PEM block"},
		{"short RSA key", block("PUBLIC KEY", smallDER), "RSA key of 1024 bits"},
		{"curve that no algorithm has", block("PUBLIC KEY", p224DER), "key 1: not a public key of a known type"},
		{"two PEM keys", good + string(publicPEM(t, "ec2")), "key 1 has no kid"},
		{"a chain of certificates", strings.Repeat(block("CERTIFICATE", certificateOf(t, "ec")), 2), "key 1 has no kid"},
		{"too many PEM keys", strings.Repeat(good, maxKeys+1), "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			keys, err := parseKeyFile([]byte(c.content))
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "secret")
			require.Empty(t, keys)
		})
	}
}

// FuzzKeyFile: whatever a file holds, only good public keys come out, and an error
// quotes nothing of it.
func FuzzKeyFile(f *testing.F) {
	f.Add(keySetText(f, jwk(f, "rsa", "rsa"), jwk(f, "ec", "ec"), jwk(f, "ed", "ed")))
	f.Add([]byte(jwk(f, "ec", "", map[string]any{"use": "enc"})))
	f.Add([]byte(`{"kty":"oct","k":"c2VjcmV0","kid":"a"}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}]}`))
	f.Add(publicPEM(f, "ec"))
	f.Add(append(publicPEM(f, "rsa"), publicPEM(f, "ed")...))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificateOf(f, "ec")}))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: rsaPKCS1(f)}))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeyFile(text)
		if err != nil {
			require.Empty(t, keys)
			if secret := bytes.TrimSpace(text); len(secret) > 24 {
				require.NotContains(t, err.Error(), string(secret[:24]))
			}
			return
		}
		require.NotEmpty(t, keys)
		require.LessOrEqual(t, len(keys), maxKeys)
		seen := map[string]bool{}
		for _, key := range keys {
			require.True(t, key.IsPublic())
			require.Contains(t, []string{"", "sig"}, key.Use)
			require.False(t, seen[key.KeyID])
			seen[key.KeyID] = true
			switch k := key.Key.(type) {
			case *rsa.PublicKey:
				require.GreaterOrEqual(t, k.N.BitLen(), minRSABits)
			case *ecdsa.PublicKey, ed25519.PublicKey:
			default:
				require.Fail(t, fmt.Sprintf("%T", k))
			}
		}
	})
}
