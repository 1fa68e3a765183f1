package caddysync

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseJWTProvider reads a provider without OpenID Connect:
//
//	jwt <name> {
//	    issuer <text>
//	    audience <text...>
//	    algorithms <algorithm...>
//	    jwks_file <path>
//	    key <jwk>
//	    jwks_url <url>
//	    ca_file <path>
//	    username_claim <claim>
//	    user_prefix <text>
//	    roles_claim <claim>
//	    channels_claim <claim>
//	    require <claim> <value...>
//	    register
//	    clock_skew <duration>
//	    max_token_age <duration>
//	    access_tokens
//	}
func (a *App) parseJWTProvider(d *caddyfile.Dispenser) error {
	var name string
	if !d.AllArgs(&name) || name == "" {
		return d.ArgErr()
	}
	if _, twice := a.JWT[name]; twice {
		return d.Errf("jwt %s is defined twice", name)
	}
	p := new(JWTProvider)
	if a.JWT == nil {
		a.JWT = make(map[string]*JWTProvider)
	}
	a.JWT[name] = p
	return parseBlock(d, "jwt", p.word, "require", "key")
}

func (p *JWTProvider) word(word string) parseWord {
	switch word {
	case "issuer":
		return text(&p.Issuer)
	case "audience":
		return list(&p.Audience)
	case "algorithms":
		return list(&p.Algorithms)
	case "jwks_file":
		return text(&p.JWKSFile)
	case "key":
		return p.parseKey
	case "jwks_url":
		return text(&p.JWKSURL)
	case "ca_file":
		return text(&p.CAFile)
	}
	return p.TokenRules.word(word)
}

// parseKey reads a JWK as one argument. Errors do not quote it: it may be a private one
// by mistake.
func (p *JWTProvider) parseKey(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 1 && json.Valid([]byte(args[0])) {
		p.Keys = append(p.Keys, json.RawMessage(args[0]))
		return noBlock(d, "key")
	}
	return d.Err("key is not a JWK: write it as one argument in backquotes, such as key `{\"kty\":\"OKP\", … }`")
}
