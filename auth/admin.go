package auth

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"reflect"
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

// AdmitPlace refuses a request that does not come from where administrators do. Who is asking is
// not looked at: it is for what is no secret. The error is an *Error.
func (a *AdminRule) AdmitPlace(r *http.Request) error {
	if a.hasPlaces() && !a.allowsPlace(r) || !a.hasPlaces() && !a.hasIdentities() {
		return errForbidden("for administrators only", "not from an allowed place")
	}
	return nil
}

// AdmitBy names the rules of the configuration's sites, before Start: leases of administrators whose rule is not
// among them any more end. Whether another rule would let them in shows when they come back. Without it, leases of
// administrators are not judged by rules.
func (s *Service) AdmitBy(rules []*AdminRule) {
	s.rules = append([]*AdminRule{}, rules...)
}

// knows reports whether a rule is one of the configuration's.
func (s *Service) knows(rule *AdminRule) bool {
	return s.rules == nil || slices.ContainsFunc(s.rules, func(r *AdminRule) bool { return reflect.DeepEqual(r, rule) })
}

// allowsClaims reports whether a verified token's claims match a claim or a scope of the rule.
func (a *AdminRule) allowsClaims(c claims) bool {
	for path, values := range a.Claims {
		if value, ok := c.trusted(path); ok && claimMatches(value, values) {
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
		return &Principal{Admin: true, ReadOnly: rule.ReadOnly, Method: MethodAdmin, db: db, admitted: rule}, nil
	}
	p, refusal := s.administratorIdentity(r, rule, db)
	if refusal != nil {
		return nil, refusal
	}
	p.Admin, p.ReadOnly, p.admitted = true, rule.ReadOnly, rule
	return p, nil
}

// administratorIdentity signs an administrator in by what the rule says of identities.
// Claims and scopes need a bearer token; for roles any way to sign in will do.
func (s *Service) administratorIdentity(r *http.Request, rule *AdminRule, db Database) (*Principal, *Error) {
	kind, secret, refusal := readAuthorization(r.Header)
	switch {
	case refusal != nil:
		return nil, refusal
	case kind == schemeBearer:
		return s.administratorBearer(r.Context(), secret, rule, db)
	}
	pol := s.policy(db.Name)
	if db.Name == "" || pol == nil || len(rule.Roles) == 0 {
		if kind == schemeBasic {
			return nil, errPasswordsOff()
		}
		return nil, errLoginRequired()
	}
	cookies := readSessionCookies(r.Header, pol.Session.Cookie)
	var p *Principal
	switch {
	case kind != schemeBasic && len(cookies) == 0:
		return nil, errLoginRequired()
	case db.ID == 0:
		// A database that is not there has no users, and must get none by this.
		return nil, errNotAllowed()
	case kind == schemeBasic:
		p, refusal = s.signInBasic(r.Context(), secret, db, pol)
	default:
		p, refusal = s.signInCookies(r.Context(), cookies, db)
	}
	if refusal != nil {
		return nil, refusal
	}
	if refusal := s.judgeAdministratorsRole(r.Context(), rule, db, p.Roles); refusal != nil {
		return nil, refusal
	}
	mine := *p // p may be shared
	mine.rule = rule
	return &mine, nil
}

func (s *Service) administratorBearer(ctx context.Context, raw string, rule *AdminRule, db Database) (*Principal, *Error) {
	admits := func(*provider) bool { return true }
	if db.Name != "" {
		pol := s.policy(db.Name)
		admits = func(p *provider) bool { return pol != nil && pol.admits[p] }
	}
	v, refusal := s.verify(ctx, raw, admits)
	if refusal != nil {
		return nil, refusal
	}
	t, err := peek(raw) // for all its claims; verify found it good
	if err != nil {
		return nil, errInvalidToken(err.Error())
	}
	p := principalOfToken(v, db)
	if !rule.allowsClaims(t.claims) {
		p.rule = rule // by a role then, if at all
	}
	u, refusal := s.checkAdministrator(ctx, db, v.applicant, p.rule)
	if u != nil {
		p.user = u.Name
		refusal = cmp.Or(s.followAdministrator(ctx, db, v.applicant, u), refusal)
	}
	return p, refusal
}

// followAdministrator writes what a newer token says of the user u, who shows it where administrators do, as it is
// at every sign-in: an older one gives no role after it. It may be what makes u no administrator any more.
func (s *Service) followAdministrator(ctx context.Context, db Database, a *applicant, u *User) *Error {
	st := s.state.Load()
	rec, err := st.identity(ctx, identityRef{db.ID, a.key})
	switch {
	case err != nil:
		return errInternal("signing in", err)
	case rec == nil || !u.outdated(a, rec):
		return nil
	}
	_, refusal := st.follow(ctx, db, a, u)
	return refusal
}

// errNotAllowed answers somebody who signed in and is no administrator.
func errNotAllowed() *Error {
	refusal := errForbidden("for administrators only", "no role, claim or scope is allowed")
	refusal.Challenges = []string{challenge("insufficient_scope", "for administrators only")}
	return refusal
}

// checkAdministrator applies to an administrator with a token what ends users' rights:
// a revoked token, and being disabled in the database, if they are a user there at all: that
// user is returned, nil for nobody, also with the refusal of who has no role. rule is not nil
// if they are an administrator only by a role: of nobody the token says which, a user has those
// of now.
func (s *Service) checkAdministrator(ctx context.Context, db Database, a *applicant, rule *AdminRule) (*User, *Error) {
	st := s.state.Load()
	if refusal := st.checkLogout(ctx, a); refusal != nil {
		return nil, refusal
	}
	var rec *identityRecord
	if db.Name != "" {
		var err error
		if rec, err = st.identity(ctx, identityRef{db.ID, a.key}); err != nil {
			return nil, errInternal("signing in", err)
		}
	}
	if st.revoked(rec, a) {
		return nil, errSignedOut(rec, a)
	}
	roles := a.roles
	var u *User
	if rec != nil && rec.User != "" {
		var refusal *Error
		if u, refusal = st.account(ctx, db, a, false); refusal != nil {
			return nil, refusal
		}
		roles = s.policy(db.Name).rolesNow(u, a, rec)
	}
	switch {
	case rule == nil:
		return u, nil
	case db.Name == "":
		return nil, errNotAllowed() // there are no roles without a database
	}
	return u, s.judgeAdministratorsRole(ctx, rule, db, roles)
}

// rolesNow are the roles of a user who shows a token: those that the newest token gives, which may be this one.
func (p *policy) rolesNow(u *User, a *applicant, rec *identityRecord) []string {
	if a.grantsAt.Unix() > rec.GrantsAt {
		return union(u.AdminRoles, a.roles)
	}
	roles, _ := p.grants(u)
	return roles
}
