package auth

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// sessionCall is one request to _session.
type sessionCall struct {
	s         *Service
	w         http.ResponseWriter
	r         *http.Request
	site      *Site
	databases []Database // in which the caller may have an account; one for /{db}/_session

	administrator *Principal // on an administrator's site

	// began is before the caller's credentials were looked at: a session that they make counts
	// from then, or one that is made while they are revoked would be younger than that.
	began time.Time
}

// ServeSession answers GET, HEAD, POST and DELETE of /{db}/_session, and of /_session
// with db nil (and names = the site's databases): the same thing (DECISIONS 2). CORS
// and the cross-origin check have been done. Answers have Sync Gateway's and CouchDB's
// members in one.
func (s *Service) ServeSession(w http.ResponseWriter, r *http.Request, site *Site, db *Database, names []Database) {
	c, ok := s.sessionCall(w, r, site, db, names)
	if !ok {
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		c.get()
	case http.MethodPost:
		c.post()
	case http.MethodDelete:
		c.delete()
	default:
		w.Header().Set("Allow", "GET, HEAD, POST, DELETE")
		c.refuse(&Error{Status: http.StatusMethodNotAllowed, Name: "method_not_allowed", Reason: "Only GET, HEAD, POST and DELETE"})
	}
}

// sessionCall begins a call: headers, and who may call on an administrator's site. If ok
// is false the call has been answered.
func (s *Service) sessionCall(w http.ResponseWriter, r *http.Request, site *Site, db *Database, names []Database) (_ *sessionCall, ok bool) {
	if db != nil {
		names = []Database{*db}
	}
	c := &sessionCall{s: s, w: w, r: r, site: site, databases: names, began: time.Now()}
	h := w.Header()
	h.Set("Cache-Control", "no-store") // DECISIONS 13
	h.Set("X-Content-Type-Options", "nosniff")
	addVary(h, "Origin", "Cookie", "Authorization")
	if s.state.Load() == nil {
		c.refuse(errTryLater("not started", time.Second, ""))
		return nil, false
	}
	if site != nil && site.Admin != nil {
		p, refusal := s.administrator(r, site.Admin, c.database())
		if refusal == nil {
			refusal = ifUser(r.Header, p)
		}
		if refusal != nil {
			c.refuse(refusal)
			return nil, false
		}
		c.administrator = p
	}
	return c, true
}

// get says who the caller is: 200 also for nobody, unless there are bad credentials in
// the Authorization header. A stale cookie is nobody's. Where If-User asks for somebody,
// that is a refusal.
func (c *sessionCall) get() {
	p, _, refusal := c.caller()
	if refusal != nil && (refusal.Status >= http.StatusInternalServerError || !c.byCookie() || hasIfUser(c.r.Header)) {
		c.refuse(refusal)
		return
	}
	c.answer(p, false)
}

// byCookie reports whether the call brings no credentials but perhaps cookies.
func (c *sessionCall) byCookie() bool {
	kind, _, refusal := readAuthorization(c.r.Header)
	return refusal == nil && kind == schemeNone
}

// caller signs the caller in by what the request carries, nobody by nothing, and refuses
// anybody but the user in If-User. sent is the cookie, if that did it.
func (c *sessionCall) caller() (p *Principal, sent sessionCookie, refusal *Error) {
	p, sent, refusal = c.whoever()
	if refusal == nil {
		refusal = ifUser(c.r.Header, p)
	}
	return p, sent, refusal
}

// whoever is caller without regard to If-User.
func (c *sessionCall) whoever() (p *Principal, sent sessionCookie, refusal *Error) {
	if c.administrator != nil {
		return c.administrator, sessionCookie{}, nil
	}
	kind, secret, refusal := readAuthorization(c.r.Header)
	switch {
	case refusal != nil:
	case kind == schemeBearer:
		p, refusal = c.bearer(secret)
	case kind == schemeBasic:
		p, refusal = c.basic(secret)
	default:
		return c.cookie()
	}
	return p, sessionCookie{}, refusal
}

func (c *sessionCall) database() Database {
	if len(c.databases) == 1 {
		return c.databases[0]
	}
	return Database{}
}

