package auth

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// Site is what a site directive says about who may come in.
type Site struct {
	// Admin is nil on a public site.
	Admin *AdminRule
	// CookiePath is the Path of session cookies: "/" or the prefix the browser sees.
	// Default "/".
	CookiePath string
	// Prefix is the path prefix as browsers see it ("" or "/api").
	Prefix string
	// ReturnOrigins are the origins that a sign-in by browser may return to, besides
	// the site's own.
	ReturnOrigins []string
}

// Authenticate says who is asking for db. The error is an *Error. Order: bearer,
// Basic, cookie, guest; a bad bearer never falls through. On an administrator's site
// only its rule counts. A request with If-User is refused to anybody else.
func (s *Service) Authenticate(r *http.Request, site *Site, db Database) (*Principal, error) {
	if s.state.Load() == nil {
		return nil, errTryLater("not started", time.Second, "")
	}
	var p *Principal
	var refusal *Error
	if site != nil && site.Admin != nil {
		p, refusal = s.administrator(r, site.Admin, db)
	} else {
		p, refusal = s.signIn(r, db)
	}
	if refusal == nil {
		refusal = ifUser(r.Header, p)
	}
	if refusal != nil {
		s.logRefusal(r.Context(), db.Name, refusal)
		return nil, refusal
	}
	return p, nil
}

// logRefusal writes the true reason. Refusals hold no token, cookie or password.
func (s *Service) logRefusal(ctx context.Context, db string, e *Error) {
	if !e.nobody {
		s.audit.event(ctx, auditSignInRefused, auditDB(Database{Name: db}), auditUser(e.user), auditReason(e))
	}
	log := s.logger.Debug
	switch {
	case e.Status == http.StatusInternalServerError:
		log = s.logger.Error
	case e.audit:
		log = s.logger.Warn
	}
	log("sign-in refused", zap.String("database", db), zap.Stringer("client", ClientOf(ctx).Addr),
		zap.Int("status", e.Status), zap.String("reason", e.Reason), zap.String("detail", e.Detail))
}

// signIn is Authenticate on a public site.
func (s *Service) signIn(r *http.Request, db Database) (*Principal, *Error) {
	ctx := r.Context()
	pol := s.policy(db.Name)
	if pol == nil {
		return nil, errLoginRequired()
	}
	kind, secret, refusal := readAuthorization(r.Header)
	if refusal != nil {
		return nil, refusal
	}
	switch kind {
	case schemeBearer:
		return s.signInBearer(ctx, secret, db, pol)
	case schemeBasic:
		return s.signInBasic(ctx, secret, db, pol)
	case schemeNone:
	}
	if !pol.Session.Off {
		if id, ok := readSocketToken(r, pol.Session.Cookie); ok {
			return s.signInOnce(ctx, id, db, pol)
		}
		var one [1]sessionCookie
		if cookies := appendSessionCookies(one[:0], r.Header, pol.Session.Cookie); len(cookies) > 0 {
			return s.signInCookies(ctx, cookies, db)
		}
	}
	if pol.Guest {
		return &Principal{Method: MethodGuest, ReadOnly: pol.GuestReadOnly, db: db}, nil
	}
	return nil, errLoginRequired()
}

func (s *Service) signInBearer(ctx context.Context, raw string, db Database, pol *policy) (*Principal, *Error) {
	v, refusal := s.verify(ctx, raw, pol.admitted)
	if refusal != nil {
		return nil, refusal
	}
	return s.tokenPrincipal(ctx, v, db, pol)
}

// tokenPrincipal finds or makes the user that a verified token is in db.
func (s *Service) tokenPrincipal(ctx context.Context, v *verified, db Database, pol *policy) (*Principal, *Error) {
	if b := v.bindings.find(pol, db.ID); b != nil {
		return b.principal, nil
	}
	st, a := s.state.Load(), v.applicant
	before := st.marksOf(a.key, a.sid, a.token)
	u, refusal := st.account(ctx, db, a, true)
	if refusal != nil {
		return nil, refusal
	}
	p := principalOfToken(v, db).as(u, pol)
	if b := st.bind(before, a, u, p, pol); b != nil {
		v.bindings.put(b)
	}
	return p, nil
}

// signInCookies tries all cookies of the name, so that a stale one fails nothing
// (DECISIONS 2). If none is good, the answer is 401 even where guests may come in: a
// client whose session ended must not go on as somebody else.
func (s *Service) signInCookies(ctx context.Context, cookies []sessionCookie, db Database) (*Principal, *Error) {
	var result *Error
	for _, c := range cookies {
		key, ok := hashSessionID(c.value)
		if !ok {
			continue
		}
		x, err := s.state.Load().session(ctx, key)
		if err != nil {
			return nil, errInternal("reading a session", err)
		}
		if x == nil {
			continue
		}
		p, refusal := s.sessionPrincipal(ctx, x, db, true)
		if refusal == nil {
			return p, nil
		}
		result = refusal
	}
	if result == nil {
		result = errInvalidSession("no such session")
	}
	return nil, result
}

