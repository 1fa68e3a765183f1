package caddysync

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseProvider reads an identity provider:
//
//	oidc <name> {
//	    issuer <url>
//	    tenants <id...>
//	    client_id <id...>
//	    client_secret <placeholder>
//	    discovery_url <url>
//	    jwks_url <url>
//	    algorithms <algorithm...>
//	    username_claim <claim>
//	    user_prefix <text>
//	    roles_claim <claim>
//	    channels_claim <claim>
//	    require <claim> <value...>
//	    register
//	    clock_skew <duration>
//	    max_token_age <duration>
//	    access_tokens
//	    ca_file <path>
//	    insecure_skip_verify
//	}
func (a *App) parseProvider(d *caddyfile.Dispenser) error {
	var name string
	if !d.AllArgs(&name) || name == "" {
		return d.ArgErr()
	}
	if _, twice := a.OIDC[name]; twice {
		return d.Errf("oidc %s is defined twice", name)
	}
	p := new(Provider)
	if a.OIDC == nil {
		a.OIDC = make(map[string]*Provider)
	}
	a.OIDC[name] = p
	return parseBlock(d, "oidc", p.word, "require")
}

func (p *Provider) word(word string) parseWord {
	switch word {
	case "issuer":
		return text(&p.Issuer)
	case "tenants":
		return list(&p.Tenants)
	case "client_id":
		return list(&p.ClientIDs)
	case "client_secret":
		return text(&p.ClientSecret)
	case "discovery_url":
		return text(&p.DiscoveryURL)
	case "jwks_url":
		return text(&p.JWKSURL)
	case "algorithms":
		return list(&p.Algorithms)
	case "register":
		return flag(&p.Register)
	case "clock_skew":
		return duration(&p.ClockSkew)
	case "max_token_age":
		return longDuration(&p.MaxTokenAge)
	case "access_tokens":
		return flag(&p.AccessTokens)
	case "ca_file":
		return text(&p.CAFile)
	case "insecure_skip_verify":
		return flag(&p.InsecureSkipVerify)
	}
	return p.claimWord(word)
}

func (p *Provider) claimWord(word string) parseWord {
	switch word {
	case "username_claim":
		return text(&p.UsernameClaim)
	case "user_prefix":
		return text(&p.UserPrefix)
	case "roles_claim":
		return text(&p.RolesClaim)
	case "channels_claim":
		return text(&p.ChannelsClaim)
	case "require":
		return claimValues(&p.Require)
	}
	return nil
}

// claimValues reads `<word> <claim> <value...>`; a claim stands there once.
func claimValues(to *map[string][]string) parseWord {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		args := d.RemainingArgs()
		if len(args) < 2 {
			return d.ArgErr()
		}
		claim, values := args[0], args[1:]
		if _, twice := (*to)[claim]; twice {
			return d.Errf("%s %s is repeated: write its values on one line", word, claim)
		}
		if slices.Contains(args, "") {
			return d.Errf("%s: a claim or a value is empty", word)
		}
		if *to == nil {
			*to = make(map[string][]string)
		}
		(*to)[claim] = values
		return noBlock(d, word)
	}
}
