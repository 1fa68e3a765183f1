package caddysync

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/auth"
)

// Provider is an OpenID Connect provider whose ID tokens sign clients in.
type Provider struct {
	// The issuer, exactly as tokens have it in `iss`. https, or http for a loopback
	// host. Required.
	Issuer string `json:"issuer,omitempty"`

	// The tenants that may sign in where the issuer has {tenantid}, as Microsoft Entra's
	// for all tenants does: what tokens have in `tid`. Required there.
	Tenants []string `json:"tenants,omitempty"`

	// The audiences that are accepted: the IDs under which apps are registered at the
	// provider. Required.
	ClientIDs []string `json:"client_ids,omitempty"`

	CodeFlow

	// Where the provider describes itself. Default:
	// <issuer>/.well-known/openid-configuration.
	DiscoveryURL string `json:"discovery_url,omitempty"`

	// Where the provider's keys are, instead of discovery.
	JWKSURL string `json:"jwks_url,omitempty"`

	// The signature algorithms that are accepted. Default: RS256, ES256, EdDSA, and what
	// discovery offers. Symmetric ones and `none` are refused.
	Algorithms []string `json:"algorithms,omitempty"`

	TokenRules

	// A file of PEM certificates that sign the provider's own, instead of the system's.
	CAFile string `json:"ca_file,omitempty"`

	// Whether the provider's certificate is not checked. Never in production. Default:
	// false.
	InsecureSkipVerify bool `json:"insecure_skip_verify,omitempty"`
}

// config is the provider as auth takes it, with placeholders expanded.
func (p *Provider) config(name string, repl *caddy.Replacer) (auth.Provider, error) {
	out := auth.Provider{Name: name, Algorithms: p.Algorithms, InsecureSkipVerify: p.InsecureSkipVerify}
	if err := cmp.Or(p.TokenRules.check(), checkLiteral("scope", p.Scopes...)); err != nil {
		return auth.Provider{}, fmt.Errorf("oidc %s: %w", name, err)
	}
	p.setRules(&out)
	for _, field := range []struct {
		option, text string
		to           *string
	}{
		{"discovery_url", p.DiscoveryURL, &out.DiscoveryURL},
		{"jwks_url", p.JWKSURL, &out.JWKSURL},
		{"ca_file", p.CAFile, &out.CAFile},
	} {
		value, err := repl.ReplaceOrErr(field.text, true, true)
		if err != nil {
			return auth.Provider{}, fmt.Errorf("oidc %s: %s: %w", name, field.option, err)
		}
		*field.to = value
	}
	var err error
	if out.Issuer, err = replaceIssuer(p.Issuer, repl); err != nil {
		return auth.Provider{}, fmt.Errorf("oidc %s: issuer: %w", name, err)
	}
	for _, id := range p.Tenants {
		value, err := repl.ReplaceOrErr(id, true, true)
		if err != nil {
			return auth.Provider{}, fmt.Errorf("oidc %s: tenants: %w", name, err)
		}
		out.Tenants = append(out.Tenants, value)
	}
	for _, id := range p.ClientIDs {
		value, err := repl.ReplaceOrErr(id, true, true)
		if err != nil {
			return auth.Provider{}, fmt.Errorf("oidc %s: client_id: %w", name, err)
		}
		out.ClientIDs = append(out.ClientIDs, value)
	}
	return out, p.fill(&out, repl)
}

// replaceIssuer expands an issuer's placeholders but {tenantid}, which is not Caddy's.
func replaceIssuer(issuer string, repl *caddy.Replacer) (string, error) {
	const tenant = "{tenantid}"
	parts := strings.Split(issuer, tenant)
	for i, part := range parts {
		value, err := repl.ReplaceOrErr(part, true, len(parts) == 1)
		if err != nil {
			return "", err
		}
		parts[i] = value
	}
	return strings.Join(parts, tenant), nil
}
