package auth

import "slices"

// grants are the roles and channels that a user was given in a database: by an
// administrator, and by the newest token while the database takes its provider's tokens
// (sync-gateway F rows 36 and 37). The slices are shared.
func (p *policy) grants(u *User) (roles, channels []string) {
	if len(u.TokenRoles)+len(u.TokenChannels) == 0 || !p.counts(u) {
		return u.AdminRoles, u.AdminChannels
	}
	return union(u.AdminRoles, u.TokenRoles), union(u.AdminChannels, u.TokenChannels)
}

// counts reports whether what tokens gave a user counts. Where none gave anything yet it
// does, so that a feed that is open when the first one does has what it gives: a provider
// whose tokens the database does not take cannot sign the user in.
func (p *policy) counts(u *User) bool { return u.TokenIssuer == "" || p.takes(u.TokenIssuer) }

// takes reports whether the database takes tokens of an issuer.
func (p *policy) takes(issuer string) bool {
	return slices.ContainsFunc(p.providers, func(pr *provider) bool { return pr.vouchesFor(issuer) })
}

// union is a and what b has beside it.
func union(a, b []string) []string {
	if len(a) == 0 {
		return b
	}
	all := slices.Clip(a)
	for _, v := range b {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// as makes p the user u of its database.
func (p *Principal) as(u *User, pol *policy) *Principal {
	p.Name = u.Name
	p.Roles, p.Channels = pol.grants(u)
	p.TokenGrants = pol.counts(u)
	return p
}
