package standin

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"time"
)

// object is a JSON object.
type object map[string]any

// Without is no value: it leaves a claim out.
const Without = "\x00without"

func (o object) with(more object) object {
	all := maps.Clone(o)
	maps.Copy(all, more)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == Without })

	return all
}

// Provider is an identity provider's stand-in.
type Provider struct {
	Issuer string

	kid    string
	typed  bool          // headers have typ
	claims func() object // of a good token, now
	flow   flow
}

// Claims are a good token's, changed.
func (p *Provider) Claims(changes map[string]any) map[string]any {
	return p.claims().with(changes)
}

// Token is a good ID token with some claims changed.
func (p *Provider) Token(changes map[string]any) string {
	return p.sign(keys()[0], p.Claims(changes))
}

// LogoutToken says that the session of Token is over (OpenID Connect Back-Channel Logout
// section 2.4), with some claims changed.
func (p *Provider) LogoutToken(changes map[string]any) string {
	claims := object{"events": object{"http://schemas.openid.net/event/backchannel-logout": object{}}, "typ": "Logout"}
	good := p.Claims(nil)

	for _, name := range []string{"iss", "aud", "sub", "sid", "iat", "exp", "jti"} {
		claims[name] = good[name]
	}

	return p.sign(keys()[0], claims.with(changes))
}

// Forged is a good ID token that somebody else signed, under the provider's key ID.
func (p *Provider) Forged() string { return p.sign(keys()[2], p.Claims(nil)) }

func (p *Provider) sign(k *key, claims object) string {
	header := object{"alg": "RS256", "kid": p.kid}
	if p.typed {
		header["typ"] = "JWT"
	}

	signed := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(signed))

	signature, err := rsa.SignPKCS1v15(rand.Reader, k.private, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // of our own key: cannot fail
	}

	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func part(o object) string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // of strings and numbers: cannot fail
	}

	return base64.RawURLEncoding.EncodeToString(text)
}

// lasting are the times of a token that was made now.
func lasting(lifetime time.Duration) object {
	now := time.Now()

	return object{"iat": now.Unix(), "exp": now.Add(lifetime).Unix()}
}

// document answers with JSON that may be kept for a while, as the real ones say.
func document(o object) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_ = json.NewEncoder(w).Encode(o)
	}
}
