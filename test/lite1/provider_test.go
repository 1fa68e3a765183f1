package lite1

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// provider is an identity provider with the code flow, at whose page everybody agrees.
type provider struct {
	t      testing.TB
	url    string
	signer jose.Signer
	keys   jose.JSONWebKeySet

	mu      sync.Mutex
	codes   map[string]url.Values
	refresh map[string]string
	n       int
}

func newProvider(tb testing.TB) *provider {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	p := &provider{t: tb, codes: map[string]url.Values{}, refresh: map[string]string{}}
	p.keys = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}}
	p.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	require.NoError(tb, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, map[string]any{
			"issuer": p.url, "authorization_endpoint": p.url + "/authorize", "token_endpoint": p.url + "/token",
			"jwks_uri": p.url + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"},
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, p.keys) })
	mux.HandleFunc("POST /token", p.token)
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// check tells the test of a failure; the handler goes on.
func (p *provider) check(err error) {
	if err != nil {
		p.t.Error(err)
	}
}

func answerJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// login is a user who agrees: it returns where the provider sends the web view.
func (p *provider) login(user string) func(address string) (string, error) {
	return func(address string) (string, error) {
		u, err := url.Parse(address)
		if err != nil {
			return "", err
		}
		q := u.Query()
		back, err := url.Parse(q.Get("redirect_uri"))
		if err != nil {
			return "", err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.n++
		code := fmt.Sprintf("code-%d", p.n)
		answer := back.Query()
		answer.Set("code", code)
		answer.Set("state", q.Get("state"))
		back.RawQuery = answer.Encode()
		q.Set("user", user)
		p.codes[code] = q
		return back.String(), nil
	}
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	defer p.mu.Unlock()
	var user, nonce string
	if r.PostForm.Get("grant_type") == "refresh_token" {
		user = p.refresh[r.PostForm.Get("refresh_token")]
		delete(p.refresh, r.PostForm.Get("refresh_token"))
	} else if begun := p.codes[r.PostForm.Get("code")]; begun != nil {
		user, nonce = begun.Get("user"), begun.Get("nonce")
		delete(p.codes, r.PostForm.Get("code"))
	}
	if user == "" {
		w.WriteHeader(http.StatusBadRequest)
		answerJSON(w, map[string]string{"error": "invalid_grant"})
		return
	}
	p.n++
	refresh := fmt.Sprintf("refresh-%d", p.n)
	p.refresh[refresh] = user
	now := time.Now().Unix()
	claims := map[string]any{"iss": p.url, "aud": "app", "sub": user, "iat": now, "exp": now + 600, "jti": refresh}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	text, err := json.Marshal(claims)
	p.check(err)
	signed, err := p.signer.Sign(text)
	p.check(err)
	compact, err := signed.CompactSerialize()
	p.check(err)
	answerJSON(w, map[string]any{"id_token": compact, "access_token": "a", "token_type": "Bearer", "refresh_token": refresh, "expires_in": 600})
}
