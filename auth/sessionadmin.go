package auth

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// defaultAdminTTL is how long a session lives that an administrator makes, unless said
// otherwise (sync-gateway A.9).
const defaultAdminTTL = 24 * time.Hour

// maxAdminTTL is the longest life of a session, in seconds: a hundred years.
const maxAdminTTL = 100 * 365 * 24 * 3600

// postAdministrator makes a session for a user: POST /{db}/_session {"name","ttl"} on an
// administrator's site, for a backend that has its own way to sign people in. ttl is in
// seconds. The answer is the only place where the session's ID is ever told.
func (c *sessionCall) postAdministrator() {
	if c.administrator.ReadOnly {
		c.refuse(errForbidden("This access is read-only.", ""))
		return
	}
	if len(c.databases) != 1 {
		c.refuse(badRequest("name the database: POST /{db}/_session"))
		return
	}
	name, ttl, refusal := c.readSessionRequest()
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	c.makeFor(c.databases[0], name, ttl)
}

// readSessionRequest reads what an administrator asks for.
func (c *sessionCall) readSessionRequest() (name string, ttl time.Duration, _ *Error) {
	text, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxLoginBody))
	if err != nil {
		return "", 0, badRequest("the body could not be read")
	}
	body, err := parseClaims(text)
	if err != nil {
		return "", 0, badRequest(`the body must be a JSON object like {"name":"alice","ttl":3600}`)
	}
	name, err = body.text("name")
	if err != nil || name == "" || name == GuestName {
		return "", 0, badRequest("Invalid or missing user name")
	}
	given, there := body["ttl"]
	if !there {
		return name, defaultAdminTTL, nil
	}
	number, ok := given.(json.Number)
	if !ok {
		return "", 0, badRequest("Invalid or missing ttl")
	}
	seconds, err := number.Int64()
	if err != nil || seconds < 1 || seconds > maxAdminTTL {
		return "", 0, badRequest("Invalid or missing ttl")
	}
	return name, time.Duration(seconds) * time.Second, nil
}

func badRequest(reason string) *Error {
	return &Error{Status: http.StatusBadRequest, Name: "bad_request", Reason: reason}
}

func (c *sessionCall) makeFor(db Database, name string, ttl time.Duration) {
	pol := c.s.policy(db.Name)
	if pol == nil || pol.Session.Off {
		c.refuse(errForbidden("sessions are off here", ""))
		return
	}
	u, err := c.s.state.Load().user(c.r.Context(), db.ID, name)
	switch {
	case err != nil:
		c.refuse(errInternal("reading a user", err))
		return
	case u == nil:
		c.refuse(&Error{Status: http.StatusNotFound, Name: "not_found", Reason: fmt.Sprintf("No such user %q", cut(name, maxUserName))})
		return
	case u.Disabled:
		c.refuse(badRequest("User is disabled"))
		return
	}
	now := time.Now()
	x := &session{Method: MethodAdmin, DB: db.ID, User: name}
	x.stamp(c.r, now, now.Add(ttl))
	x.UserAgent, x.Address = "", "" // those of the administrator say nothing of the user
	id, err := c.s.state.Load().newSession(c.r.Context(), x)
	if err != nil {
		c.refuse(errInternal("making a session", err))
		return
	}
	c.s.audit.event(c.r.Context(), auditSessionCreated, append(auditSessionOf(x), auditActor(c.administrator))...)
	c.write(map[string]any{
		"session_id": id, "expires": rfc3339(time.UnixMilli(x.Expires)), "cookie_name": pol.Session.Cookie,
	})
}

// anySession answers GET and DELETE of /{db}/_session/{id} on an administrator's site. id
// is the session's ID or its handle.
func (c *sessionCall) anySession(id string) {
	x, db, p, refusal := c.findSession(id)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	switch c.r.Method {
	case http.MethodGet, http.MethodHead:
		body, refusal := c.describe(p, false)
		if refusal != nil {
			c.refuse(refusal)
			return
		}
		body["session"] = describeSession(x, nil)
		c.write(body)
	case http.MethodDelete:
		if c.administrator.ReadOnly {
			c.refuse(errForbidden("This access is read-only.", ""))
			return
		}
		err := c.s.state.Load().endByKey(context.WithoutCancel(c.r.Context()), x.key)
		if err != nil && !errors.Is(err, ErrNoSession) {
			c.refuse(errInternal("ending a session", err))
			return
		}
		c.s.audit.event(c.r.Context(), auditSessionEnded, append(auditSessionOf(x), auditActor(c.administrator), auditDB(db))...)
		c.write(map[string]any{"ok": true})
	default:
		c.w.Header().Set("Allow", "GET, HEAD, DELETE")
		c.refuse(&Error{Status: http.StatusMethodNotAllowed, Name: "method_not_allowed", Reason: "Only GET, HEAD and DELETE"})
	}
}

// findSession finds a session that one of the call's databases accepts, and whose it is.
func (c *sessionCall) findSession(id string) (*session, Database, *Principal, *Error) {
	ctx, st := c.r.Context(), c.s.state.Load()
	key, ok := hashSessionID(id)
	if !ok {
		var err error
		if key, err = st.keyOfHandle(ctx, id); err != nil && !errors.Is(err, ErrNoSession) {
			return nil, Database{}, nil, errInternal("reading a session", err)
		}
	}
	x, err := st.session(ctx, key)
	if err != nil {
		return nil, Database{}, nil, errInternal("reading a session", err)
	}
	if x == nil || x.OneTime != nil {
		return nil, Database{}, nil, errNoSuchSession()
	}
	for _, db := range c.databases {
		u, t, refusal := c.s.admitSession(ctx, x, db, false)
		if refusal == nil {
			return x, db, principalOfSession(x, db, t.end).as(u, c.s.policy(db.Name)), nil
		}
	}
	return nil, Database{}, nil, errNoSuchSession()
}

// keyOfHandle finds the session that a handle names: ErrNoSession.
func (s *State) keyOfHandle(ctx context.Context, handle string) (key sessionKey, err error) {
	prefix, err := hex.DecodeString(handle)
	if err != nil || len(prefix) != handleLength {
		return key, ErrNoSession
	}
	err = s.records.View(ctx, func(r syncstore.RecordReader) error {
		key = sessionKey{}
		return r.Scan(0, append([]byte(sessionPrefix), prefix...), func(k, _ []byte) error {
			if len(k) == len(sessionPrefix)+len(key) {
				copy(key[:], k[len(sessionPrefix):])
			}
			return nil
		})
	})
	if err == nil && key == (sessionKey{}) {
		err = ErrNoSession
	}
	return key, err
}

// endByKey ends a session and refuses the token that it was made from: ErrNoSession.
func (s *State) endByKey(ctx context.Context, key sessionKey) error {
	return s.update(ctx, func(tx *transaction) error { return tx.endSession(key, true) })
}
