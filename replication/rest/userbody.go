package rest

import (
	"encoding/json"
	"slices"

	"github.com/caddysync/caddy-sync/auth"
)

// userMembers are those of a user that may be written, and after them those that are
// read-only.
var (
	userMembers = []string{
		"name", "email", "disabled", "password", "password_hash", "password_set", "admin_channels", "admin_roles",
		"collection_access", "first_use", "jwt_issuer",
	}
	userReadOnly = []string{"all_channels", "roles", "jwt_roles", "jwt_channels", "jwt_last_updated", "identities"}
)

// userBody is a user as an administrator writes them.
type userBody struct {
	adminBody
	name        *string
	passwordSet *bool
	change      auth.UserChange
}

func (h *Handler) readUser(rq *request) (*userBody, error) {
	body, err := h.readAdminBody(rq, "user", slices.Concat(userMembers, userReadOnly)...)
	if err != nil {
		return nil, err
	}
	u := &userBody{adminBody: body}
	for _, err := range []error{
		take(body, "name", &u.name),
		take(body, "email", &u.change.Email),
		take(body, "disabled", &u.change.Disabled),
		take(body, "password", &u.change.Password),
		take(body, "password_hash", &u.change.PasswordHash),
		take(body, "password_set", &u.passwordSet),
		take(body, "admin_channels", &u.change.AdminChannels),
		take(body, "admin_roles", &u.change.AdminRoles),
		take(body, "first_use", &u.change.FirstUse),
		take(body, "jwt_issuer", &u.change.Issuer),
	} {
		if err != nil {
			return nil, err
		}
	}
	if u.change.Collections, err = body.takeCollections(&u.change.AdminChannels); err != nil {
		return nil, err
	}
	return u, rq.knownCollections(u.change.Collections)
}

// settle judges what can only be judged knowing the user as they are: members that are
// read-only, and password_set, which may be said again, or be set to false.
func (u *userBody) settle(now *auth.UserInfo) error {
	members, err := asMembers(now)
	if err != nil {
		return err
	}
	for _, name := range userReadOnly {
		if err := u.unchanged(name, members); err != nil {
			return err
		}
	}
	if err := u.unchangedCollections(members); err != nil {
		return err
	}
	switch {
	case u.passwordSet == nil || *u.passwordSet == now.PasswordSet:
		return nil
	case !*u.passwordSet:
		u.change.RemovePassword = true
		return nil
	case u.change.Password == nil && u.change.PasswordHash == nil:
		return badRequest(`password_set is set by writing a password; "password_set":false removes it.`)
	}
	return nil
}

// changesNothing reports whether the body says only what is.
func (u *userBody) changesNothing(now auth.UserInfo) bool {
	members, err := asMembers(now)
	if err != nil {
		return false
	}
	for name, value := range u.members {
		var given any
		if json.Unmarshal(value, &given) != nil || !sameValue(given, members[name]) {
			return false
		}
	}
	return true
}
