package auth

import (
	"context"
	"slices"
	"time"
)

// Roles let in: administrators by `allow role`, and others by `require role` of sync_auth. A
// role that was deleted gives nothing, so it lets nobody in; one that was not made yet does,
// as tokens name roles that no database has.

// hasRole reports whether one of the roles that somebody was given is wanted and was not
// deleted.
func (s *State) hasRole(ctx context.Context, db uint32, given, wanted []string) (bool, error) {
	for _, name := range given {
		if !slices.Contains(wanted, name) {
			continue
		}
		r, err := s.anyRole(ctx, roleRef{db, name})
		if err != nil {
			return false, err
		}
		if !r.Deleted {
			return true, nil
		}
	}
	return false, nil
}

// RequireRole is p for as long as the user has one of the roles: leases of it end when the
// last one is taken away or deleted. Who has none gets an *Error.
func (s *Service) RequireRole(ctx context.Context, p *Principal, roles []string) (*Principal, error) {
	if s.state.Load() == nil {
		return nil, errTryLater("not started", time.Second, "")
	}
	q := *p // p may be shared
	q.required = roles
	if refusal := s.judgeRoles(ctx, &q, p.Roles); refusal != nil {
		return nil, refusal
	}
	return &q, nil
}

// judgeRoles refuses p if it was let in by a role that is not among those of its user any
// more.
func (s *Service) judgeRoles(ctx context.Context, p *Principal, roles []string) *Error {
	if p.rule != nil {
		if refusal := s.judgeAdministratorsRole(ctx, p.rule, p.db, roles); refusal != nil {
			return refusal
		}
	}
	if len(p.required) == 0 {
		return nil
	}
	ok, err := s.state.Load().hasRole(ctx, p.db.ID, roles, p.required)
	switch {
	case err != nil:
		return errInternal("reading a role", err)
	case !ok:
		return errForbidden("the user has none of the required roles", "")
	}
	return nil
}

// judgeAdministratorsRole refuses who has none of the rule's roles.
func (s *Service) judgeAdministratorsRole(ctx context.Context, rule *AdminRule, db Database, roles []string) *Error {
	ok, err := s.state.Load().hasRole(ctx, db.ID, roles, rule.Roles)
	switch {
	case err != nil:
		return errInternal("reading a role", err)
	case !ok:
		return errNotAllowed()
	}
	return nil
}

// byRole reports whether a role let p in.
func (p *Principal) byRole() bool { return p.rule != nil || len(p.required) > 0 }

// judgeRoles judges the leases that a role of the database let in.
func (h *leaseHub) judgeRoles(db uint32) {
	h.mu.Lock()
	var list []*Lease
	for l := range h.all {
		if l.principal.db.ID == db && l.principal.byRole() {
			list = append(list, l)
		}
	}
	h.mu.Unlock()
	h.judge(list)
}
