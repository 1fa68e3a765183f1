package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/auth/filewatch"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
)

// writeP8 writes a key as Apple hands them out.
func writeP8(tb testing.TB, file string, key any) {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(tb, err)
	require.NoError(tb, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
}

func newP256(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	return key
}

func readSecretOf(tb testing.TB, text string, key *ecdsa.PrivateKey) jwt.Claims {
	tb.Helper()
	parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(tb, err)
	require.Equal(tb, "KEY1234567", parsed.Headers[0].KeyID)
	var c jwt.Claims
	require.NoError(tb, parsed.Claims(&key.PublicKey, &c))
	return c
}

func TestDecision21_ClientSecretIsSigned(t *testing.T) {
	t.Parallel()
	key := newP256(t)
	file := filepath.Join(t.TempDir(), "AuthKey.p8")
	writeP8(t, file, key)
	f := newFlow(t, func(c *Config) {
		c.Providers[0].ClientSecret = ""
		c.Providers[0].ClientSecretKey = ClientSecretKey{File: file, KeyID: "KEY1234567", Team: "TEAM123456"}
	})
	f.idp.discovery("token_endpoint_auth_methods_supported", []string{"client_secret_post"})
	f.signIn(f.browser(), "", "alice")
	require.Len(t, f.idp.asked, 1)
	got := readSecretOf(t, f.idp.asked[0].PostForm.Get("client_secret"), key)
	require.Equal(t, "TEAM123456", got.Issuer)
	require.Equal(t, "app", got.Subject)
	require.Equal(t, jwt.Audience{f.issuer.url}, got.Audience)
	require.WithinDuration(t, time.Now().Add(clientSecretLife), got.Expiry.Time(), time.Minute)
}

func TestDecision17_SecretKeyFileIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second := newP256(t), newP256(t)
		file := filepath.Join(t.TempDir(), "key.p8")
		writeP8(t, file, first)
		s, err := newSecretSigner(ClientSecretKey{File: file, KeyID: "KEY1234567", Team: "T"})
		require.NoError(t, err)
		logger, logs := observed()
		secret := func() string {
			text, err := s.secret("app", "https://appleid.apple.com", logger)
			require.NoError(t, err)
			return text
		}
		readSecretOf(t, secret(), first)
		writeP8(t, file, second)
		readSecretOf(t, secret(), first) // looked at every 5 s only
		time.Sleep(filewatch.Interval)
		readSecretOf(t, secret(), second)
		require.NoError(t, os.WriteFile(file, []byte("planted"), 0o600))
		time.Sleep(filewatch.Interval)
		readSecretOf(t, secret(), second)
		require.Contains(t, logs(), "what was read before stays")
		require.NotContains(t, logs(), "planted")
		require.NoError(t, os.Remove(file))
		time.Sleep(filewatch.Interval)
		readSecretOf(t, secret(), second)
		writeP8(t, file, first)
		time.Sleep(filewatch.Interval)
		readSecretOf(t, secret(), first)
	})
}

func TestSecretKeysThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	writeP8(t, filepath.Join(dir, "ed"), ed)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	writeP8(t, filepath.Join(dir, "p384"), p384)
	for file, want := range map[string]string{
		write("text", "planted"): "no PEM block",
		write("empty", ""):       "empty",
		write("junk", "-----BEGIN PRIVATE KEY-----\ncGxhbnRlZA==\n-----END PRIVATE KEY-----\n"):     "not a PKCS #8 key",
		write("ec", "-----BEGIN EC PRIVATE KEY-----\ncGxhbnRlZA==\n-----END EC PRIVATE KEY-----\n"): "no PEM block PRIVATE KEY",
		write("large", strings.Repeat("x", filewatch.Limit+1)):                                      "is over",
		filepath.Join(dir, "ed"):   "not an ECDSA key on P-256",
		filepath.Join(dir, "p384"): "not an ECDSA key on P-256",
		filepath.Join(dir, "none"): "no such file",
		dir:                        "is a directory",
	} {
		_, err := newSecretSigner(ClientSecretKey{File: file, KeyID: "k", Team: "t"})
		require.Error(t, err, file)
		if want != "empty" {
			require.ErrorContains(t, err, want)
		}
		require.NotContains(t, err.Error(), "planted")
	}
}
