package auth

import (
	"errors"
	"net/http"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore"
)

// UserChange is what an administrator changes of a user: nil members stay as they are,
// empty ones are cleared.
type UserChange struct {
	// New refuses a user that exists.
	New bool

	Email         *string
	Disabled      *bool
	AdminChannels *[]string
	AdminRoles    *[]string
	// Collections replaces the channels of the collections that are in it.
	Collections CollectionGrants
	// FirstUse lets the first identity that asks for the name become the user.
	FirstUse *bool
	// Password sets the password.
	Password *string
	// PasswordHash sets it by its hash, for users of another system: argon2id or PBKDF2
	// as a PHC string, or bcrypt.
	PasswordHash *string
	// RemovePassword leaves a user without one, as users are who sign in at a provider.
	RemovePassword bool
	// Issuer is the provider that an imported user signs in at first (DECISIONS 1). Once
	// an identity is bound it can only be said again.
	Issuer *string
}

// User describes a user; GUEST is the configuration's guest.
func (a *Administration) User(name string) (UserInfo, error) {
	info, err := a.describe(name)
	if err == nil {
		a.note(auditUserRead, auditUser(name))
	}
	return info, err
}

// Before describes a user as they are before a change; of one that is yet to be made it
// knows the name.
func (a *Administration) Before(name string) (UserInfo, error) {
	info, err := a.describe(name)
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Status == http.StatusNotFound {
		return newUserInfo(name), nil
	}
	return info, err
}

func (a *Administration) describe(name string) (UserInfo, error) {
	if name == GuestName {
		info, err := a.s.guestInfo(a.r.Context(), a.db)
		return info, administrationError("reading what guests have", err)
	}
	u, err := a.state().user(a.r.Context(), a.db.ID, name)
	if err == nil && u == nil {
		err = ErrNoUser
	}
	if err != nil {
		return UserInfo{}, administrationError("reading a user", err)
	}
	info, err := a.s.userInfo(a.r.Context(), a.db, u)
	return info, administrationError("reading a user", err)
}

// UserSummary is a user in a list.
type UserSummary struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	Disabled bool   `json:"disabled"`
}

// Summary describes a user of a list, with ok false if the user is gone meanwhile. It
// leaves the caches alone: a list has everybody in it.
func (a *Administration) Summary(name string) (summary UserSummary, ok bool, err error) {
	if name == GuestName {
		return UserSummary{Name: GuestName, Disabled: !a.s.guestsComeIn(a.db)}, true, nil
	}
	u := new(User)
	err = a.state().records.View(a.r.Context(), func(r syncstore.RecordReader) error {
		var err error
		ok, err = readJSON(r, a.db.ID, userRecordKey(name), u)
		return err
	})
	return UserSummary{Name: u.Name, Email: u.Email, Disabled: u.Disabled}, ok, administrationError("listing users", err)
}

// UserNames lists the users by name, GUEST among them if guests may come in.
func (a *Administration) UserNames() ([]string, error) {
	names, err := a.state().userNames(a.r.Context(), a.db.ID)
	if err != nil {
		return nil, administrationError("listing users", err)
	}
	if a.s.guestsComeIn(a.db) {
		at, _ := slices.BinarySearch(names, GuestName)
		names = slices.Insert(names, at, GuestName)
	}
	a.note(auditUsersListed)
	return names, nil
}

// PutUser makes or changes a user; created says which. Disabling ends what the user has
// open and refuses every way of signing in; a new password ends all sessions.
func (a *Administration) PutUser(name string, change UserChange) (created bool, err error) {
	if name == GuestName {
		return false, badRequest("The guest is not a user that is stored: write or leave out `guest` in the database's block of the Caddyfile")
	}
	update, members, err := a.userUpdate(name, change)
	if err != nil {
		return false, err
	}
	created, err = a.state().PutUser(a.lasting(), a.db.ID, name, update)
	if err != nil {
		return false, administrationError("storing a user", err)
	}
	event := auditUserUpdated
	if created {
		event = auditUserCreated
	}
	a.note(event, auditUser(name), auditChanged(members))
	return created, nil
}

