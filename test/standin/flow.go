package standin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"sync"
)

// flow is the provider's side of the authorization code flow (RFC 6749 section 4.1, with
// PKCE, RFC 7636).
type flow struct {
	client       string
	responseMode string
	issParameter bool // the answer has iss (RFC 9207)
	basic        bool // the secret comes by Basic, not in the form
	secret       func(client, secret string) error

	mu    sync.Mutex
	codes map[string]url.Values // what was asked for with the code
}

// Authorize is a browser at the authorization endpoint, whose user agrees: it returns the
// parameters that go back to the redirect URI.
func (p *Provider) Authorize(asked url.Values) (url.Values, error) {
	for name, want := range map[string]string{
		"response_type": "code", "client_id": p.flow.client, "response_mode": p.flow.responseMode, "code_challenge_method": "S256",
	} {
		if got := asked.Get(name); got != want {
			return nil, fmt.Errorf("%s is %q, not %q", name, got, want)
		}
	}

	for _, name := range []string{"state", "nonce", "code_challenge", "redirect_uri", "scope"} {
		if asked.Get(name) == "" {
			return nil, fmt.Errorf("%s is missing", name)
		}
	}

	code := rand.Text()

	p.flow.mu.Lock()
	p.flow.codes[code] = asked
	p.flow.mu.Unlock()

	answer := url.Values{"code": {code}, "state": {asked.Get("state")}}
	if p.flow.issParameter {
		answer.Set("iss", p.Issuer)
	}

	return answer, nil
}

// token is the token endpoint.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	asked, err := p.redeem(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		document(object{"error": "invalid_grant", "error_description": err.Error()})(w, r)

		return
	}

	claims := p.Claims(map[string]any{"aud": p.flow.client, "nonce": asked.Get("nonce")})
	if _, there := claims["azp"]; there {
		claims["azp"] = p.flow.client
	}

	access := rand.Text()
	if _, there := claims["at_hash"]; there {
		sum := sha256.Sum256([]byte(access))
		claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:16]) // OpenID Connect Core section 3.1.3.6
	}

	w.Header().Set("Cache-Control", "no-store")
	document(object{
		"access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": rand.Text(), "id_token": p.sign(keys()[0], claims),
	})(w, r)
}

// redeem checks a request for tokens; a code counts once.
func (p *Provider) redeem(r *http.Request) (url.Values, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("reading the form: %w", err)
	}

	client, err := p.authenticate(r)
	if err != nil {
		return nil, err
	}

	code := r.PostForm.Get("code")

	p.flow.mu.Lock()
	asked := p.flow.codes[code]
	delete(p.flow.codes, code)
	p.flow.mu.Unlock()

	verifier := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))

	switch {
	case r.PostForm.Get("grant_type") != "authorization_code" || asked == nil:
		return nil, fmt.Errorf("no such code: %w", http.ErrNotSupported)
	case client != p.flow.client:
		return nil, fmt.Errorf("the client is %q", client)
	case asked.Get("redirect_uri") != r.PostForm.Get("redirect_uri"):
		return nil, fmt.Errorf("redirect_uri was %q", asked.Get("redirect_uri"))
	case asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(verifier[:]):
		return nil, fmt.Errorf("the verifier is another login's")
	}

	return asked, nil
}

// authenticate is who asks, if the secret is right. By Basic, both are written as in a form
// (RFC 6749 section 2.3.1).
func (p *Provider) authenticate(r *http.Request) (client string, err error) {
	client, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")

	if p.flow.basic {
		user, password, _ := r.BasicAuth()
		if client, err = url.QueryUnescape(user); err != nil {
			return "", fmt.Errorf("reading the client: %w", err)
		}

		if secret, err = url.QueryUnescape(password); err != nil {
			return "", fmt.Errorf("reading the secret: %w", err)
		}
	}

	return client, p.flow.secret(client, secret)
}

// sharedSecret is a client secret that both sides have.
func sharedSecret(client, secret string) func(string, string) error {
	return func(gotClient, gotSecret string) error {
		if gotClient != client || gotSecret != secret {
			return fmt.Errorf("client %q has another secret", gotClient)
		}

		return nil
	}
}
