package syncstore

// GrantSource is who gave a grant that comes from no document.
type GrantSource string

const (
	// GrantedByAdmin is what an administrator gave.
	GrantedByAdmin GrantSource = "admin"
	// GrantedByToken is what the newest token gave. It counts where Viewer.TokenGrants is
	// set.
	GrantedByToken GrantSource = "token"
)

// Given is a channel or a role that a principal was given.
type Given struct {
	// Scope and Collection say where the channel is; both empty: _default._default.
	Scope, Collection string
	// Everywhere gives the channel in all collections.
	Everywhere bool
	Channel    string
	// Role, instead of a channel, is a role that a user gets. A role gives what it has from
	// when it was given to itself: that is how the index knows that there is such a role.
	Role string
}

// RolePrincipal is the principal of a role.
func RolePrincipal(role string) string { return rolePrincipal + role }
