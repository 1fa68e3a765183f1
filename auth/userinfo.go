package auth

import (
	"context"
	"maps"
	"slices"
	"time"
)

// GuestName is the administrator's name of whoever brings no credentials.
const GuestName = "GUEST"

// everybodysChannel is the channel that every user and role holds.
const everybodysChannel = "!"

// UserInfo is what an administrator is told of a user. It has Sync Gateway's members
// (sync-gateway B.2) and ours, and never a password or the hash of one.
type UserInfo struct {
	Name          string   `json:"name"`
	Email         string   `json:"email"`
	Disabled      bool     `json:"disabled"`
	AdminChannels []string `json:"admin_channels,omitempty"`
	AdminRoles    []string `json:"admin_roles,omitempty"`
	// AllChannels are the channels of the default collection: an administrator's, the
	// token's, those of the roles, everybody's, and with Config.Access those that documents
	// grant.
	AllChannels []string `json:"all_channels"`
	// Roles are an administrator's and the token's, whether the database has them or not,
	// and with Config.Access those that documents give.
	Roles       []string                             `json:"roles,omitempty"`
	Collections map[string]map[string]CollectionInfo `json:"collection_access,omitempty"`

	// What the newest token gave, while the database takes its issuer's tokens.
	JWTIssuer      string   `json:"jwt_issuer,omitempty"`
	JWTRoles       []string `json:"jwt_roles,omitempty"`
	JWTChannels    []string `json:"jwt_channels,omitempty"`
	JWTLastUpdated string   `json:"jwt_last_updated,omitempty"` // RFC 3339

	// Identities are who may sign in as the user at a provider.
	Identities  []Identity `json:"identities,omitempty"`
	PasswordSet bool       `json:"password_set"`
	// FirstUse: the first identity that asks for the name becomes the user.
	FirstUse bool `json:"first_use,omitempty"`
}

// CollectionInfo is what somebody may see of a named collection.
type CollectionInfo struct {
	AdminChannels []string `json:"admin_channels,omitempty"`
	AllChannels   []string `json:"all_channels"`
}

// RoleInfo is what an administrator is told of a role.
type RoleInfo struct {
	Name          string                               `json:"name"`
	AdminChannels []string                             `json:"admin_channels,omitempty"`
	AllChannels   []string                             `json:"all_channels"`
	Collections   map[string]map[string]CollectionInfo `json:"collection_access,omitempty"`
}

// newUserInfo describes a user of whom nothing is known but the name.
func newUserInfo(name string) UserInfo {
	return UserInfo{Name: name, AllChannels: []string{everybodysChannel}}
}

// userInfo describes a user of a database.
func (s *Service) userInfo(ctx context.Context, db Database, u *User) (UserInfo, error) {
	info := UserInfo{
		Name: u.Name, Email: u.Email, Disabled: u.Disabled, AdminChannels: u.AdminChannels, AdminRoles: u.AdminRoles,
		Identities: u.Identities, PasswordSet: u.Password != "", FirstUse: u.FirstUse,
	}
	channels := u.AdminChannels
	var tokenChannels []string
	tokenGrants := false
	info.Roles = u.AdminRoles
	if pol := s.policy(db.Name); pol != nil {
		info.Roles, channels = pol.grants(u)
		tokenGrants = pol.counts(u)
		if pol.takes(u.TokenIssuer) {
			tokenChannels = u.TokenChannels
			info.JWTIssuer, info.JWTRoles, info.JWTChannels = u.TokenIssuer, u.TokenRoles, u.TokenChannels
			if u.TokenUpdated != 0 {
				info.JWTLastUpdated = rfc3339(time.Unix(u.TokenUpdated, 0))
			}
		}
	}
	access, known, err := s.accessOf(ctx, db, u.Name, tokenGrants, info.Roles)
	if err != nil {
		return UserInfo{}, err
	}
	if known {
		info.Roles = access.Roles
	}
	roles, err := s.rolesOf(ctx, db, info.Roles)
	if err != nil {
		return UserInfo{}, err
	}
	info.AllChannels = allChannels(channels, roles)
	if known {
		info.AllChannels = slices.Sorted(maps.Keys(access.Channels))
	}
	info.Collections = describeCollections(u.Collections, tokenChannels, roles)
	return info, nil
}

// rolesOf are the roles of these names that the database has: the others give nothing.
func (s *Service) rolesOf(ctx context.Context, db Database, names []string) ([]*Role, error) {
	var roles []*Role
	for _, name := range names {
		r, err := s.state.Load().role(ctx, db.ID, name)
		if err != nil {
			return nil, err
		}
		if r != nil {
			roles = append(roles, r)
		}
	}
	return roles, nil
}

// allChannels are the channels of the default collection, sorted.
func allChannels(own []string, roles []*Role) []string {
	all := append([]string{everybodysChannel}, own...)
	for _, r := range roles {
		all = append(all, r.AdminChannels...)
	}
	return sortedSet(all)
}

// sortedSet sorts list in place and drops repetitions.
func sortedSet(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// describeCollections says what may be seen of the named collections that somebody or one
// of their roles has a grant in. A token's channels count in every collection.
func describeCollections(own CollectionGrants, token []string, roles []*Role) map[string]map[string]CollectionInfo {
	all := map[string]map[string]CollectionInfo{}
	add := func(grants CollectionGrants, byAdmin bool) {
		for scope, collections := range grants {
			for name, channels := range collections {
				if all[scope] == nil {
					all[scope] = map[string]CollectionInfo{}
				}
				info := all[scope][name]
				if byAdmin {
					info.AdminChannels = channels
				}
				info.AllChannels = append(info.AllChannels, channels...)
				all[scope][name] = info
			}
		}
	}
	add(own, true)
	for _, r := range roles {
		add(r.Collections, false)
	}
	for _, collections := range all {
		for name, info := range collections {
			info.AllChannels = sortedSet(append(append(info.AllChannels, everybodysChannel), token...))
			collections[name] = info
		}
	}
	return all
}

func roleInfo(r *Role) RoleInfo {
	return RoleInfo{
		Name: r.Name, AdminChannels: r.AdminChannels, AllChannels: allChannels(r.AdminChannels, nil),
		Collections: describeCollections(r.Collections, nil, nil),
	}
}

// guestsComeIn reports whether the configuration lets guests in.
func (s *Service) guestsComeIn(db Database) bool {
	pol := s.policy(db.Name)
	return pol != nil && pol.Guest
}

// guestInfo describes the guest, whom the configuration alone lets in or not, and gives channels.
func (s *Service) guestInfo(ctx context.Context, db Database) (UserInfo, error) {
	pol := s.policy(db.Name)
	if pol == nil || !pol.Guest {
		info := newUserInfo(GuestName)
		info.Disabled = true
		return info, nil
	}
	// Guests are the principal without a name (GrantGuests).
	info, err := s.userInfo(ctx, db, &User{AdminChannels: sortedCopy(pol.GuestChannels), Collections: sortedGrants(pol.GuestCollections)})
	info.Name = GuestName
	return info, err
}

// sortedGrants are grants without repetitions, as those of users are stored.
func sortedGrants(grants CollectionGrants) CollectionGrants {
	sorted := CollectionGrants{}
	for scope, collections := range grants {
		sorted[scope] = map[string][]string{}
		for name, channels := range collections {
			sorted[scope][name] = sortedCopy(channels)
		}
	}
	return sorted
}

func sortedCopy(list []string) []string { return sortedSet(slices.Clone(list)) }
