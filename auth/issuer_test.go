package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// testKeys are made once: RSA keys take time.
var testKeys = sync.OnceValue(func() map[string]crypto.Signer {
	r1, _ := rsa.GenerateKey(rand.Reader, 2048)
	r2, _ := rsa.GenerateKey(rand.Reader, 2048)
	e1, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	e2, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, d1, _ := ed25519.GenerateKey(rand.Reader)
	return map[string]crypto.Signer{"rsa": r1, "rsa2": r2, "ec": e1, "ec2": e2, "ed": d1}
})

// issuer is an identity provider whose every answer a test can bend. It answers
// without a network through RoundTrip, or as an http.Handler.
type issuer struct {
	t      testing.TB
	url    string
	client *http.Client

	mu        sync.Mutex
	published []jose.JSONWebKey
	handler   http.HandlerFunc // answers instead, if set
	maxAge    string           // Cache-Control of the key set
	more      map[string]any   // more members of the discovery document
	tokens    http.HandlerFunc // the token endpoint, if any

	discoveries atomic.Int64
	fetches     atomic.Int64 // of the key set
	strays      atomic.Int64 // requests for another host
}

// newIssuer publishes the keys "rsa", "ec" and "ed" under these IDs.
func newIssuer(tb testing.TB) *issuer {
	tb.Helper()
	i := &issuer{t: tb, url: "https://idp.example.com"}
	i.client = &http.Client{Transport: i}
	i.publish("rsa", "ec", "ed")
	return i
}

func (i *issuer) publish(names ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.published = nil
	for _, n := range names {
		i.published = append(i.published, jose.JSONWebKey{Key: testKeys()[n].Public(), KeyID: n, Use: "sig"})
	}
}

func (i *issuer) answer(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handler = h
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	h, keys, maxAge, more, token := i.handler, i.published, i.maxAge, i.more, i.tokens
	i.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		i.discoveries.Add(1)
	case "/keys":
		i.fetches.Add(1)
	}
	if h != nil {
		h(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		document := map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys", "id_token_signing_alg_values_supported": []string{"RS256", "ES256", "EdDSA", "PS256", "HS256", "none"}}
		maps.Copy(document, more)
		writeJSON(w, document)
	case "/keys":
		if maxAge != "" {
			w.Header().Set("Cache-Control", maxAge)
		}
		writeJSON(w, jose.JSONWebKeySet{Keys: keys})
	case "/token":
		if token != nil {
			token(w, r)
			return
		}
		http.NotFound(w, r)
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// RoundTrip lets the issuer be an http.Client's transport.
func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(i.url, r.URL.Scheme+"://"+r.URL.Host) {
		i.strays.Add(1)
	}
	w := httptest.NewRecorder()
	i.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// down makes every request fail without an answer's worth.
func (i *issuer) down() {
	i.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) })
}

func (i *issuer) up() { i.answer(nil) }

// provider is a configuration for the issuer.
func (i *issuer) provider() Provider {
	return Provider{
		Name: "idp", Issuer: i.url, ClientIDs: []string{"app"}, Register: true,
		HTTPClient: i.client,
	}
}

// claims are those of a good token of sub.
func (i *issuer) claims(sub string, more ...map[string]any) map[string]any {
	now := time.Now().Unix()
	c := map[string]any{"iss": i.url, "aud": "app", "sub": sub, "iat": now, "exp": now + 3600}
	for _, m := range more {
		maps.Copy(c, m)
	}
	for k, v := range c {
		if v == absent {
			delete(c, k)
		}
	}
	return c
}

// absent removes a claim.
const absent = "\x00absent"

// token is a good token of sub, with claims changed.
func (i *issuer) token(sub string, more ...map[string]any) string {
	return sign(i.t, "ec", jose.ES256, map[string]any{"kid": "ec", "typ": "JWT"}, i.claims(sub, more...))
}

// sign makes a token; the header's kid is as given.
func sign(tb testing.TB, key string, alg jose.SignatureAlgorithm, header map[string]any, payload any) string {
	tb.Helper()
	o := &jose.SignerOptions{}
	for k, v := range header {
		o.WithHeader(jose.HeaderKey(k), v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: testKeys()[key]}, o)
	require.NoError(tb, err)
	text, isText := payload.(string)
	if !isText {
		b, err := json.Marshal(payload)
		require.NoError(tb, err)
		text = string(b)
	}
	jws, err := signer.Sign([]byte(text))
	require.NoError(tb, err)
	compact, err := jws.CompactSerialize()
	require.NoError(tb, err)
	return compact
}

// forge joins raw parts to a token.
func forge(header, payload string, signature []byte) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(header)) + "." + e([]byte(payload)) + "." + e(signature)
}
