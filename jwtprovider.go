package caddysync

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/auth"
)

// JWTProvider issues tokens without OpenID Connect: an app's own backend, for instance,
// that checks a second factor. Its tokens are JWTs signed with a private key, and sign
// clients in as those of an OpenID Connect provider do. The public keys come from
// exactly one of `jwks_file`, `keys` and `jwks_url`.
type JWTProvider struct {
	// What tokens have in `iss`, exactly: a URL or any other text. Required.
	Issuer string `json:"issuer,omitempty"`

	// The audiences that are accepted, of which tokens have one in `aud`. Required.
	Audience []string `json:"audience,omitempty"`

	// The signature algorithms that are accepted, of RS256, RS384, RS512, ES256, ES384,
	// ES512, PS256, PS384, PS512 and EdDSA. Required.
	Algorithms []string `json:"algorithms,omitempty"`

	// A file of public keys: a JWK set, one JWK, or PEM (a public key or a certificate).
	// It is read again within 5 s of a change; a bad one leaves the keys as they were.
	JWKSFile string `json:"jwks_file,omitempty"`

	// Public keys as JWKs. Several need a `kid` each.
	Keys []json.RawMessage `json:"keys,omitempty"`

	// Where a JWK set is fetched from. https, or http for a loopback host.
	JWKSURL string `json:"jwks_url,omitempty"`

	// A file of PEM certificates that sign the one at `jwks_url`, instead of the
	// system's.
	CAFile string `json:"ca_file,omitempty"`

	TokenRules
}

// config is the provider as auth takes it, with placeholders expanded.
func (p *JWTProvider) config(name string, repl *caddy.Replacer) (auth.Provider, error) {
	out := auth.Provider{Kind: auth.KindJWT, Name: name, Algorithms: p.Algorithms, Keys: p.Keys}
	if err := p.TokenRules.check(); err != nil {
		return auth.Provider{}, fmt.Errorf("jwt %s: %w", name, err)
	}
	p.setRules(&out)
	for _, field := range []struct {
		option, text string
		to           *string
	}{
		{"issuer", p.Issuer, &out.Issuer},
		{"jwks_file", p.JWKSFile, &out.JWKSFile},
		{"jwks_url", p.JWKSURL, &out.JWKSURL},
		{"ca_file", p.CAFile, &out.CAFile},
	} {
		value, err := repl.ReplaceOrErr(field.text, true, true)
		if err != nil {
			return auth.Provider{}, fmt.Errorf("jwt %s: %s: %w", name, field.option, err)
		}
		*field.to = value
	}
	for _, audience := range p.Audience {
		value, err := repl.ReplaceOrErr(audience, true, true)
		if err != nil {
			return auth.Provider{}, fmt.Errorf("jwt %s: audience: %w", name, err)
		}
		out.ClientIDs = append(out.ClientIDs, value)
	}
	return out, nil
}
