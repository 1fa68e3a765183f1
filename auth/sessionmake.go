package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// newSession describes the session that p makes, nil if no database of the call wants
// it. It ends with the longest of their limits; each database holds it to its own.
func (c *sessionCall) newSession(p *Principal) (*session, []*SessionPolicy) {
	if p.verified != nil {
		return c.s.sessionOfToken(c.r, p.verified, c.databases, c.began)
	}
	pol := c.s.policy(p.db.Name)
	if pol == nil || pol.Session.Off {
		return nil, nil
	}
	now := time.Now()
	x := &session{Method: p.Method, DB: p.db.ID, User: p.Name, PasswordAt: p.passwordAt}
	x.stamp(c.r, now, now.Add(pol.Session.Lifetime))
	return x, []*SessionPolicy{&pol.Session}
}

// sessionOfToken describes the session that a verified token makes, and for which cookies. began is
// before it was asked whether the token was revoked.
func (s *Service) sessionOfToken(r *http.Request, v *verified, databases []Database, began time.Time) (*session, []*SessionPolicy) {
	var limits []*SessionPolicy
	var lifetime time.Duration
	untilToken := true
	for _, db := range databases {
		pol := s.policy(db.Name)
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
	expires := began.Add(lifetime)
	if untilToken && v.expires.Before(expires) {
		expires = v.expires
	}
	x := new(session)
	x.fill(v)
	x.stamp(r, began, expires)
	return x, limits
}

// fill copies what a verified token says.
func (x *session) fill(v *verified) {
	x.Provider, x.Identity, x.Name, x.FromSubject = v.provider.Name, v.identity, v.name, v.fromSubject
	x.Email, x.Roles, x.Channels = v.email, v.roles, v.channels
	x.Token, x.TokenID, x.SID = v.token[:], v.tokenID, v.sid
	x.TokenIssued, x.TokenEnd = v.issued.Unix(), v.expires.UnixMilli()
	x.Audience, x.Party = v.audience, v.party
	if v.required != nil {
		x.required = v.required
		x.Required, _ = json.Marshal(v.required) // of parsed JSON: cannot fail
	}
}

// stamp notes when and where from a session was made.
func (x *session) stamp(r *http.Request, now, expires time.Time) {
	x.Created, x.Expires, x.UserAgent = now.UnixMicro(), expires.UnixMilli(), cut(r.UserAgent(), 200)
	if addr := ClientOf(r.Context()).Addr; addr.IsValid() {
		x.Address = addr.String()
	}
}

func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// openSession stores a session and sets its cookies. It returns the session's ID.
func (s *Service) openSession(w http.ResponseWriter, r *http.Request, site *Site, x *session, limits []*SessionPolicy) (string, *Error) {
	id, err := s.state.Load().newSession(r.Context(), x)
	switch {
	case errors.Is(err, errTokenRefused):
		return "", errInvalidToken("token revoked")
	case err != nil:
		return "", errInternal("making a session", err)
	}
	for _, l := range limits {
		http.SetCookie(w, setCookie(r, site, l, l.Cookie, id, time.Until(time.UnixMilli(x.Expires))))
	}
	s.audit.event(r.Context(), auditSessionCreated, auditSessionOf(x)...)
	return id, nil
}
