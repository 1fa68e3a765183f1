package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// sessionKey is the SHA-256 of a session ID: the ID itself is never stored.
type sessionKey [sha256.Size]byte

// sessionIDLength is the length of a session ID: 256 random bits as base64url.
const sessionIDLength = 43

// session is a session as stored. It belongs to an identity, not to a database: each
// database decides by its own policy and users whether it is good there. One that a
// password or an administrator made belongs to a user of one database (DECISIONS 2).
type session struct {
	// What every request looks at stands first, see verified.
	used     atomic.Int64 // Unix milliseconds
	written  atomic.Int64 // value of used that is stored, or about to be
	bindings bindings
	Method   Method `json:"method,omitempty"`    // how its owner signed in; "" is bearer
	Created  int64  `json:"created"`             // Unix microseconds, as NotBefore
	Expires  int64  `json:"expires"`             // Unix milliseconds; absolute
	TokenEnd int64  `json:"token_end,omitempty"` // Unix milliseconds

	Provider    string          `json:"provider,omitempty"`
	Identity    Identity        `json:"identity,omitzero"`
	DB          uint32          `json:"db,omitempty"`          // of User
	User        string          `json:"user,omitempty"`        // instead of an identity
	PasswordAt  int64           `json:"password_at,omitempty"` // of User, if a password made it
	Name        string          `json:"name,omitempty"`        // that a new user would get
	FromSubject bool            `json:"from_subject,omitempty"`
	Email       string          `json:"email,omitempty"`
	Roles       []string        `json:"roles,omitempty"`
	Channels    []string        `json:"channels,omitempty"`
	Required    json.RawMessage `json:"required,omitempty"`     // claims of require rules
	Token       []byte          `json:"token,omitempty"`        // tokenKey it was made from
	TokenID     string          `json:"token_id,omitempty"`     // jti
	TokenIssued int64           `json:"token_issued,omitempty"` // Unix seconds
	Audience    []string        `json:"audience,omitempty"`     // of the token; not known of sessions of before it was stored
	Party       string          `json:"party,omitempty"`        // likewise, as authorizedParty has it
	SID         string          `json:"sid,omitempty"`
	Address     string          `json:"address,omitempty"`
	UserAgent   string          `json:"user_agent,omitempty"`

	// OneTime makes it a token for one WebSocket handshake (DECISIONS 3).
	OneTime *oneTime `json:"one_time,omitempty"`

	key      sessionKey
	identity identityKey // its owner: the identity, or the user by ownerOfUser
	sid      identityKey
	required claims
	who      atomic.Pointer[applicant]
}

const sessionPrefix, sessionOfPrefix = "auth/session/", "auth/session-of/"

func sessionRecordKey(k sessionKey) []byte { return append([]byte(sessionPrefix), k[:]...) }

// sessionOfKey is the index entry of a session under its identity.
func sessionOfKey(i identityKey, k sessionKey) []byte {
	return append(append([]byte(sessionOfPrefix), i[:]...), k[:]...)
}

// hashSessionID returns the key of a session ID as a client sent it; ok is false if it
// cannot be one.
func hashSessionID(id string) (key sessionKey, ok bool) {
	if len(id) != sessionIDLength {
		return sessionKey{}, false
	}
	var text [sessionIDLength]byte // converting would take memory for each request
	copy(text[:], id)
	return sha256.Sum256(text[:]), true
}

// SessionInfo describes a session to its user and to administrators. Nothing in it can
// be used to sign in.
type SessionInfo struct {
	// Handle names the session in EndSession. It is no secret and not the session's ID.
	Handle string
	// Method is how its owner signed in: bearer, basic for a password, or admin for a
	// session that an administrator made.
	Method    Method
	Provider  string
	Identity  Identity
	TokenID   string
	Created   time.Time
	LastUsed  time.Time // to the minute
	Expires   time.Time
	Address   string
	UserAgent string
}

// handleLength is how much of the key is in a handle, in bytes.
const handleLength = 16

func (x *session) handle() string { return hex.EncodeToString(x.key[:handleLength]) }

// heardBy reports whether the token that the session was made of is for one of a provider's clients. A session of before
// that was stored goes on.
func (x *session) heardBy(pr *provider) bool {
	return len(x.Audience) == 0 || pr.hears(x.Audience, x.Party)
}

func (x *session) method() Method {
	if x.Method == "" {
		return MethodBearer
	}
	return x.Method
}

// setOwner derives what keys and indexes need from what is stored.
func (x *session) setOwner() {
	x.identity, x.sid = x.Identity.key(), sidKey(x.Identity.Issuer, x.SID)
	if x.User != "" {
		x.identity, x.sid = ownerOfUser(userRef{x.DB, x.User}), identityKey{}
	}
}

