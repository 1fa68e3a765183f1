package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// event is an entry of the store's auth log: what a change makes stale. It names keys,
// not contents, so applying it twice or late does no harm. Every node follows the log
// (DECISIONS 36); the node that made the change applies it at once.
type event struct {
	Kind     string `json:"k"`
	DB       uint32 `json:"db,omitempty"`
	Name     string `json:"n,omitempty"`
	Session  []byte `json:"s,omitempty"` // sessionKey
	Identity []byte `json:"i,omitempty"` // identityKey
	Token    []byte `json:"t,omitempty"` // tokenKey
	Until    int64  `json:"u,omitempty"` // Unix seconds; of a refused token
}

// Kinds of events.
const (
	eventUser     = "user"
	eventRole     = "role"
	eventIdentity = "identity"
	eventSession  = "session"
	eventToken    = "token" // refused from now on
)

// transaction is a RecordTx that logs what it changes.
type transaction struct {
	syncstore.RecordTx
	state  *State
	events []event

	// ended are sessions, rest those that were too many.
	ended   int
	rest    []ending
	counted []counted
}

// update runs fn in a transaction and applies its events when it is durable.
func (s *State) update(ctx context.Context, fn func(*transaction) error) error {
	var events []event
	var tx *transaction
	err := s.records.Update(ctx, func(rtx syncstore.RecordTx) error {
		events = nil
		tx = &transaction{RecordTx: rtx, state: s}
		if err := fn(tx); err != nil {
			return err
		}
		events = tx.events
		for _, e := range events {
			text, err := json.Marshal(e)
			if err != nil {
				return fmt.Errorf("encoding an event: %w", err)
			}
			tx.Log(text)
		}
		return nil
	})
	if err != nil {
		// A commit in doubt may have happened, and dropping what is cached does no harm.
		// Only a token is not refused without a record of it: recovered looks for that.
		events = slices.DeleteFunc(events, func(e event) bool { return e.Kind == eventToken })
	}
	s.apply(events)
	if err != nil {
		return err
	}
	for _, c := range tx.counted {
		if c.to != nil {
			*c.to += c.n
		}
	}
	return s.endRest(ctx, tx.rest)
}

// Apply takes up an event of the auth log that another node wrote (DECISIONS 36). Own
// events were applied when they were written; again does no harm.
func (s *State) Apply(text []byte) error {
	var e event
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Errorf("%w: event: %w", syncstore.ErrDamaged, err)
	}
	for _, key := range [][]byte{e.Session, e.Identity, e.Token} {
		if len(key) != 0 && len(key) != sha256.Size {
			return fmt.Errorf("%w: event", syncstore.ErrDamaged)
		}
	}
	complete := true
	switch e.Kind {
	case eventIdentity:
		complete = e.Identity != nil
	case eventSession:
		complete = e.Session != nil
	case eventToken:
		complete = e.Identity != nil && e.Token != nil
	}
	if !complete {
		return fmt.Errorf("%w: event", syncstore.ErrDamaged)
	}
	s.apply([]event{e}) // kinds that we do not know are for newer nodes
	return nil
}

// apply drops what events made stale, counts the changes after that so that no binding is
// made from what was dropped, and then ends the leases that they refuse.
func (s *State) apply(events []event) {
	for _, e := range events {
		switch e.Kind {
		case eventUser:
			ref := userRef{e.DB, e.Name}
			s.users.drop(ref)
			s.changes.ofUser(ref).Add(1)
		case eventRole:
			s.roles.drop(roleRef{e.DB, e.Name})
		case eventIdentity:
			s.identities.drop(identityRef{e.DB, identityKey(e.Identity)})
			s.changes.ofKey([32]byte(e.Identity)).Add(1)
		case eventSession:
			s.sessions.drop(sessionKey(e.Session))
			s.touched.forget(sessionKey(e.Session))
		case eventToken:
			s.refused.add(tokenKey(e.Token), time.Unix(e.Until, 0))
			s.changes.ofKey([32]byte(e.Token)).Add(1)
		}
	}
	for _, e := range events {
		switch e.Kind {
		case eventUser:
			s.leases.judgeUser(userRef{e.DB, e.Name})
		case eventIdentity, eventToken:
			s.leases.judgeIdentity(identityKey(e.Identity))
		case eventSession:
			s.leases.judgeSession(sessionKey(e.Session))
		}
	}
}

func (tx *transaction) putJSON(db uint32, key []byte, v any, expires time.Time) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a record: %w", err)
	}
	tx.Put(db, key, text, expires)
	return nil
}

// user reads a user to change it: ErrNoUser.
func (tx *transaction) user(db uint32, name string) (*User, error) {
	u := new(User)
	found, err := readJSON(tx, db, userRecordKey(name), u)
	if err != nil {
		return nil, fmt.Errorf("reading a user: %w", err)
	}
	if !found {
		return nil, ErrNoUser
	}
	return u, nil
}

// putUser stores a user, and what changes of what the user was given.
func (tx *transaction) putUser(db uint32, u *User) error {
	var before *User
	if !u.made { // a new one makes nothing stale: that there is none is not cached
		tx.events = append(tx.events, event{Kind: eventUser, DB: db, Name: u.Name})
		var err error
		if before, err = tx.user(db, u.Name); err != nil {
			return err
		}
	}
	tx.giveUser(db, u.Name, before, u)
	return tx.putJSON(db, userRecordKey(u.Name), u, time.Time{})
}

// deleteUser deletes a user, who is as stored. A later user of the name inherits nothing
// but what documents grant to the name.
func (tx *transaction) deleteUser(db uint32, u *User) {
	tx.events = append(tx.events, event{Kind: eventUser, DB: db, Name: u.Name})
	tx.giveUser(db, u.Name, u, nil)
	tx.Delete(db, userRecordKey(u.Name))
}

func (tx *transaction) putIdentity(ref identityRef, rec *identityRecord) error {
	return tx.putIdentityUntil(ref, rec, time.Time{})
}

// putNewIdentity puts the record of an identity that had none in the database: it makes
// nothing stale, since that there is none is not cached.
func (tx *transaction) putNewIdentity(ref identityRef, rec *identityRecord) error {
	return tx.putJSON(ref.db, identityRecordKey(ref.key), rec, time.Time{})
}

func (tx *transaction) putIdentityUntil(ref identityRef, rec *identityRecord, expires time.Time) error {
	tx.events = append(tx.events, event{Kind: eventIdentity, DB: ref.db, Identity: ref.key[:]})
	return tx.putJSON(ref.db, identityRecordKey(ref.key), rec, expires)
}

// revokeIdentities sets not_before on all identities of u in db.
func (tx *transaction) revokeIdentities(db uint32, u *User) error {
	now := time.Now()
	for _, id := range u.Identities {
		ref := identityRef{db, id.key()}
		rec, err := readIdentity(tx, ref)
		if err != nil {
			return err
		}
		if rec == nil {
			continue
		}
		rec.NotBefore = max(rec.NotBefore, now.UnixMicro())
		if err := tx.putIdentity(ref, rec); err != nil {
			return err
		}
		// not_before compares whole seconds; tokens of this second that were used
		// already are refused one by one.
		for _, t := range tx.state.seen.of(ref.key, now) {
			tx.refuseToken(ref.key, t.token, t.end())
		}
	}
	return nil
}
