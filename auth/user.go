package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// User is a user of one database, as stored. Users who sign in at a provider have no
// password at all: there is nothing to guess, leak or rotate. It never goes to a client
// as it is; UserInfo does.
type User struct {
	Name       string     `json:"name"`
	Email      string     `json:"email,omitempty"`
	Disabled   bool       `json:"disabled,omitempty"`
	Identities []Identity `json:"identities,omitempty"`

	// Password is a hash: argon2id in PHC form, or bcrypt or PBKDF2 of an imported user. "" is no
	// password, with which nobody signs in.
	Password string `json:"password,omitempty"`
	// PasswordAt (Unix microseconds) is when the password was set. It stands for the
	// password in caches and leases.
	PasswordAt int64 `json:"password_at,omitempty"`
	// NotBefore (Unix microseconds): sessions of the user made by then, by password or by
	// an administrator, are refused.
	NotBefore int64 `json:"not_before,omitempty"`

	// What an administrator gave.
	AdminChannels []string         `json:"admin_channels,omitempty"`
	AdminRoles    []string         `json:"admin_roles,omitempty"`
	Collections   CollectionGrants `json:"collections,omitempty"`

	// What the newest token gave, of the provider of TokenIssuer, kept apart from what an
	// administrator gave. It counts only while the database takes that provider's tokens.
	// An imported user has the issuer before the first sign-in.
	TokenRoles    []string `json:"token_roles,omitempty"`
	TokenChannels []string `json:"token_channels,omitempty"`
	TokenIssuer   string   `json:"token_issuer,omitempty"`
	TokenUpdated  int64    `json:"token_updated,omitempty"` // Unix seconds; when one of them changed

	// FirstUse allows the first identity with this name to become this user. An identity that
	// an administrator links is the first one, too.
	FirstUse bool      `json:"first_use,omitempty"`
	Created  time.Time `json:"created"`

	made bool // just now: nobody can know the user yet
}

// CollectionGrants are an administrator's channels in named collections: scope →
// collection → channels.
type CollectionGrants map[string]map[string][]string

// userRef is a user of a database.
type userRef struct {
	db   uint32
	name string
}

const userPrefix = "auth/user/"

func userRecordKey(name string) []byte { return []byte(userPrefix + name) }

func newUser(name string) *User {
	now := time.Now()
	// Sessions of an earlier user of the name are not this one's.
	return &User{Name: name, NotBefore: now.UnixMicro(), Created: now.UTC().Truncate(time.Second), made: true}
}

// passwordAt is PasswordAt; 0 for nobody.
func (u *User) passwordAt() int64 {
	if u == nil {
		return 0
	}
	return u.PasswordAt
}

// takesPassword reports whether there is a user who may sign in by a password.
func (u *User) takesPassword() bool { return u != nil && u.Password != "" && !u.Disabled }

// outdated reports whether a says something newer about u. The same token twice
// changes nothing (sync-gateway F row 23); an older one neither.
func (u *User) outdated(a *applicant, rec *identityRecord) bool {
	if a.grantsAt.Unix() <= rec.GrantsAt {
		return false
	}
	return a.email != "" && a.email != u.Email || u.grantsDiffer(a)
}

func (u *User) grantsDiffer(a *applicant) bool {
	return u.TokenIssuer != a.identity.Issuer || !slices.Equal(u.TokenRoles, a.roles) || !slices.Equal(u.TokenChannels, a.channels)
}

// take copies what a says. A token without e-mail does not erase the one there is.
func (u *User) take(a *applicant) {
	if a.email != "" {
		u.Email = a.email
	}
	if u.grantsDiffer(a) {
		u.TokenUpdated = time.Now().Unix()
	}
	u.TokenRoles, u.TokenChannels = slices.Clone(a.roles), slices.Clone(a.channels)
	u.TokenIssuer = a.identity.Issuer
}

