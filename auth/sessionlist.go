package auth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

// AllSessions is the handle that stands for all sessions of the caller.
const AllSessions = "all"

// ServeSessionHandle answers for a user's own sessions (DESIGN section 4):
//
//	GET    /{db}/_session/all       the caller's sessions
//	DELETE /{db}/_session/all       ends them all, and refuses the tokens issued so far
//	GET    /{db}/_session/{handle}  one of them
//	DELETE /{db}/_session/{handle}  ends it, and refuses the token it was made from
//
// and without a database likewise, with db nil. On an administrator's site the handle, or
// a session's ID, is of any user's session, as Sync Gateway has it.
func (s *Service) ServeSessionHandle(w http.ResponseWriter, r *http.Request, site *Site, db *Database, names []Database, handle string) {
	c, ok := s.sessionCall(w, r, site, db, names)
	if !ok {
		return
	}
	if c.administrator != nil {
		c.anySession(handle)
		return
	}
	p, _, refusal := c.caller()
	switch {
	case refusal != nil:
		c.refuse(refusal)
	case p == nil:
		c.refuse(errLoginRequired())
	case r.Method == http.MethodDelete && handle == AllSessions:
		c.endAll(p)
	case r.Method == http.MethodDelete:
		c.endOne(p, handle)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		c.list(p, handle)
	default:
		w.Header().Set("Allow", "GET, HEAD, DELETE")
		c.refuse(&Error{Status: http.StatusMethodNotAllowed, Name: "method_not_allowed", Reason: "Only GET, HEAD and DELETE"})
	}
}

func (c *sessionCall) list(p *Principal, handle string) {
	if handle != AllSessions {
		c.one(p, handle)
		return
	}
	sessions, err := c.s.state.Load().Sessions(c.r.Context(), p.db.ID, p.Name)
	if err != nil {
		c.refuse(errInternal("listing sessions", err))
		return
	}
	list := make([]map[string]any, 0, len(sessions))
	for _, info := range sessions {
		list = append(list, info.describe(p))
	}
	c.s.audit.event(c.r.Context(), auditSessionsListed, auditActor(p), auditDB(p.db))
	c.write(map[string]any{"sessions": list})
}

// one answers for one of the caller's sessions.
func (c *sessionCall) one(p *Principal, handle string) {
	x, err := c.s.state.Load().sessionOf(c.r.Context(), userRef{p.db.ID, p.Name}, handle)
	switch {
	case errors.Is(err, ErrNoSession):
		c.refuse(errNoSuchSession())
	case err != nil:
		c.refuse(errInternal("reading a session", err))
	default:
		c.write(describeSession(x, p))
	}
}

// sessionOf finds a user's session by its handle: ErrNoSession.
func (s *State) sessionOf(ctx context.Context, ref userRef, handle string) (*session, error) {
	key, err := s.keyOfHandle(ctx, handle)
	if err != nil {
		return nil, err
	}
	x, err := s.session(ctx, key)
	if err != nil {
		return nil, err
	}
	u, err := s.user(ctx, ref.db, ref.name)
	if err == nil && (x == nil || x.OneTime != nil || u == nil || !slices.Contains(u.owners(ref.db), x.identity)) {
		err = ErrNoSession
	}
	return x, err
}

func errNoSuchSession() *Error {
	return &Error{Status: http.StatusNotFound, Name: "not_found", Reason: "no such session"}
}

// describeSession is a session as its owner may see it.
func describeSession(x *session, p *Principal) map[string]any {
	info := x.info()
	return info.describe(p)
}

// describe is the session for people and programs. p marks the caller's own.
func (i *SessionInfo) describe(p *Principal) map[string]any {
	d := map[string]any{
		"handle": i.Handle, "method": i.Method, "created": rfc3339(i.Created),
		"last_used": rfc3339(i.LastUsed), "expires": rfc3339(i.Expires),
	}
	for name, value := range map[string]string{
		"provider": i.Provider, "issuer": i.Identity.Issuer, "subject": i.Identity.Subject,
		"address": i.Address, "user_agent": i.UserAgent,
	} {
		if value != "" {
			d[name] = value
		}
	}
	if p != nil && p.session != nil && p.session.handle() == i.Handle {
		d["current"] = true
	}
	return d
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// endAll signs the caller out everywhere.
func (c *sessionCall) endAll(p *Principal) {
	accounts, err := c.accounts(p)
	if err == nil {
		// A client that hangs up has signed out all the same.
		err = c.s.state.Load().endAllSessions(context.WithoutCancel(c.r.Context()), accounts)
	}
	if err != nil {
		c.refuse(errInternal("ending sessions", err))
		return
	}
	c.s.audit.event(c.r.Context(), auditSessionsEnded, auditActor(p), auditDB(p.db), auditUser(p.Name))
	c.clearCookies()
	c.write(map[string]any{"ok": true})
}

// accounts are the users that the caller is in the call's databases: without a database in
// the path, a token that was used in any of them must not go on.
func (c *sessionCall) accounts(p *Principal) ([]userRef, error) {
	list := []userRef{{p.db.ID, p.Name}}
	for _, db := range c.databases {
		if db.ID == p.db.ID {
			continue
		}
		// Whoever has a password has no identity, and is a user of one database.
		rec, err := c.s.state.Load().identity(c.r.Context(), identityRef{db.ID, p.identity})
		if err != nil {
			return nil, err
		}
		if rec != nil && rec.User != "" {
			list = append(list, userRef{db.ID, rec.User})
		}
	}
	return list, nil
}

// endOne ends one of the caller's sessions. Ending the one that the call came with is
// signing out.
func (c *sessionCall) endOne(p *Principal, handle string) {
	if p.session != nil && p.session.handle() == handle {
		c.delete()
		return
	}
	err := c.s.state.Load().EndSession(context.WithoutCancel(c.r.Context()), p.db.ID, p.Name, handle)
	switch {
	case errors.Is(err, ErrNoSession), errors.Is(err, ErrNoUser):
		c.refuse(errNoSuchSession())
		return
	case err != nil:
		c.refuse(errInternal("ending a session", err))
		return
	}
	c.s.audit.event(c.r.Context(), auditSessionEnded, auditActor(p), auditDB(p.db), auditUser(p.Name), auditHandle(handle))
	c.write(map[string]any{"ok": true})
}