// setUsed says when the session was last used, in Unix milliseconds, by what is stored.
func (x *session) setUsed(ms int64) {
	x.used.Store(ms)
	x.written.Store(ms)
}

// owners are the keys under which the session is found.
func (x *session) owners() []identityKey {
	if x.sid == (identityKey{}) {
		return []identityKey{x.identity}
	}
	return []identityKey{x.identity, x.sid}
}

func (x *session) info() SessionInfo {
	return SessionInfo{
		Handle: x.handle(), Method: x.method(), Provider: x.Provider, Identity: x.Identity,
		TokenID: x.TokenID, Created: time.UnixMicro(x.Created), LastUsed: time.UnixMilli(x.used.Load()),
		Expires: time.UnixMilli(x.Expires), Address: x.Address, UserAgent: x.UserAgent,
	}
}

// newSession stores a session and returns it with its ID, which exists nowhere else:
// errTokenRefused if the token that it is made from was revoked meanwhile.
func (s *State) newSession(ctx context.Context, x *session) (id string, err error) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	id = base64.RawURLEncoding.EncodeToString(random[:])
	x.key, _ = hashSessionID(id)
	x.setOwner()
	x.setUsed(x.Created / 1000)
	expires := x.recordExpiry()
	err = s.update(ctx, func(tx *transaction) error {
		switch refused, err := refusesToken(tx, x.Token); {
		case err != nil:
			return err
		case refused:
			return errTokenRefused
		}
		// Without an event: nobody can know a session that is new.
		for _, owner := range x.owners() {
			tx.Put(0, sessionOfKey(owner, x.key), []byte{1}, expires)
		}
		return tx.putJSON(0, sessionRecordKey(x.key), x, expires)
	})
	if err != nil {
		return "", fmt.Errorf("storing a session: %w", err)
	}
	return id, nil
}

// recordExpiry is when the store may drop the session: its end, in whole seconds.
func (x *session) recordExpiry() time.Time { return time.UnixMilli(x.Expires).Add(time.Second) }

