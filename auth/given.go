package auth

import (
	"cmp"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore"
)

// defaultName is the name of the default scope and of its default collection.
const defaultName = "_default"

// givenByAdmin is what an administrator gave a user, nothing to nobody. Like all that is
// given it is sorted, and has everything once: records that give the same are equal in it.
func (u *User) givenByAdmin() []syncstore.Given {
	if u == nil {
		return nil
	}
	given := givenChannels(u.AdminChannels, u.Collections)
	for _, role := range u.AdminRoles {
		given = append(given, syncstore.Given{Role: role})
	}
	return sortedGiven(given)
}

// givenByToken is what the newest token gave a user. A token knows no collections, so its
// channels are given in all of them.
func (u *User) givenByToken() []syncstore.Given {
	if u == nil {
		return nil
	}
	var given []syncstore.Given
	for _, channel := range u.TokenChannels {
		given = append(given, syncstore.Given{Everywhere: true, Channel: channel})
	}
	for _, role := range u.TokenRoles {
		given = append(given, syncstore.Given{Role: role})
	}
	return sortedGiven(given)
}

// given is what a role gives: itself, by which the index knows that it is there, and its
// channels. One that was deleted gives nothing.
func (r *Role) given() []syncstore.Given {
	if r == nil || r.Deleted {
		return nil
	}
	return sortedGiven(append(givenChannels(r.AdminChannels, r.Collections), syncstore.Given{Role: r.Name}))
}

// givenChannels are channels of the default collection and of others. The default one has
// no name here, however the record has it.
func givenChannels(channels []string, collections CollectionGrants) []syncstore.Given {
	var given []syncstore.Given
	for _, channel := range channels {
		given = append(given, syncstore.Given{Channel: channel})
	}
	for scope, names := range collections {
		for name, channels := range names {
			in := syncstore.Given{Scope: scope, Collection: name}
			if scope == defaultName && name == defaultName {
				in = syncstore.Given{}
			}
			for _, channel := range channels {
				in.Channel = channel
				given = append(given, in)
			}
		}
	}
	return given
}

func sortedGiven(given []syncstore.Given) []syncstore.Given {
	slices.SortFunc(given, func(a, b syncstore.Given) int {
		return cmp.Or(
			cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Collection, b.Collection),
			cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Role, b.Role),
		)
	})
	return slices.Compact(given)
}

// giveUser brings the store's index from what the stored record of a user gave to what the
// new one gives; nil is no record. Sources that give what they gave are left alone: most
// sign-ins write nothing (sync-gateway F row 23), and a change takes a sequence.
func (tx *transaction) giveUser(db uint32, name string, before, after *User) {
	tx.give(db, name, syncstore.GrantedByAdmin, before.givenByAdmin(), after.givenByAdmin())
	tx.give(db, name, syncstore.GrantedByToken, before.givenByToken(), after.givenByToken())
}

// giveRole does that for a role.
func (tx *transaction) giveRole(db uint32, name string, before, after *Role) {
	tx.give(db, syncstore.RolePrincipal(name), syncstore.GrantedByAdmin, before.given(), after.given())
}

func (tx *transaction) give(db uint32, principal string, source syncstore.GrantSource, before, after []syncstore.Given) {
	if !slices.Equal(before, after) {
		tx.SetGrants(db, principal, source, after)
	}
}
