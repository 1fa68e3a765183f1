package caddysync

import (
	"encoding/json"
	"fmt"
	"time"

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

// TokenRules say which of a provider's good tokens are accepted, and what is taken from
// them.
type TokenRules struct {
	// The claim, or path to it (`app.name`), that names a user at the first sign-in.
	// Default: `sub`.
	UsernameClaim string `json:"username_claim,omitempty"`

	// What stands before user names, with a `_`. Default: host and path of the issuer,
	// escaped, or the provider's name if the issuer is no URL, unless a username claim is
	// set.
	UserPrefix string `json:"user_prefix,omitempty"`

	// The claim, or path to it, with a user's roles. Default: none.
	RolesClaim string `json:"roles_claim,omitempty"`

	// The claim, or path to it, with channels that a user may see. Default: none.
	ChannelsClaim string `json:"channels_claim,omitempty"`

	// Claims that a token must have, each with one of the values given.
	Require map[string][]string `json:"require,omitempty"`

	// Whether a user is made at the first valid token. Default: false.
	Register bool `json:"register,omitempty"`

	// By how much a token may seem to be of the future (`iat`, `nbf`). `exp` has no
	// leeway. Default: 30s.
	ClockSkew caddy.Duration `json:"clock_skew,omitempty"`

	// How old a token may be, whatever its `exp`. Default: no limit.
	MaxTokenAge caddy.Duration `json:"max_token_age,omitempty"`

	// Whether access tokens (`typ` at+jwt, RFC 9068) are accepted too. Default: false.
	AccessTokens bool `json:"access_tokens,omitempty"`
}

// config is the provider as auth takes it, with placeholders expanded.
func (p *JWTProvider) config(name string, repl *caddy.Replacer) (auth.Provider, error) {
	out := auth.Provider{Kind: auth.KindJWT, Name: name, Algorithms: p.Algorithms, Keys: p.Keys}
	p.fill(&out)
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

func (r *TokenRules) fill(out *auth.Provider) {
	out.UsernameClaim, out.UserPrefix = r.UsernameClaim, r.UserPrefix
	out.RolesClaim, out.ChannelsClaim, out.Require = r.RolesClaim, r.ChannelsClaim, r.Require
	out.Register, out.AccessTokens = r.Register, r.AccessTokens
	out.ClockSkew, out.MaxTokenAge = time.Duration(r.ClockSkew), time.Duration(r.MaxTokenAge)
}