// session returns a stored session, nil if there is none. It may have expired.
func (s *State) session(ctx context.Context, key sessionKey) (*session, error) {
	if x, ok := s.sessions.get(key); ok {
		return x, nil
	}
	epoch, used := s.sessions.epoch(key), s.touched.lastUse(key)
	var x *session
	err := s.records.View(ctx, func(r syncstore.RecordReader) error {
		var err error
		x, err = readSession(r, key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading a session: %w", err)
	}
	if x != nil {
		x.setUsed(max(used, x.used.Load()))
		s.sessions.putIf(key, x, epoch)
	}
	return x, nil
}

func readSession(r syncstore.RecordReader, key sessionKey) (*session, error) {
	x := &session{key: key}
	found, err := readJSON(r, 0, sessionRecordKey(key), x)
	if !found {
		return nil, err
	}
	x.setOwner()
	used, ok, err := readLastUse(r, key)
	if err != nil {
		return nil, err
	}
	if !ok {
		used = x.Created / 1000
	}
	x.setUsed(used)
	if x.Required != nil {
		if x.required, err = parseClaims(x.Required); err != nil {
			return nil, fmt.Errorf("%w: %w", syncstore.ErrDamaged, err)
		}
	}
	return x, nil
}

// endSession deletes a session and so ends its leases; refuse also refuses the token
// that it was made from: ErrNoSession.
func (tx *transaction) endSession(key sessionKey, refuse bool) error {
	x, err := readSession(tx, key)
	if err != nil {
		return err
	}
	if x == nil {
		return ErrNoSession
	}
	tx.end(x, refuse)
	return nil
}

// end is endSession for a session as it is stored.
func (tx *transaction) end(x *session, refuse bool) {
	key := x.key
	tx.Delete(0, sessionRecordKey(key))
	tx.Delete(0, sessionUsedKey(key))
	for _, owner := range x.owners() {
		tx.Delete(0, sessionOfKey(owner, key))
	}
	if refuse && len(x.Token) > 0 {
		var token tokenKey
		copy(token[:], x.Token)
		tx.refuseToken(x.identity, token, time.UnixMilli(x.TokenEnd))
	}
	tx.events = append(tx.events, event{Kind: eventSession, Session: key[:]})
}

// signOut ends the sessions that the caller holds the IDs of. Their tokens stay good:
// it is one's own doing (DECISIONS 4).
func (s *State) signOut(ctx context.Context, held []sessionKey) error {
	return s.update(ctx, func(tx *transaction) error {
		for _, key := range held {
			if err := tx.endSession(key, false); err != nil && !errors.Is(err, ErrNoSession) {
				return err
			}
		}
		return nil
	})
}

// sessionsOf lists the keys of an identity's sessions.
func sessionsOf(r syncstore.RecordReader, identity identityKey) ([]sessionKey, error) {
	var list []sessionKey
	prefix := append([]byte(sessionOfPrefix), identity[:]...)
	err := r.Scan(0, prefix, func(key, _ []byte) error {
		if len(key) == len(prefix)+len(sessionKey{}) {
			list = append(list, sessionKey(key[len(prefix):]))
		}
		return nil
	})
	return list, err
}

// maxListed is how many sessions are listed. Whoever signs in often, without ever signing out, has
// hundreds of thousands.
const maxListed = 1000

// Sessions lists the sessions of a user's identities, those last used first, of more than maxListed
// only these: ErrNoUser.
func (s *State) Sessions(ctx context.Context, db uint32, name string) ([]SessionInfo, error) {
	var list []SessionInfo
	err := s.records.View(ctx, func(r syncstore.RecordReader) error {
		list = nil
		return eachSession(r, db, name, func(x *session) error {
			if kept, ok := s.sessions.get(x.key); ok {
				x = kept // knows better when it was used last
			}
			if list = append(list, x.info()); len(list) == 2*maxListed {
				list = lastUsed(list)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	return lastUsed(list), nil
}

// lastUsed sorts a list, and returns the part that is told.
func lastUsed(list []SessionInfo) []SessionInfo {
	slices.SortFunc(list, func(a, b SessionInfo) int { return b.LastUsed.Compare(a.LastUsed) })
	return list[:min(len(list), maxListed)]
}

func eachSession(r syncstore.RecordReader, db uint32, name string, fn func(*session) error) error {
	u := new(User)
	found, err := readJSON(r, db, userRecordKey(name), u)
	if err != nil {
		return err
	}
	if !found {
		return ErrNoUser
	}
	for _, owner := range u.owners(db) {
		keys, err := sessionsOf(r, owner)
		if err != nil {
			return err
		}
		for _, key := range keys {
			x, err := readSession(r, key)
			if err != nil {
				return err
			}
			if x == nil || x.OneTime != nil {
				continue // expired between the two reads of a store that is not a snapshot
			}
			if err := fn(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// owners are the keys under which a user's sessions are found.
func (u *User) owners(db uint32) []identityKey {
	list := []identityKey{ownerOfUser(userRef{db, u.Name})}
	for _, id := range u.Identities {
		list = append(list, id.key())
	}
	return list
}

// EndSession ends one of a user's sessions by its handle, ends its leases, and refuses
// the token that it was made from (DECISIONS 4): ErrNoUser, ErrNoSession.
func (s *State) EndSession(ctx context.Context, db uint32, name, handle string) error {
	// Not by a look at all of the user's, which every write would wait for.
	key, err := s.keyOfHandle(ctx, handle)
	if err != nil && !errors.Is(err, ErrNoSession) {
		return err
	}
	return s.update(ctx, func(tx *transaction) error {
		u, err := tx.user(db, name)
		if err != nil {
			return err
		}
		x, err := readSession(tx, key)
		if err != nil {
			return err
		}
		if x == nil || x.OneTime != nil || !slices.Contains(u.owners(db), x.identity) {
			return ErrNoSession
		}
		tx.end(x, true)
		return nil
	})
}

// EndAllSessions ends all sessions of a user's identities with their leases, and
// refuses in this database all tokens issued to them so far, and everywhere those that
// the sessions were made from (DECISIONS 4): ErrNoUser.
func (s *State) EndAllSessions(ctx context.Context, db uint32, name string) error {
	return s.endAllSessions(ctx, []userRef{{db, name}})
}

// endAllSessions is EndAllSessions for somebody who is a user of several databases: the
// tokens are refused in all of them, or nothing is ended.
func (s *State) endAllSessions(ctx context.Context, accounts []userRef) error {
	return s.update(ctx, func(tx *transaction) error {
		for _, ref := range accounts {
			u, err := tx.user(ref.db, ref.name)
			if err != nil {
				return err
			}
			if err := tx.revokeIdentities(ref.db, u); err != nil {
				return err
			}
			u.NotBefore = max(u.NotBefore, time.Now().UnixMicro())
			if err := tx.endSessionsOf(ref.db, u, true); err != nil {
				return err
			}
			if err := tx.putUser(ref.db, u); err != nil {
				return err
			}
		}
		return nil
	})
}
