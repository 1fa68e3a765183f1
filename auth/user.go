package auth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// User is a user of one database. Users who sign in at a provider have no password at
// all: there is nothing to guess, leak or rotate.
type User struct {
	Name       string     `json:"name"`
	Email      string     `json:"email,omitempty"`
	Disabled   bool       `json:"disabled,omitempty"`
	Identities []Identity `json:"identities,omitempty"`
	// TokenRoles are the roles that the newest token gave; the administrator's come
	// beside them.
	TokenRoles []string `json:"token_roles,omitempty"`
	// FirstUse allows the first identity with this name to become this user.
	FirstUse bool      `json:"first_use,omitempty"`
	Created  time.Time `json:"created"`
}

// userRef is a user of a database.
type userRef struct {
	db   uint32
	name string
}

const userPrefix = "auth/user/"

func userRecordKey(name string) []byte { return []byte(userPrefix + name) }

// outdated reports whether a says something newer about u. The same token twice
// changes nothing (sync-gateway F row 23); an older one neither.
func (u *User) outdated(a *applicant, rec *identityRecord) bool {
	if a.grantsAt.Unix() <= rec.GrantsAt {
		return false
	}
	return a.email != "" && a.email != u.Email || !slices.Equal(u.TokenRoles, a.roles)
}

// take copies what a says. A token without e-mail does not erase the one there is.
func (u *User) take(a *applicant) {
	if a.email != "" {
		u.Email = a.email
	}
	u.TokenRoles = slices.Clone(a.roles)
}

// user returns a user, nil if there is none. The value is shared: do not change it.
func (s *State) user(ctx context.Context, db uint32, name string) (*User, error) {
	ref := userRef{db, name}
	if u, ok := s.users.get(ref); ok {
		return u, nil
	}
	epoch := s.users.epoch(ref)
	u := new(User)
	var found bool
	err := s.records.View(ctx, func(r syncstore.RecordReader) error {
		var err error
		found, err = readJSON(r, db, userRecordKey(name), u)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading a user: %w", err)
	}
	if !found {
		return nil, nil
	}
	s.users.putIf(ref, u, epoch)
	return u, nil
}

// User returns a user of a database: ErrNoUser.
func (s *State) User(ctx context.Context, db uint32, name string) (User, error) {
	u, err := s.user(ctx, db, name)
	if err != nil {
		return User{}, err
	}
	if u == nil {
		return User{}, ErrNoUser
	}
	c := *u
	c.Identities, c.TokenRoles = slices.Clone(u.Identities), slices.Clone(u.TokenRoles)
	return c, nil
}

// CreateUser makes a user that nobody can sign in as yet: an identity becomes it by
// Link, by firstUse (the first identity with the name), or when the name derives from
// the identity's subject. Errors: ErrUserExists, ErrBadUserName.
func (s *State) CreateUser(ctx context.Context, db uint32, name string, firstUse bool) error {
	if err := checkUserName(name); err != nil {
		return err
	}
	return s.update(ctx, func(tx *transaction) error {
		found, err := readJSON(tx, db, userRecordKey(name), new(User))
		if err != nil {
			return err
		}
		if found {
			return ErrUserExists
		}
		return tx.putUser(db, &User{Name: name, FirstUse: firstUse, Created: time.Now().UTC().Truncate(time.Second)})
	})
}

// Link binds an identity to a user: ErrNoUser, ErrLinked.
func (s *State) Link(ctx context.Context, db uint32, name string, id Identity) error {
	return s.update(ctx, func(tx *transaction) error {
		u, err := tx.user(db, name)
		if err != nil {
			return err
		}
		ref := identityRef{db, id.key()}
		rec, err := readIdentity(tx, ref)
		if err != nil {
			return err
		}
		if rec == nil {
			rec = &identityRecord{Identity: id}
		}
		switch rec.User {
		case name:
			return nil
		case "":
		default:
			return ErrLinked
		}
		rec.User = name
		u.Identities = append(u.Identities, id)
		if err := tx.putUser(db, u); err != nil {
			return err
		}
		return tx.putIdentity(ref, rec)
	})
}

// SetDisabled disables or enables a user. Disabling refuses every way of signing in at
// once, ends the user's leases, and refuses the tokens and sessions there are also
// after enabling again (DECISIONS 4): ErrNoUser.
func (s *State) SetDisabled(ctx context.Context, db uint32, name string, disabled bool) error {
	return s.update(ctx, func(tx *transaction) error {
		u, err := tx.user(db, name)
		if err != nil {
			return err
		}
		if u.Disabled == disabled {
			return nil
		}
		u.Disabled = disabled
		if disabled {
			if err := tx.revokeIdentities(db, u); err != nil {
				return err
			}
		}
		return tx.putUser(db, u)
	})
}

// DeleteUser deletes a user. Its identities are free again, but their tokens and
// sessions of before are refused in this database: ErrNoUser.
func (s *State) DeleteUser(ctx context.Context, db uint32, name string) error {
	return s.update(ctx, func(tx *transaction) error {
		u, err := tx.user(db, name)
		if err != nil {
			return err
		}
		if err := tx.revokeIdentities(db, u); err != nil {
			return err
		}
		for _, id := range u.Identities {
			ref := identityRef{db, id.key()}
			rec, err := readIdentity(tx, ref)
			if err != nil {
				return err
			}
			if rec == nil || rec.User != name {
				continue
			}
			rec.User, rec.GrantsAt = "", 0
			if err := tx.putIdentity(ref, rec); err != nil {
				return err
			}
		}
		tx.deleteUser(db, name)
		return nil
	})
}