// userUpdate checks a change, hashes its password, and names what it changes.
func (a *Administration) userUpdate(name string, change UserChange) (u UserUpdate, members []string, err error) {
	if err := checkUserName(name); err != nil {
		return u, nil, errBadName()
	}
	u = UserUpdate{
		New: change.New, Email: change.Email, Disabled: change.Disabled, Collections: change.Collections, FirstUse: change.FirstUse,
	}
	if e := change.Email; e != nil && *e != "" && !validEmail(*e) {
		return u, nil, badRequest("Invalid email address: write one like alice@example.com, or \"\" for none")
	}
	if u.AdminChannels, err = checkedList(change.AdminChannels, checkChannels); err != nil {
		return u, nil, err
	}
	if u.AdminRoles, err = checkedList(change.AdminRoles, checkRoles); err != nil {
		return u, nil, err
	}
	if err := checkCollections(change.Collections); err != nil {
		return u, nil, err
	}
	if u.TokenIssuer, err = a.firstIssuer(name, change.Issuer); err != nil {
		return u, nil, err
	}
	u.PasswordHash, err = a.passwordHash(&change)
	return u, change.members(), err
}

func checkedList(list *[]string, check func([]string) ([]string, error)) (*[]string, error) {
	if list == nil {
		return nil, nil
	}
	checked, err := check(*list)
	return &checked, err
}

// passwordHash is what to store for the password of a change, nil for none.
func (a *Administration) passwordHash(change *UserChange) (*string, error) {
	given := 0
	for _, there := range []bool{change.Password != nil, change.PasswordHash != nil, change.RemovePassword} {
		if there {
			given++
		}
	}
	none := ""
	switch {
	case given > 1:
		return nil, badRequest("Write one of password, password_hash and \"password_set\":false")
	case change.RemovePassword:
		return &none, nil
	case change.PasswordHash != nil:
		if err := checkPasswordHash(*change.PasswordHash); err != nil {
			return nil, badRequest("password_hash: " + err.Error())
		}
		return change.PasswordHash, nil
	case change.Password == nil:
		return nil, nil
	}
	if err := checkPassword(*change.Password); err != nil {
		return nil, badRequest(err.Error())
	}
	hash, err := a.state().passwords.hash(a.r.Context(), *change.Password)
	if err != nil {
		return nil, administrationError("hashing a password", err)
	}
	return &hash, nil
}

// firstIssuer checks the issuer that an imported user signs in at first.
func (a *Administration) firstIssuer(name string, issuer *string) (*string, error) {
	if issuer == nil {
		return nil, nil
	}
	u, err := a.state().user(a.r.Context(), a.db.ID, name)
	switch {
	case err != nil:
		return nil, administrationError("reading a user", err)
	case u != nil && u.TokenIssuer == *issuer:
		return nil, nil
	case u != nil && len(u.Identities) > 0:
		return nil, badRequest("Can't change read-only properties: jwt_issuer follows the user's tokens once an identity is bound; unlink the identity first")
	case *issuer == "":
		return issuer, nil
	}
	known, err := a.knownIssuer(*issuer)
	return &known, err
}

// members names what is changed, for the audit log.
func (c *UserChange) members() []string {
	list := []string{}
	for _, m := range []struct {
		name  string
		there bool
	}{
		{"email", c.Email != nil},
		{"disabled", c.Disabled != nil},
		{"admin_channels", c.AdminChannels != nil},
		{"admin_roles", c.AdminRoles != nil},
		{"collection_access", len(c.Collections) > 0},
		{"first_use", c.FirstUse != nil},
		{"password", c.Password != nil || c.PasswordHash != nil || c.RemovePassword},
		{"jwt_issuer", c.Issuer != nil},
	} {
		if m.there {
			list = append(list, m.name)
		}
	}
	return list
}

// DeleteUser deletes a user; what the user has open ends.
func (a *Administration) DeleteUser(name string) error {
	if name == GuestName {
		return &Error{
			Status: http.StatusMethodNotAllowed, Name: "method_not_allowed",
			Reason: "The guest cannot be deleted: leave out `guest` in the database's block of the Caddyfile",
		}
	}
	if err := a.state().DeleteUser(a.lasting(), a.db.ID, name); err != nil {
		return administrationError("deleting a user", err)
	}
	a.note(auditUserDeleted, auditUser(name))
	return nil
}
