package auth

import (
	"context"
	"encoding/json"
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
}

// ServeSession answers GET, HEAD, POST and DELETE of /{db}/_session, and of /_session
// with db nil (and names = the site's databases): the same thing (DECISIONS 2). CORS
// and the cross-origin check have been done. Answers have Sync Gateway's and CouchDB's
// members in one.
func (s *Service) ServeSession(w http.ResponseWriter, r *http.Request, site *Site, db *Database, names []Database) {
	if db != nil {
		names = []Database{*db}
	}
	c := &sessionCall{s: s, w: w, r: r, site: site, databases: names}
	h := w.Header()
	h.Set("Cache-Control", "no-store") // DECISIONS 13
	h.Set("X-Content-Type-Options", "nosniff")
	addVary(h, "Origin", "Cookie", "Authorization")
	if s.state.Load() == nil {
		c.refuse(errTryLater("not started", time.Second, ""))
		return
	}
	if site != nil && site.Admin != nil {
		p, refusal := s.administrator(r, site.Admin, c.database())
		if refusal != nil {
			c.refuse(refusal)
			return
		}
		c.administrator = p
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		c.get()
	case http.MethodPost:
		c.post()
	case http.MethodDelete:
		c.delete()
	default:
		h.Set("Allow", "GET, HEAD, POST, DELETE")
		c.refuse(&Error{Status: http.StatusMethodNotAllowed, Name: "method_not_allowed", Reason: "Only GET, HEAD, POST and DELETE"})
	}
}

// get says who the caller is: 200 also for nobody, unless there is a bad bearer. A
// stale cookie is nobody's.
func (c *sessionCall) get() {
	if c.administrator != nil {
		c.answer(c.administrator, false)
		return
	}
	kind, raw, refusal := readAuthorization(c.r.Header)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	if kind == schemeBasic {
		c.refuse(errPasswordsOff())
		return
	}
	if kind == schemeBearer {
		p, _, refusal := c.bearer(raw)
		if refusal != nil {
			c.refuse(refusal)
			return
		}
		c.answer(p, false)
		return
	}
	p, _, refusal := c.cookie()
	if refusal != nil && refusal.Status >= http.StatusInternalServerError {
		c.refuse(refusal)
		return
	}
	c.answer(p, false)
}

func (c *sessionCall) database() Database {
	if len(c.databases) == 1 {
		return c.databases[0]
	}
	return Database{}
}

// post makes a bearer token a session. With a good cookie it answers for that session
// and makes none: a session must not outlive its absolute limit that way.
func (c *sessionCall) post() {
	kind, raw, refusal := readAuthorization(c.r.Header)
	switch {
	case refusal != nil:
		c.refuse(refusal)
	case kind == schemeBearer:
		c.postBearer(raw)
	case kind == schemeBasic:
		c.refuse(errPasswordsOff())
	default:
		c.postCookie()
	}
}

func (c *sessionCall) postBearer(raw string) {
	p, v, refusal := c.bearer(raw)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	x, limits := c.newSession(v)
	if x == nil {
		c.refuse(errForbidden("sessions are off here", ""))
		return
	}
	id, err := c.s.state.Load().newSession(c.r.Context(), x)
	if err != nil {
		c.refuse(errInternal("making a session", err))
		return
	}
	for _, l := range limits {
		http.SetCookie(c.w, setCookie(c.r, c.site, l, l.Cookie, id, time.Until(time.UnixMilli(x.Expires))))
	}
	c.answer(p, true)
}

// postCookie answers POST without an Authorization header.
func (c *sessionCall) postCookie() {
	login, refusal := c.namesUser()
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	if login {
		// A good cookie must not make a wrong password look right.
		c.refuse(errPasswordsOff())
		return
	}
	p, sent, refusal := c.cookie()
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	if p == nil {
		c.refuse(errLoginRequired())
		return
	}
	for _, l := range c.limits() {
		if strings.EqualFold(l.Cookie, sent.name) {
			http.SetCookie(c.w, setCookie(c.r, c.site, l, l.Cookie, sent.value, time.Until(p.Expires)))
			break
		}
	}
	c.answer(p, true)
}

