package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// Identity is somebody at a provider. Only the pair is unique.
type Identity struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// identityKey stands for an Identity in keys.
type identityKey [sha256.Size]byte

func (i Identity) key() identityKey {
	// An issuer holds no line break: newProvider sees to that.
	return sha256.Sum256([]byte(i.Issuer + "\n" + i.Subject))
}

// sidKey stands for a provider's session in the place of an identity. No issuer begins
// with a zero byte.
func sidKey(issuer, sid string) identityKey {
	if sid == "" {
		return identityKey{}
	}
	return sha256.Sum256([]byte("\x00sid\n" + issuer + "\n" + sid))
}

// ownerOfUser stands for a user of a database where sessions belong to one and not to an
// identity.
func ownerOfUser(u userRef) identityKey {
	return sha256.Sum256(fmt.Appendf(nil, "\x00user\n%d\n%s", u.db, u.name))
}

// identityRef is an identity in a database.
type identityRef struct {
	db  uint32
	key identityKey
}

// identityRecord binds an identity to a user of one database. It outlives the user,
// because of NotBefore.
type identityRecord struct {
	Identity
	// User is the user's name, fixed at the first sign-in; "" after the user was deleted.
	User string `json:"user,omitempty"`
	// NotBefore (Unix microseconds): tokens issued and sessions made earlier are
	// refused, and sessions made of such tokens (DECISIONS 4).
	NotBefore int64 `json:"not_before,omitempty"`
	// GrantsAt is the iat (Unix seconds) of the token that the user's roles follow.
	GrantsAt int64 `json:"grants_at,omitempty"`
	// LogoutID is the jti of the logout token that NotBefore is from.
	LogoutID string `json:"logout_id,omitempty"`
}

// revoked reports whether the record's NotBefore refuses what was issued then. Tokens
// carry whole seconds; a session that is not younger by a microsecond was there. One that is younger may
// be of a token that is refused: another database took that.
func (r *identityRecord) revoked(v *applicant) bool {
	if v.session && v.issued.UnixMicro() <= r.NotBefore {
		return true
	}
	return v.grantsAt.Unix() < r.NotBefore/1e6
}

func identityRecordKey(k identityKey) []byte {
	return append([]byte("auth/identity/"), k[:]...)
}

// applicant is what a verified token or a session says about who signs in.
type applicant struct {
	provider    *provider
	identity    Identity
	key         identityKey
	name        string
	fromSubject bool
	email       string
	roles       []string
	channels    []string
	sid         identityKey // of the provider's session; zero if unknown
	issued      time.Time   // token's iat, or when the session was made
	grantsAt    time.Time   // iat of the token that roles and email are from
	token       tokenKey    // zero for a session
	session     bool
}

func newApplicant(v *verified) *applicant {
	return &applicant{
		provider: v.provider, identity: v.identity, key: v.key, name: v.name, fromSubject: v.fromSubject,
		email: v.email, roles: v.roles, channels: v.channels, sid: sidKey(v.identity.Issuer, v.sid),
		issued: v.issued, grantsAt: v.issued, token: v.token,
	}
}

// noRecord is cached where there is no record of an identity for the whole store, which
// is the rule.
var noRecord = new(identityRecord)

