package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// oneTimeLifetime is how long a one-time token may wait for its handshake (DECISIONS 3).
const oneTimeLifetime = time.Minute

// oneTime is what makes a session record a token for one WebSocket handshake: browsers
// cannot send headers with one. The connection has the lease of what the token was
// bought with: a session, a bearer token or a password.
type oneTime struct {
	Parent     []byte `json:"parent,omitempty"` // sessionKey
	Signer     []byte `json:"signer,omitempty"` // of a bearer token
	Algorithm  string `json:"alg,omitempty"`    // likewise
	Access     bool   `json:"access,omitempty"` // likewise: it is an access token
	PasswordAt int64  `json:"password_at,omitempty"`
}

// newOneTime makes a one-time token for a principal that just signed in.
func (s *Service) newOneTime(r *http.Request, p *Principal) (id string, refusal *Error) {
	now := time.Now()
	x := &session{Method: p.Method, OneTime: new(oneTime)}
	switch {
	case p.session != nil:
		x.OneTime.Parent = p.session.key[:]
		x.Provider, x.Identity, x.DB, x.User = p.session.Provider, p.session.Identity, p.session.DB, p.session.User
	case p.verified != nil:
		x.fill(p.verified)
		x.OneTime.fill(p.verified)
	case p.passwordAt != 0:
		x.DB, x.User, x.OneTime.PasswordAt = p.db.ID, p.Name, p.passwordAt
	default:
		return "", errLoginRequired() // a guest needs none
	}
	x.stamp(r, now, now.Add(oneTimeLifetime))
	id, err := s.state.Load().newSession(r.Context(), x)
	switch {
	case errors.Is(err, errTokenRefused):
		return "", errInvalidToken("token revoked")
	case err != nil:
		return "", errInternal("making a one-time token", err)
	}
	return id, nil
}

// fill copies what is kept of a bearer token beside what a session has of it.
func (o *oneTime) fill(v *verified) {
	o.Signer, o.Algorithm, o.Access = v.signer[:], v.algorithm, v.access
}

// readSocketToken returns the one-time token that a WebSocket handshake carries as a
// subprotocol: the cookie's name, or Sync Gateway's default, before the token.
func readSocketToken(r *http.Request, cookie string) (id string, ok bool) {
	if r.Method != http.MethodGet || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return "", false
	}
	for _, line := range r.Header["Sec-Websocket-Protocol"] {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.Trim(name, " \t")
			for _, prefix := range [...]string{cookie, DefaultCookie} {
				if id, ok := strings.CutPrefix(name, prefix+"_"); ok {
					return id, true
				}
			}
		}
	}
	return "", false
}

// signInOnce uses a one-time token up. Ordinary session IDs are not taken here.
func (s *Service) signInOnce(ctx context.Context, id string, db Database, pol *policy) (*Principal, *Error) {
	key, ok := hashSessionID(id)
	if !ok {
		return nil, errInvalidSession("malformed one-time token")
	}
	x, err := s.state.Load().useOneTime(ctx, key)
	switch {
	case err != nil:
		return nil, errInternal("using a one-time token", err)
	case x == nil:
		return nil, errInvalidSession("no such one-time token")
	case time.Now().UnixMilli() >= x.Expires:
		return nil, errInvalidSession("one-time token expired")
	}
	var p *Principal
	var refusal *Error
	switch {
	case x.OneTime.Parent != nil:
		p, refusal = s.parentPrincipal(ctx, x, db)
	case x.User != "":
		p = &Principal{Name: x.User, db: Database{Name: db.Name, ID: x.DB}, passwordAt: x.OneTime.PasswordAt}
		if x.DB != db.ID {
			return nil, errInvalidSession("one-time token of another database")
		}
		var u *User
		if u, pol, refusal = s.judgeUser(ctx, p); refusal == nil {
			p.as(u, pol)
		}
	default:
		p, refusal = s.oneTimeBearer(ctx, x, db, pol)
	}
	if refusal != nil {
		return nil, refusal
	}
	once := *p // p may be shared: as a cookie's it goes on
	once.Method = MethodOnce
	return &once, nil
}

func (s *Service) parentPrincipal(ctx context.Context, x *session, db Database) (*Principal, *Error) {
	parent, err := s.state.Load().session(ctx, sessionKey(x.OneTime.Parent))
	if err != nil {
		return nil, errInternal("reading a session", err)
	}
	if parent == nil {
		return nil, errInvalidSession("the one-time token's session ended")
	}
	return s.sessionPrincipal(ctx, parent, db, true)
}

// oneTimeBearer is the principal of the bearer token that x was bought with.
func (s *Service) oneTimeBearer(ctx context.Context, x *session, db Database, pol *policy) (*Principal, *Error) {
	pr := s.provider(x.Provider, x.Identity.Issuer)
	if pr == nil || !pol.admits[pr] {
		return nil, errInvalidSession("provider not accepted here")
	}
	v := &verified{
		provider: pr, identity: x.Identity, key: x.identity, tokenID: x.TokenID, sid: x.SID,
		name: x.Name, fromSubject: x.FromSubject, email: x.Email, roles: x.Roles, channels: x.Channels,
		audience: x.Audience, party: x.Party, required: x.required,
		algorithm: x.OneTime.Algorithm, access: x.OneTime.Access,
		issued: time.Unix(x.TokenIssued, 0), expires: time.UnixMilli(x.TokenEnd),
	}
	copy(v.token[:], x.Token)
	copy(v.signer[:], x.OneTime.Signer)
	v.applicant = newApplicant(v)
	p, refusal := s.tokenPrincipal(ctx, v, db, pol)
	if refusal != nil {
		return nil, refusal
	}
	_, refusal = s.judgeToken(ctx, p)
	return p, refusal
}

// useOneTime takes a one-time token out of the store, so that of two uses at once one
// gets it. It returns nil if there is none.
func (s *State) useOneTime(ctx context.Context, key sessionKey) (*session, error) {
	// Look first: a token that somebody made up must not cost a write.
	if x, err := s.session(ctx, key); err != nil || x == nil {
		return nil, err
	}
	var used *session
	err := s.update(ctx, func(tx *transaction) error {
		used = nil
		x, err := readSession(tx, key)
		if err != nil || x == nil || x.OneTime == nil {
			return err
		}
		if err := tx.endSession(key, false); err != nil && !errors.Is(err, ErrNoSession) {
			return err
		}
		used = x
		return nil
	})
	return used, err
}
