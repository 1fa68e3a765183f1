package auth

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// AdminRule is an `admin { allow … }` block (DECISIONS 9). Loopback and ClientIPs are
// places, Roles, Claims and Scopes are identities; each of the two kinds that is
// present needs one match. An empty rule allows nobody.
type AdminRule struct {
	Loopback  bool
	ClientIPs []netip.Prefix
	Roles     []string
	Claims    map[string][]string // name or path → values of which one must match
	Scopes    []string
	ReadOnly  bool
}

func (a *AdminRule) hasPlaces() bool { return a.Loopback || len(a.ClientIPs) > 0 }

// hasIdentities reports whether somebody must be signed in. Without a database there
// are no roles (DECISIONS 9).
func (a *AdminRule) hasIdentities() bool {
	return len(a.Roles) > 0 || len(a.Claims) > 0 || len(a.Scopes) > 0
}

func (a *AdminRule) allowsPlace(r *http.Request) bool {
	if a.Loopback && Loopback(r) {
		return true
	}
	addr := ClientOf(r.Context()).Addr.Unmap().WithZone("")
	return addr.IsValid() && slices.ContainsFunc(a.ClientIPs, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// allowsToken reports whether a verified token's claims match an identity of the rule.
func (a *AdminRule) allowsToken(v *verified, c claims, db Database) bool {
	if db.Name != "" && slices.ContainsFunc(v.roles, func(r string) bool { return slices.Contains(a.Roles, r) }) {
		return true
	}
	for path, values := range a.Claims {
		if value, ok := c.lookup(path); ok && claimMatches(value, values) {
			return true
		}
	}
	return slices.ContainsFunc(scopes(c), func(s string) bool { return slices.Contains(a.Scopes, s) })
}

// scopes reads RFC 8693's scope (words in a string), or scp as some providers have it.
func scopes(c claims) []string {
	var list []string
	for _, name := range []string{"scope", "scp"} {
		values, _ := texts(c[name])
		for _, v := range values {
			list = append(list, strings.Fields(v)...)
		}
	}
	return list
}

// AuthenticateAdmin is for endpoints of an admin site that name no database. The error
// is an *Error.
func (s *Service) AuthenticateAdmin(r *http.Request, site *Site) (*Principal, error) {
	if s.state.Load() == nil {
		return nil, errTryLater("not started", time.Second, "")
	}
	if site == nil || site.Admin == nil {
		return nil, errForbidden("for administrators only", "the site has no admin block")
	}
	p, refusal := s.administrator(r, site.Admin, Database{})
	if refusal != nil {
		s.logRefusal(r.Context(), "", refusal)
		return nil, refusal
	}
	return p, nil
}

// administrator judges a request by a site's rule. Where places suffice, credentials
// are not looked at.
func (s *Service) administrator(r *http.Request, rule *AdminRule, db Database) (*Principal, *Error) {
	if rule.hasPlaces() && !rule.allowsPlace(r) {
		return nil, errForbidden("for administrators only", "not from an allowed place")
	}
	if !rule.hasIdentities() {
		if !rule.hasPlaces() {
			return nil, errForbidden("for administrators only", "the site's rule allows nobody")
		}
		return &Principal{Admin: true, ReadOnly: rule.ReadOnly, Method: MethodAdmin, db: db}, nil
	}
	kind, raw, refusal := readAuthorization(r.Header)
	switch {
	case refusal != nil:
		return nil, refusal
	case kind == schemeBasic:
		return nil, errPasswordsOff()
	case kind == schemeNone:
		return nil, errLoginRequired()
	}
	admits := func(*provider) bool { return true }
	if db.Name != "" {
		pol := s.policy(db.Name)
		admits = func(p *provider) bool { return pol != nil && pol.admits[p] }
	}
	v, refusal := s.verify(r.Context(), raw, admits)
	if refusal != nil {
		return nil, refusal
	}
	t, err := peek(raw) // for all its claims; verify found it good
	if err != nil {
		return nil, errInvalidToken(err.Error())
	}
	if !rule.allowsToken(v, t.claims, db) {
		refusal := errForbidden("for administrators only", "no role, claim or scope of the token is allowed")
		refusal.Challenges = []string{challenge("insufficient_scope", "for administrators only")}
		return nil, refusal
	}
	if refusal := s.checkAdministrator(r.Context(), db, v.applicant); refusal != nil {
		return nil, refusal
	}
	p := principalOfToken(v, db)
	p.Admin, p.ReadOnly = true, rule.ReadOnly
	return p, nil
}

// checkAdministrator applies to an administrator with a token what ends users' rights:
// a revoked token, and being disabled in the database, if they are a user there at all.
func (s *Service) checkAdministrator(ctx context.Context, db Database, a *applicant) *Error {
	st := s.state.Load()
	if db.Name == "" {
		if st.revoked(nil, a) {
			return errSignedOut(a)
		}
		return nil
	}
	rec, err := st.identity(ctx, identityRef{db.ID, a.key})
	switch {
	case err != nil:
		return errInternal("signing in", err)
	case st.revoked(rec, a):
		return errSignedOut(a)
	case rec == nil || rec.User == "":
		return nil
	}
	_, refusal := st.account(ctx, db, a, false)
	return refusal
}