// delete signs out. It always succeeds and always clears the cookie, or a browser could
// never be rid of one that it may not read.
func (c *sessionCall) delete() {
	var held []sessionKey
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
	if err := c.signOut(held); err != nil {
		// The cookie is cleared all the same, but the session goes on: say so.
		c.refuse(errInternal("ending a session", err))
		return
	}
	c.write(http.StatusOK, map[string]any{"ok": true})
}

func (c *sessionCall) signOut(held []sessionKey) error {
	st := c.s.state.Load()
	var known []sessionKey
	for _, key := range held {
		x, err := st.session(c.r.Context(), key)
		if err != nil {
			return err
		}
		if x != nil {
			known = append(known, key)
		}
	}
	if len(known) == 0 {
		return nil
	}
	// A client that hangs up has signed out all the same.
	return st.signOut(context.WithoutCancel(c.r.Context()), known)
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
func (c *sessionCall) bearer(raw string) (*Principal, *verified, *Error) {
	ctx := c.r.Context()
	v, refusal := c.s.verify(ctx, raw, func(p *provider) bool {
		return slices.ContainsFunc(c.databases, func(db Database) bool { return c.admits(db, p) })
	})
	if refusal != nil {
		return nil, nil, refusal
	}
	var first *Error
	for _, register := range []bool{false, true} {
		for _, db := range c.databases {
			if !c.admits(db, v.provider) {
				continue
			}
			u, refusal := c.s.state.Load().account(ctx, db, v.applicant, register)
			if refusal == nil {
				p := principalOfToken(v, db)
				p.Name = u.Name
				return p, v, nil
			}
			if register && first == nil {
				first = refusal
			}
		}
	}
	if first == nil {
		first = errInvalidToken("provider not accepted here")
	}
	return nil, nil, first
}

func (c *sessionCall) admits(db Database, p *provider) bool {
	pol := c.s.policy(db.Name)
	return pol != nil && pol.admits[p]
}

// cookie finds the session that a cookie names and that one of the databases accepts.
// Without any cookie it returns nothing at all.
func (c *sessionCall) cookie() (*Principal, sessionCookie, *Error) {
	var refusal *Error
	for _, db := range c.databases {
		pol := c.s.policy(db.Name)
		if pol == nil || pol.Session.Off {
			continue
		}
		for _, sent := range readSessionCookies(c.r.Header, pol.Session.Cookie) {
			p, err := c.s.signInCookies(c.r.Context(), []sessionCookie{sent}, db)
			if err == nil {
				return p, sent, nil
			}
			refusal = err
		}
	}
	return nil, sessionCookie{}, refusal
}

// newSession describes the session that v makes, nil if no database of the call wants
// sessions of its provider. It ends with the longest of their limits; each database
// holds it to its own.
func (c *sessionCall) newSession(v *verified) (*session, []*SessionPolicy) {
	var limits []*SessionPolicy
	var lifetime time.Duration
	untilToken := true
	for _, db := range c.databases {
		pol := c.s.policy(db.Name)
		if pol == nil || pol.Session.Off || !pol.admits[v.provider] {
			continue
		}
		lifetime = max(lifetime, pol.Session.Lifetime)
		untilToken = untilToken && pol.Session.UntilTokenExpiry
		if !slices.ContainsFunc(limits, func(l *SessionPolicy) bool { return strings.EqualFold(l.Cookie, pol.Session.Cookie) }) {
			limits = append(limits, &pol.Session)
		}
	}
	if len(limits) == 0 {
		return nil, nil
	}
	now := time.Now()
	expires := now.Add(lifetime)
	if untilToken && v.expires.Before(expires) {
		expires = v.expires
	}
	x := &session{
		Provider: v.provider.Name, Identity: v.identity, Name: v.name, FromSubject: v.fromSubject,
		Email: v.email, Roles: v.roles, Created: now.UnixMicro(), Expires: expires.UnixMilli(),
		Token: v.token[:], TokenID: v.tokenID, TokenIssued: v.issued.Unix(), TokenEnd: v.expires.UnixMilli(),
		SID: v.sid, UserAgent: cut(c.r.UserAgent(), 200),
	}
	if addr := ClientOf(c.r.Context()).Addr; addr.IsValid() {
		x.Address = addr.String()
	}
	if v.required != nil {
		x.required = v.required
		x.Required, _ = json.Marshal(v.required) // of parsed JSON: cannot fail
	}
	return x, limits
}

func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
