package caddysync

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// parseProvider reads an identity provider:
//
//	oidc <name> {
//	    issuer <url>
//	    tenants <id...>
//	    client_id <id...>
//	    client_secret <placeholder>
//	    client_secret_key <file> <key ID> <team ID>
//	    callback_url <url>
//	    scope <scope...>
//	    include_access
//	    disable_session
//	    refresh_by_query
//	    response_mode form_post
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
	case "discovery_url":
		return text(&p.DiscoveryURL)
	case "jwks_url":
		return text(&p.JWKSURL)
	case "algorithms":
		return list(&p.Algorithms)
	case "ca_file":
		return text(&p.CAFile)
	case "insecure_skip_verify":
		return flag(&p.InsecureSkipVerify)
	}
	if w := p.CodeFlow.word(word); w != nil {
		return w
	}
	return p.TokenRules.word(word)
}
