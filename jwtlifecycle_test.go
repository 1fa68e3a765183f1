package caddysync

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// backendKey is a key pair of a backend that issues JWTs.
type backendKey struct {
	kid     string
	private ed25519.PrivateKey
}

func newBackendKey(t *testing.T, kid string) backendKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return backendKey{kid, private}
}

// jwk is the public key as the backend writes it into its file.
func (k backendKey) jwk(t *testing.T) []byte {
	t.Helper()
	public, ok := k.private.Public().(ed25519.PublicKey)
	require.True(t, ok)
	text, err := json.Marshal(map[string]string{
		"kty": "OKP", "crv": "Ed25519", "kid": k.kid, "x": base64.RawURLEncoding.EncodeToString(public),
	})
	require.NoError(t, err)
	return text
}

// token is what the backend gives to somebody who passed both factors.
func (k backendKey) token(t *testing.T, sub string) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now().Unix()
	signed := part(map[string]string{"alg": "EdDSA", "kid": k.kid}) + "." + part(map[string]any{
		"iss": "my-backend", "aud": "sync", "sub": sub, "iat": now, "exp": now + 600,
	})
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.private, []byte(signed)))
}

// A backend's tokens sign in through Caddy. When the backend replaces its key, tokens of
// the new one come in at once, those of the old one no longer, and feeds that are open
// with them end: without a reload (DECISIONS 17).
func TestDecision17_BackendReplacesItsKey(t *testing.T) {
	s := newTestSite(t)
	old, next := newBackendKey(t, "old"), newBackendKey(t, "new")
	file := filepath.Join(t.TempDir(), "keys.json")
	require.NoError(t, os.WriteFile(file, old.jwk(t), 0o600))
	config := s.config("store memory backendkeys", `jwt backend {
			issuer my-backend
			audience sync
			algorithms EdDSA
			jwks_file `+file+`
			register
		}
		database private {
			jwt backend
			access shared
		}`, "")
	config = []byte(strings.Replace(string(config), `"databases":["notes"]`, `"databases":["notes","private"]`, 1))
	require.NoError(t, s.load(config))

	ask := func(method, path, token, body string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.addr+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		answer, err := s.client.Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { _ = answer.Body.Close() })
		return answer
	}
	require.Equal(t, http.StatusCreated, ask(http.MethodPut, "/private/a", old.token(t, "bilbo"), `{"n":1}`).StatusCode)
	session, err := io.ReadAll(ask(http.MethodGet, "/private/_session", old.token(t, "bilbo"), "").Body)
	require.NoError(t, err)
	require.Contains(t, string(session), `"backend_bilbo"`)
	feed := ask(http.MethodGet, "/private/_changes?feed=continuous&since=now&heartbeat=1000", old.token(t, "bilbo"), "")
	require.Equal(t, http.StatusOK, feed.StatusCode)

	require.NoError(t, os.WriteFile(file, next.jwk(t), 0o600))
	require.Eventually(t, func() bool {
		answer := ask(http.MethodGet, "/private/a", next.token(t, "bilbo"), "")
		require.NotEqual(t, http.StatusUnauthorized, answer.StatusCode, "Couchbase Lite stops for good on that")
		return answer.StatusCode == http.StatusOK
	}, 5*time.Second, 100*time.Millisecond)
	require.Contains(t, []int{http.StatusUnauthorized, http.StatusServiceUnavailable},
		ask(http.MethodGet, "/private/a", old.token(t, "bilbo"), "").StatusCode)
	ended := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, feed.Body); ended <- err }()
	select {
	case err := <-ended:
		require.NoError(t, err, "REST feeds end with a complete body (DECISIONS 38)")
	case <-time.After(5 * time.Second):
		require.Fail(t, "the feed goes on")
	}
}