// post makes a session of a bearer token or a password. With a good cookie it answers for
// that session and makes none: a session must not outlive its absolute limit that way.
func (c *sessionCall) post() {
	if c.administrator != nil {
		c.postAdministrator()
		return
	}
	var p *Principal
	var sent sessionCookie
	login, refusal := login{}, (*Error)(nil)
	if c.byCookie() {
		// A good cookie must not make a wrong password look right.
		login, refusal = readLogin(c.w, c.r)
	}
	switch {
	case refusal != nil:
	case login.given:
		if p, refusal = c.password(login.name, login.password); refusal == nil {
			refusal = ifUser(c.r.Header, p)
		}
	default:
		p, sent, refusal = c.caller()
	}
	switch {
	case refusal != nil:
		c.refuse(refusal)
	case p == nil:
		c.refuse(errLoginRequired())
	case c.r.URL.Query().Get("one_time") == "true":
		c.postOneTime(p)
	case p.session != nil:
		c.postCookie(p, sent)
	default:
		c.postSession(p)
	}
}

func (c *sessionCall) postSession(p *Principal) {
	x, limits := c.newSession(p)
	if x == nil {
		c.refuse(errForbidden("sessions are off here", ""))
		return
	}
	body, refusal := c.describe(p, true)
	if refusal == nil {
		_, refusal = c.s.openSession(c.w, c.r, c.site, x, limits)
	}
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	c.write(body)
}

// postCookie answers POST of somebody who has a session.
func (c *sessionCall) postCookie(p *Principal, sent sessionCookie) {
	for _, l := range c.limits() {
		if strings.EqualFold(l.Cookie, sent.name) {
			http.SetCookie(c.w, setCookie(c.r, c.site, l, l.Cookie, sent.value, time.Until(p.Expires)))
			break
		}
	}
	c.answer(p, true)
}

// postOneTime answers POST with one_time=true: a token for a WebSocket handshake, and no
// cookie.
func (c *sessionCall) postOneTime(p *Principal) {
	body, refusal := c.describe(p, true)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	id, refusal := c.s.newOneTime(c.r, p)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	body["one_time_session_id"] = id
	c.write(body)
}

// delete signs out. It always succeeds and always clears the cookie, or a browser could
// never be rid of one that it may not read: unless If-User asks for another one's session.
func (c *sessionCall) delete() {
	if hasIfUser(c.r.Header) {
		if _, _, refusal := c.caller(); refusal != nil {
			c.refuse(refusal)
			return
		}
	}
	held := c.clearCookies()
	if err := c.signOut(held); err != nil {
		// The cookie is cleared all the same, but the session goes on: say so.
		c.refuse(errInternal("ending a session", err))
		return
	}
	c.write(map[string]any{"ok": true})
}

// clearCookies deletes the caller's session cookies and returns what they named.
func (c *sessionCall) clearCookies() (held []sessionKey) {
	for _, l := range c.limits() {
		spellings := []string{l.Cookie}
		for _, sent := range readSessionCookies(c.r.Header, l.Cookie) {
			if key, ok := hashSessionID(sent.value); ok && !slices.Contains(held, key) {
				held = append(held, key)
			}
			if !slices.Contains(spellings, sent.name) {
				spellings = append(spellings, sent.name)
			}
		}
		for _, name := range spellings {
			http.SetCookie(c.w, setCookie(c.r, c.site, l, name, "", 0))
		}
	}
	return held
}

func (c *sessionCall) signOut(held []sessionKey) error {
	st := c.s.state.Load()
	var known []sessionKey
	var ended []*session
	for _, key := range held {
		x, err := st.session(c.r.Context(), key)
		if err != nil {
			return err
		}
		if x != nil && x.OneTime == nil {
			known, ended = append(known, key), append(ended, x)
		}
	}
	if len(known) == 0 {
		return nil
	}
	// A client that hangs up has signed out all the same.
	if err := st.signOut(context.WithoutCancel(c.r.Context()), known); err != nil {
		return err
	}
	for _, x := range ended {
		c.s.audit.event(c.r.Context(), auditSessionEnded, auditSessionOf(x)...)
	}
	return nil
}

// limits are the session policies that concern the call, one for each cookie name.
func (c *sessionCall) limits() []*SessionPolicy {
	var list []*SessionPolicy
	for _, db := range c.databases {
		pol := c.s.policy(db.Name)
		if pol == nil || slices.ContainsFunc(list, func(l *SessionPolicy) bool { return strings.EqualFold(l.Cookie, pol.Session.Cookie) }) {
			continue
		}
		list = append(list, &pol.Session)
	}
	return list
}

