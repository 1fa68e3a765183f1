package movein

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// access are channels by scope and collection.
type access map[string]map[string]struct {
	Channels []string `json:"admin_channels,omitempty"`
}

// principal is a user or a role, with the members that Sync Gateway and this server have.
type principal struct {
	Name     string   `json:"name"`
	Email    string   `json:"email,omitempty"`
	Disabled bool     `json:"disabled,omitempty"`
	Channels []string `json:"admin_channels,omitempty"`
	Roles    []string `json:"admin_roles,omitempty"`
	Access   access   `json:"collection_access,omitempty"`
	Issuer   string   `json:"jwt_issuer,omitempty"`
	// PasswordHash is only written.
	PasswordHash string `json:"password_hash,omitempty"`
	// PasswordSet is only read.
	PasswordSet bool `json:"password_set,omitempty"`
}

// tally counts what became of users or roles. Of those that are here, bare have no password.
type tally struct{ made, there, refused, bare uint64 }

// make writes a user or a role, unless there is one. bare is a user that has no password here, whether made
// now or in a run before, which was ended before it said so.
func (m *move) make(ctx context.Context, kind string, p *principal, t *tally) (bare bool, err error) {
	err = m.target.JSON(ctx, http.MethodPost, "_"+kind+"/", nil, p, nil)
	if status(err) == http.StatusBadRequest && p.Issuer != "" {
		// A provider that is not configured here: the user is, and binds to one that is.
		without := *p
		without.Issuer = ""
		if err = m.target.JSON(ctx, http.MethodPost, "_"+kind+"/", nil, &without, nil); err == nil {
			m.Teller.Say("user %q: signed in at %s, which is no provider of the database here: configure it, then set jwt_issuer.", p.Name, p.Issuer)
		}
	}
	switch status(err) {
	case http.StatusConflict:
		t.there++
		bare, err = m.compareThere(ctx, kind, p)
	case http.StatusBadRequest, http.StatusNotFound:
		t.refused++
		m.failed = true
		if t.refused <= maxListed {
			m.Teller.Say("%s %q is NOT taken: %s", kind, p.Name, err)
		}
		return false, nil
	case 0:
		if err == nil {
			t.made++
			bare = p.PasswordHash == ""
		}
	}
	if bare && kind == "user" {
		t.bare++
	}
	return bare, err
}

// compareThere says of a user or role that was there before where it is another.
func (m *move) compareThere(ctx context.Context, kind string, p *principal) (bare bool, err error) {
	var now principal
	if err := m.target.JSON(ctx, http.MethodGet, "_"+kind+"/"+url.PathEscape(p.Name), nil, nil, &now); err != nil {
		return false, err
	}
	bare = !now.PasswordSet
	if same(p.Channels, now.Channels) && same(p.Roles, now.Roles) && p.Disabled == now.Disabled && sameAccess(p.Access, now.Access) {
		return bare, nil
	}
	if p.Disabled && !now.Disabled {
		// Who was disabled there since an earlier run may still sign in here.
		m.Teller.Say("%s %q is disabled there and is NOT here, where it was already: it is left as it is. Set disabled, if it shall not sign in.", kind, p.Name)
		return bare, nil
	}
	m.Teller.Say("%s %q is here already, with other channels, roles or state; it is left as it is.", kind, p.Name)
	return bare, nil
}

func same(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func sameAccess(a, b access) bool {
	for scope, collections := range a {
		for name, c := range collections {
			if !same(c.Channels, b[scope][name].Channels) {
				return false
			}
		}
	}
	return true
}

// counted says what became of users or roles.
func (m *move) counted(what string, t tally) {
	if t == (tally{}) {
		return
	}
	text := fmt.Sprintf("%s: %d made, %d were here already", what, t.made, t.there)
	if t.refused > 0 {
		text += fmt.Sprintf(", %d NOT taken", t.refused)
	}
	m.Teller.Say("%s.", text)
}
