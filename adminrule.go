package caddysync

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/caddysync/caddy-sync/auth"
)

// Admin makes a site the administrators' one and says who they are. Places (loopback,
// client addresses) and identities (roles, claims, scopes) both have to match, if both
// are given (DECISIONS 9).
type Admin struct {
	// Whether clients on this machine are administrators: a direct connection over
	// loopback, to a site that is bound to it. Never put a proxy in front of such a site.
	Loopback bool `json:"loopback,omitempty"`

	// The addresses, or ranges in CIDR form, that administrators come from.
	ClientIPs []string `json:"client_ips,omitempty"`

	// The roles that make a user an administrator, one of which is enough. They count
	// only if an administrator or the token gave them.
	Roles []string `json:"roles,omitempty"`

	// The claims that make the bearer of a token an administrator, each with one of the
	// values given.
	Claims map[string][]string `json:"claims,omitempty"`

	// The scopes that make the bearer of a token an administrator.
	Scopes []string `json:"scopes,omitempty"`

	// Whether administrators may only read here. Default: false.
	ReadOnly bool `json:"read_only,omitempty"`

	// Whether the site has the console, a page to look at and to administer it all, at
	// /_console/. Default: true.
	Console *bool `json:"sync_console,omitempty"`
}

// rule is the block as auth takes it.
func (a *Admin) rule() (*auth.AdminRule, error) {
	if !a.Loopback && len(a.ClientIPs)+len(a.Roles)+len(a.Claims)+len(a.Scopes) == 0 {
		return nil, errors.New("admin: there is no allow, so that anybody would be an administrator: write `allow loopback`, client_ip, role, claim or scope")
	}
	for _, one := range []error{
		checkLiteral("allow role", a.Roles...), checkLiteral("allow scope", a.Scopes...), checkLiteralClaims("allow claim", a.Claims),
	} {
		if one != nil {
			return nil, fmt.Errorf("admin: %w", one)
		}
	}
	rule := &auth.AdminRule{
		Loopback: a.Loopback, Roles: a.Roles, Claims: a.Claims, Scopes: a.Scopes, ReadOnly: a.ReadOnly,
	}
	for _, text := range a.ClientIPs {
		prefix, err := parseRange(text)
		if err != nil {
			return nil, fmt.Errorf("admin: allow client_ip %s: %w", text, err)
		}
		rule.ClientIPs = append(rule.ClientIPs, prefix)
	}
	return rule, nil
}

// parseRange reads an address or a range in CIDR form.
func parseRange(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Masked(), nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, errors.New("not an address like 192.0.2.7 or a range like 192.0.2.0/24")
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}