// identity returns an identity's record in a database, nil if there is none.
func (s *State) identity(ctx context.Context, ref identityRef) (*identityRecord, error) {
	if rec, ok := s.identities.get(ref); ok {
		if rec == noRecord {
			return nil, nil
		}
		return rec, nil
	}
	epoch := s.identities.epoch(ref)
	var rec *identityRecord
	err := s.records.View(ctx, func(r syncstore.RecordReader) error {
		var err error
		rec, err = readIdentity(r, ref)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading an identity: %w", err)
	}
	switch {
	case rec != nil:
		s.identities.putIf(ref, rec, epoch)
	case ref.db == 0:
		s.identities.putIf(ref, noRecord, epoch)
	}
	return rec, nil
}

func readIdentity(r syncstore.RecordReader, ref identityRef) (*identityRecord, error) {
	rec := new(identityRecord)
	found, err := readJSON(r, ref.db, identityRecordKey(ref.key), rec)
	if !found {
		return nil, err
	}
	return rec, nil
}

// readJSON reads a record into v and reports whether it is there.
func readJSON(r syncstore.RecordReader, db uint32, key []byte, v any) (bool, error) {
	text, err := r.Get(db, key)
	if errors.Is(err, syncstore.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, decodeJSON(text, v)
}

func decodeJSON(text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%w: %w", syncstore.ErrDamaged, err)
	}
	return nil
}

// account returns the enabled user that the applicant is in db. If there is none yet
// and register is set, it makes or binds one as far as DECISIONS 1 allows.
func (s *State) account(ctx context.Context, db Database, a *applicant, register bool) (*User, *Error) {
	ref := identityRef{db.ID, a.key}
	rec, err := s.identity(ctx, ref)
	if err != nil {
		return nil, errInternal("signing in", err)
	}
	if refusal := s.checkLogout(ctx, a); refusal != nil {
		return nil, refusal
	}
	var u *User
	if rec != nil && rec.User != "" {
		if u, err = s.user(ctx, db.ID, rec.User); err != nil {
			return nil, errInternal("signing in", err)
		}
	}
	switch {
	case u != nil && u.Disabled:
		return nil, errDisabled(a)
	case s.revoked(rec, a):
		return nil, errSignedOut(rec, a)
	case u != nil && register && u.outdated(a, rec):
		return s.follow(ctx, db, a, u)
	case u != nil:
		return u, nil
	case register:
		return s.admitNew(ctx, db, a)
	}
	return nil, errNotRegistered(a)
}

// revoked reports whether what the applicant shows was revoked (DECISIONS 4). rec may be nil.
func (s *State) revoked(rec *identityRecord, a *applicant) bool {
	return rec != nil && rec.revoked(a) || !a.session && s.refused.has(a.token)
}

// revokedIn is revoked by what is stored, for a transaction that rests on it: between a look at what is cached and that,
// what the applicant shows may have been revoked.
func revokedIn(r syncstore.RecordReader, rec *identityRecord, a *applicant) (bool, error) {
	if rec != nil && rec.revoked(a) {
		return true, nil
	}
	if a.session {
		return false, nil
	}
	return refusesToken(r, a.token[:])
}

// errSignedOut refuses what was revoked. rec may be nil.
func errSignedOut(rec *identityRecord, a *applicant) *Error {
	switch {
	case a.session && rec != nil && a.issued.UnixMicro() > rec.NotBefore:
		return errInvalidSession("made from a token of before all sessions were ended")
	case a.session:
		return errInvalidSession("made before all sessions were ended")
	}
	return errInvalidToken("token revoked")
}

func errNotRegistered(a *applicant) *Error {
	if a.session {
		return errInvalidSession("the session's identity has no user here")
	}
	return errInvalidToken("no such user")
}

func errDisabled(a *applicant) *Error {
	if a.session {
		return errInvalidSession("user is disabled")
	}
	return errInvalidToken("user is disabled")
}

// admitNew signs an identity in for the first time.
func (s *State) admitNew(ctx context.Context, db Database, a *applicant) (*User, *Error) {
	// Look first: who may not come in must not cost a write.
	var refusal *Error
	err := s.records.View(ctx, func(r syncstore.RecordReader) error {
		var err error
		_, refusal, err = decideNew(r, db, a)
		return err
	})
	if errors.Is(err, errAlreadyBound) {
		return s.account(ctx, db, a, false)
	}
	if err != nil {
		return nil, errInternal("signing in", err)
	}
	if refusal != nil {
		return nil, refusal
	}
	var u *User
	err = s.update(ctx, func(tx *transaction) error {
		ref := identityRef{db.ID, a.key}
		rec, err := readIdentity(tx, ref)
		if err != nil {
			return err
		}
		put := tx.putIdentity
		if rec == nil {
			rec, put = &identityRecord{Identity: a.identity}, tx.putNewIdentity
		}
		if u, refusal, err = decideNew(tx, db, a); err != nil || refusal != nil {
			return err
		}
		u.Identities = append(u.Identities, a.identity)
		u.take(a)
		rec.User, rec.GrantsAt = u.Name, a.grantsAt.Unix()
		if err := tx.putUser(db.ID, u); err != nil {
			return err
		}
		return put(ref, rec)
	})
	if errors.Is(err, errAlreadyBound) {
		return s.account(ctx, db, a, false) // another request was faster
	}
	if err != nil {
		return nil, errInternal("signing in", err)
	}
	return u, refusal
}

// errAlreadyBound: the identity got its user meanwhile.
var errAlreadyBound = errors.New("identity is bound already")

// decideNew returns the user that an identity without one becomes: a new one, or an
// account that nobody else can own (DECISIONS 1).
func decideNew(r syncstore.RecordReader, db Database, a *applicant) (*User, *Error, error) {
	rec, err := readIdentity(r, identityRef{db.ID, a.key})
	if err != nil {
		return nil, nil, err
	}
	if rec != nil && rec.User != "" {
		return nil, nil, errAlreadyBound
	}
	switch revoked, err := revokedIn(r, rec, a); {
	case err != nil:
		return nil, nil, err
	case revoked:
		return nil, errSignedOut(rec, a), nil
	}
	u := new(User)
	found, err := readJSON(r, db.ID, userRecordKey(a.name), u)
	switch {
	case err != nil:
		return nil, nil, err
	case !found && !a.provider.Register:
		return nil, errNotRegistered(a), nil
	case !found:
		return newUser(a.name), nil, nil
	case len(u.Identities) == 0 && u.opensTo(a):
		if u.Disabled {
			return nil, errDisabled(a), nil
		}
		u.FirstUse = false
		return u, nil, nil
	}
	refusal := errForbidden("the user name belongs to another account",
		fmt.Sprintf("identity %q of issuer %q asked for the existing user %q", a.identity.Subject, a.identity.Issuer, a.name))
	refusal.audit = true
	return nil, refusal, nil
}

// opensTo reports whether an identity that asks for the name of u, which no identity has,
// may become u (DECISIONS 1).
func (u *User) opensTo(a *applicant) bool {
	switch {
	case u.FirstUse:
		return true
	case u.TokenIssuer != "": // imported with its issuer
		return u.TokenIssuer == a.identity.Issuer
	}
	return a.fromSubject && u.Password == ""
}

// follow writes what a newer token says about the user old. While the store takes no
// writes, the user goes on as they are: reading does not end with the disk's space.
func (s *State) follow(ctx context.Context, db Database, a *applicant, old *User) (*User, *Error) {
	ref := identityRef{db.ID, a.key}
	var u *User
	var refusal *Error
	err := s.update(ctx, func(tx *transaction) error {
		u, refusal = nil, nil
		rec, err := readIdentity(tx, ref)
		if err != nil {
			return err
		}
		switch revoked, err := revokedIn(tx, rec, a); {
		case err != nil:
			return err
		case revoked:
			refusal = errSignedOut(rec, a)
			return nil
		case rec == nil || rec.User == "":
			return ErrNoUser
		}
		if u, err = tx.user(db.ID, rec.User); err != nil {
			return err
		}
		if !u.outdated(a, rec) {
			return nil
		}
		u.take(a)
		rec.GrantsAt = a.grantsAt.Unix()
		if err := tx.putUser(db.ID, u); err != nil {
			return err
		}
		return tx.putIdentity(ref, rec)
	})
	switch {
	case errors.Is(err, ErrNoUser):
		return nil, errNotRegistered(a)
	case errors.Is(err, syncstore.ErrInsufficientStorage), errors.Is(err, syncstore.ErrUnavailable):
		return old, nil
	case err != nil:
		return nil, errInternal("updating a user at sign-in", err)
	case refusal != nil:
		return nil, refusal
	case u.Disabled:
		return nil, errDisabled(a)
	}
	return u, nil
}