// sessionPrincipal is the user that a session is in db.
func (s *Service) sessionPrincipal(ctx context.Context, x *session, db Database, register bool) (*Principal, *Error) {
	st, pol, now := s.state.Load(), s.policy(db.Name), time.Now()
	if b := x.bindings.find(pol, db.ID); b != nil {
		t, refusal := x.inTime(pol, now)
		if refusal != nil {
			return nil, refusal
		}
		st.touch(x, now) //nolint:contextcheck // written later, for many sessions at once
		return b.principal.until(t.end), nil
	}
	before := st.marksOf(x.identity, x.sid, tokenKey{})
	u, t, refusal := s.admitSession(ctx, x, db, register)
	if refusal != nil {
		return nil, refusal
	}
	p := principalOfSession(x, db, t.end).as(u, pol)
	if b := st.bind(before, x.who.Load(), u, p, pol); b != nil {
		x.bindings.put(b)
	}
	st.touch(x, now) //nolint:contextcheck // written later, for many sessions at once
	return p, nil
}

// admitSession judges a session by a database's policy and users.
func (s *Service) admitSession(ctx context.Context, x *session, db Database, register bool) (*User, terms, *Error) {
	pol := s.policy(db.Name)
	switch {
	case pol == nil || pol.Session.Off:
		return nil, terms{}, errInvalidSession("sessions are off")
	case x.OneTime != nil:
		return nil, terms{}, errInvalidSession("a one-time token is for a WebSocket handshake")
	}
	t, refusal := x.inTime(pol, time.Now())
	switch {
	case refusal != nil:
		return nil, terms{}, refusal
	case x.User != "":
		u, refusal := s.admitUserSession(ctx, x, db, pol)
		return u, t, refusal
	}
	pr := s.provider(x.Provider, x.Identity.Issuer)
	switch {
	case pr == nil:
		// Refused, not deleted: the provider may come back (DECISIONS 17).
		return nil, terms{}, errInvalidSession("provider removed")
	case !pol.admits[pr]:
		return nil, terms{}, errInvalidSession("provider not accepted here")
	case !x.heardBy(pr), !x.required.satisfies(pr.Require):
		return nil, terms{}, errInvalidSession("sign-in rules changed")
	}
	u, refusal := s.state.Load().account(ctx, db, x.applicant(pr), register)
	return u, t, refusal
}

// admitUserSession judges a session that a password or an administrator made.
func (s *Service) admitUserSession(ctx context.Context, x *session, db Database, pol *policy) (*User, *Error) {
	switch {
	case x.DB != db.ID:
		return nil, errInvalidSession("session of a user of another database")
	case x.Method == MethodBasic && !pol.PasswordAuth:
		return nil, errInvalidSession("password sign-in is off")
	}
	u, err := s.state.Load().user(ctx, x.DB, x.User)
	switch {
	case err != nil:
		return nil, errInternal("reading a user", err)
	case u == nil:
		return nil, errInvalidSession("user was deleted")
	case u.Disabled:
		return nil, errInvalidSession("user is disabled")
	case x.Method == MethodBasic && x.PasswordAt != u.PasswordAt:
		// Also when it changed while it was being checked, before there was a session.
		return nil, errInvalidSession("password changed")
	case x.Created <= u.NotBefore:
		return nil, errInvalidSession("made before all sessions were ended")
	}
	return u, nil
}

// applicant is made once for each configuration.
func (x *session) applicant(pr *provider) *applicant {
	if a := x.who.Load(); a != nil && a.provider == pr {
		return a
	}
	a := &applicant{
		provider: pr, identity: x.Identity, key: x.identity, name: x.Name, fromSubject: x.FromSubject,
		email: x.Email, roles: x.Roles, channels: x.Channels, sid: x.sid, issued: time.UnixMicro(x.Created),
		grantsAt: time.Unix(x.TokenIssued, 0), session: true,
	}
	x.who.Store(a)
	return a
}

// inTime returns the session's limits, and refuses it if one is over.
func (x *session) inTime(pol *policy, now time.Time) (terms, *Error) {
	t := x.terms(&pol.Session)
	switch {
	case !now.Before(t.end):
		return t, errInvalidSession("session expired")
	case t.idle > 0 && now.Sub(time.UnixMilli(x.used.Load())) >= t.idle:
		return t, errInvalidSession("session idle for too long")
	}
	return t, nil
}

// terms are a session's limits under a database's policy.
func (x *session) terms(p *SessionPolicy) terms {
	end := x.Expires
	if x.Method != MethodAdmin { // an administrator says how long
		end = min(end, x.Created/1000+p.Lifetime.Milliseconds())
	}
	if p.UntilTokenExpiry && x.TokenEnd > 0 {
		end = min(end, x.TokenEnd)
	}
	return terms{end: time.UnixMilli(end), idle: p.Idle}
}