// bearer signs the token's owner in, in the first database that knows them, else in
// the first that registers them.
func (c *sessionCall) bearer(raw string) (*Principal, *Error) {
	ctx := c.r.Context()
	v, refusal := c.s.verify(ctx, raw, func(p *provider) bool {
		return slices.ContainsFunc(c.databases, func(db Database) bool { return c.admits(db, p) })
	})
	if refusal != nil {
		return nil, refusal
	}
	return c.s.tokenPrincipalIn(ctx, v, c.databases)
}

// tokenPrincipalIn is the user that a verified token is in the first of the databases that
// knows them, else in the first that registers them.
func (s *Service) tokenPrincipalIn(ctx context.Context, v *verified, databases []Database) (*Principal, *Error) {
	var first *Error
	for _, register := range []bool{false, true} {
		for _, db := range databases {
			pol := s.policy(db.Name)
			if pol == nil || !pol.admits[v.provider] {
				continue
			}
			u, refusal := s.state.Load().account(ctx, db, v.applicant, register)
			if refusal == nil && !register { // known here: follow what a newer token says
				u, refusal = s.state.Load().account(ctx, db, v.applicant, true)
			}
			if refusal == nil {
				return principalOfToken(v, db).as(u, pol), nil
			}
			if register && first == nil {
				first = refusal
			}
		}
	}
	if first == nil {
		first = errInvalidToken("provider not accepted here")
	}
	return nil, first
}

// basic signs in by the Authorization header's user name and password.
func (c *sessionCall) basic(encoded string) (*Principal, *Error) {
	name, password, err := readBasic(encoded)
	if err != nil {
		return nil, errBadLogin(err.Error())
	}
	return c.password(name, password)
}

// password signs in by user name and password, in the first of the databases with
// passwords in which the user has one.
func (c *sessionCall) password(name, password string) (*Principal, *Error) {
	var in *Database
	for i, db := range c.databases {
		if pol := c.s.policy(db.Name); pol == nil || !pol.PasswordAuth {
			continue
		}
		u, err := c.s.state.Load().user(c.r.Context(), db.ID, name)
		if err != nil {
			return nil, errInternal("signing in", err)
		}
		has := u != nil && u.Password != ""
		if in == nil || has {
			in = &c.databases[i]
		}
		if has {
			break
		}
	}
	if in == nil {
		return nil, errPasswordsOff()
	}
	u, refusal := c.s.checkPassword(c.r.Context(), *in, name, password)
	if refusal != nil {
		return nil, refusal
	}
	return passwordPrincipal(u, *in, c.s.policy(in.Name)), nil
}

func (c *sessionCall) admits(db Database, p *provider) bool {
	pol := c.s.policy(db.Name)
	return pol != nil && pol.admits[p]
}

// cookie finds the session that a cookie names, and who it is in the first of the databases
// that knows them, else in the first that registers them: asking who one is must not make an
// account where one has another. Without any cookie it returns nothing at all.
func (c *sessionCall) cookie() (*Principal, sessionCookie, *Error) {
	var refusal *Error
	found := heldSessions{}
	for _, register := range []bool{false, true} {
		for _, db := range c.databases {
			pol := c.s.policy(db.Name)
			if pol == nil || pol.Session.Off {
				continue
			}
			for _, sent := range readSessionCookies(c.r.Header, pol.Session.Cookie) {
				var p *Principal
				if p, refusal = c.signInSession(found, sent, db, register); refusal == nil {
					return p, sent, nil
				}
			}
		}
	}
	return nil, sessionCookie{}, refusal
}

// heldSessions are the sessions of cookies by their values, nil for one that names none: there
// may be thousands of databases, and the store is asked once.
type heldSessions map[string]*session

// signInSession is who the session of a cookie is in db.
func (c *sessionCall) signInSession(found heldSessions, sent sessionCookie, db Database, register bool) (*Principal, *Error) {
	ctx := c.r.Context()
	x, looked := found[sent.value]
	if key, ok := hashSessionID(sent.value); ok && !looked {
		var err error
		if x, err = c.s.state.Load().session(ctx, key); err != nil {
			return nil, errInternal("reading a session", err)
		}
		found[sent.value] = x
	}
	if x == nil {
		return nil, errInvalidSession("no such session")
	}
	p, refusal := c.s.sessionPrincipal(ctx, x, db, register)
	if refusal == nil && !register { // known here: follow what a newer token says
		p, refusal = c.s.sessionPrincipal(ctx, x, db, true)
	}
	return p, refusal
}