func (u *User) clone() User {
	c := *u
	c.Identities = slices.Clone(u.Identities)
	c.AdminChannels, c.AdminRoles = slices.Clone(u.AdminChannels), slices.Clone(u.AdminRoles)
	c.TokenRoles, c.TokenChannels = slices.Clone(u.TokenRoles), slices.Clone(u.TokenChannels)
	c.Collections = u.Collections.clone()
	return c
}

func (g CollectionGrants) clone() CollectionGrants {
	c := make(CollectionGrants, len(g))
	for scope, collections := range g {
		c[scope] = make(map[string][]string, len(collections))
		for name, channels := range collections {
			c[scope][name] = slices.Clone(channels)
		}
	}
	return c
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
	for _, names := range [][]string{u.AdminChannels, u.AdminRoles, u.TokenChannels, u.TokenRoles} {
		packed(names)
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
	return u.clone(), nil
}

// Users calls fn with the users of a database by name, as they are in one snapshot.
func (s *State) Users(ctx context.Context, db uint32, fn func(*User) error) error {
	err := s.records.View(ctx, func(r syncstore.RecordReader) error {
		return r.Scan(db, []byte(userPrefix), func(_, value []byte) error {
			u := new(User)
			if err := decodeJSON(value, u); err != nil {
				return err
			}
			return fn(u)
		})
	})
	if err != nil {
		return fmt.Errorf("listing users: %w", err)
	}
	return nil
}

// userNames lists the names of a database's users in order.
func (s *State) userNames(ctx context.Context, db uint32) ([]string, error) {
	var names []string
	err := s.records.View(ctx, func(r syncstore.RecordReader) error {
		names = nil
		return r.Scan(db, []byte(userPrefix), func(key, _ []byte) error {
			names = append(names, string(key[len(userPrefix):]))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("listing users: %w", err)
	}
	return names, nil
}

// CreateUser makes a user that nobody can sign in as yet: an identity becomes it by
// Link, by firstUse (the first identity with the name), or when the name derives from
// the identity's subject. Errors: ErrUserExists, ErrBadUserName.
func (s *State) CreateUser(ctx context.Context, db uint32, name string, firstUse bool) error {
	_, err := s.PutUser(ctx, db, name, UserUpdate{FirstUse: &firstUse, New: true})
	return err
}

// UserUpdate changes a user: nil members stay as they are, empty ones are cleared.
type UserUpdate struct {
	// New refuses a user that exists: ErrUserExists.
	New bool
	// Existing refuses to make one: ErrNoUser.
	Existing bool

	Email         *string
	Disabled      *bool
	AdminChannels *[]string
	AdminRoles    *[]string
	// Collections replaces the channels of the collections that are in it.
	Collections CollectionGrants
	FirstUse    *bool
	// PasswordHash sets the password; "" removes it.
	PasswordHash *string
	// TokenIssuer is the issuer that an imported user signs in with first.
	TokenIssuer *string
}

// PutUser makes or changes a user; created says which. Disabling refuses every way of
// signing in at once, ends the user's leases, and refuses the tokens and sessions there
// are also after enabling again (DECISIONS 4). Setting a password ends all sessions.
// Errors: ErrUserExists, ErrNoUser, ErrBadUserName.
func (s *State) PutUser(ctx context.Context, db uint32, name string, change UserUpdate) (created bool, err error) {
	if err := checkUserName(name); err != nil {
		return false, err
	}
	err = s.update(ctx, func(tx *transaction) error {
		u, err := tx.user(db, name)
		created = errors.Is(err, ErrNoUser)
		switch {
		case err != nil && !created:
			return err
		case created && change.Existing:
			return ErrNoUser
		case created:
			u = newUser(name)
		case change.New:
			return ErrUserExists
		}
		if err := tx.changeUser(db, u, change); err != nil {
			return err
		}
		return tx.putUser(db, u)
	})
	return created, err
}

// changeUser applies an update to a user that is then stored.
func (tx *transaction) changeUser(db uint32, u *User, change UserUpdate) error {
	assign(&u.Email, change.Email)
	assign(&u.AdminChannels, change.AdminChannels)
	assign(&u.AdminRoles, change.AdminRoles)
	assign(&u.FirstUse, change.FirstUse)
	u.Collections = u.Collections.with(change.Collections)
	if change.TokenIssuer != nil && len(u.Identities) == 0 {
		u.TokenIssuer = *change.TokenIssuer
	}
	disables := change.Disabled != nil && *change.Disabled && !u.Disabled
	assign(&u.Disabled, change.Disabled)
	if change.PasswordHash != nil {
		u.Password, u.PasswordAt = *change.PasswordHash, max(u.PasswordAt+1, time.Now().UnixMicro())
		if err := tx.endSessionsOf(db, u, false); err != nil {
			return err
		}
	}
	if disables {
		u.NotBefore = max(u.NotBefore, time.Now().UnixMicro())
		return tx.revokeIdentities(db, u)
	}
	return nil
}

func assign[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// rehash replaces a password's hash by a better one of the same password, if it is still
// the one that was checked.
func (s *State) rehash(ctx context.Context, db uint32, name, old, better string) error {
	return s.update(ctx, func(tx *transaction) error {
		u, err := tx.user(db, name)
		if err != nil || u.Password != old {
			return err
		}
		u.Password = better // PasswordAt stays: it is the same password
		return tx.putUser(db, u)
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
		u.Identities, u.FirstUse = append(u.Identities, id), false // this was the first use
		if err := tx.putUser(db, u); err != nil {
			return err
		}
		return tx.putIdentity(ref, rec)
	})
}

// Unlink takes an identity from a user and refuses in this database what was issued to
// it so far: ErrNoUser, ErrNotLinked.
func (s *State) Unlink(ctx context.Context, db uint32, name string, id Identity) error {
	return s.update(ctx, func(tx *transaction) error {
		u, err := tx.user(db, name)
		if err != nil {
			return err
		}
		i := slices.Index(u.Identities, id)
		if i < 0 {
			return ErrNotLinked
		}
		if err := tx.revokeIdentities(db, &User{Identities: []Identity{id}}); err != nil {
			return err
		}
		if err := tx.freeIdentity(db, u, id); err != nil {
			return err
		}
		// Nor is the account for whoever asks for its name next, who may be who the identity was taken from.
		u.Identities, u.FirstUse = slices.Delete(u.Identities, i, i+1), false
		if u.TokenIssuer == id.Issuer {
			u.TokenRoles, u.TokenChannels, u.TokenIssuer, u.TokenUpdated = nil, nil, "", time.Now().Unix()
		}
		return tx.putUser(db, u)
	})
}

// SetDisabled disables or enables a user, as PutUser does: ErrNoUser.
func (s *State) SetDisabled(ctx context.Context, db uint32, name string, disabled bool) error {
	_, err := s.PutUser(ctx, db, name, UserUpdate{Existing: true, Disabled: &disabled})
	return err
}

// DeleteUser deletes a user with the sessions that are the user's own. Its identities are
// free again, but their tokens and sessions of before are refused in this database:
// ErrNoUser.
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
			if err := tx.freeIdentity(db, u, id); err != nil {
				return err
			}
		}
		tx.deleteUser(db, u)
		return tx.endSessions(ending{owner: ownerOfUser(userRef{db, name})})
	})
}

// freeIdentity unbinds an identity of u.
func (tx *transaction) freeIdentity(db uint32, u *User, id Identity) error {
	ref := identityRef{db, id.key()}
	rec, err := readIdentity(tx, ref)
	if err != nil || rec == nil || rec.User != u.Name {
		return err
	}
	rec.User, rec.GrantsAt = "", 0
	return tx.putIdentity(ref, rec)
}
