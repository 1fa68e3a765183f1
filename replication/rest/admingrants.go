package rest

import (
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
)

// everywhere is the scope and the collection of what is in all collections.
const everywhere = "*"

// knownCollection returns a 404 if the database does not have the collection.
func (rq *request) knownCollection(scope, collection string) error {
	if _, ok := rq.db.Collection(scope, collection); !ok && (scope != everywhere || collection != everywhere) {
		return noKeyspace(keyspaceOf(rq.dbName, scope, collection))
	}
	return nil
}

// knownCollections is knownCollection for all that grants name.
func (rq *request) knownCollections(grants auth.CollectionGrants) error {
	for scope, collections := range grants {
		for collection := range collections {
			if err := rq.knownCollection(scope, collection); err != nil {
				return err
			}
		}
	}
	return nil
}

// completeUser adds to what auth knows of a user the channels that documents grant.
func (rq *request) completeUser(info *auth.UserInfo) error {
	return rq.complete(info.Name, info.JWTIssuer != "", &info.AllChannels, &info.Collections)
}

// completeRole is completeUser for a role.
func (rq *request) completeRole(info *auth.RoleInfo) error {
	return rq.complete(syncstore.RolePrincipal(info.Name), false, &info.AllChannels, &info.Collections)
}

func (rq *request) complete(
	principal string, token bool, own *[]string, collections *map[string]map[string]auth.CollectionInfo,
) error {
	grants, err := rq.db.Grants(rq.r.Context(), principal, token)
	if err != nil {
		return fmt.Errorf("reading grants: %w", err)
	}
	var all []string
	for _, g := range grants {
		switch {
		case g.Channel == "":
		case g.Scope == everywhere:
			all = append(all, g.Channel)
		case g.Scope == defaultName && g.Collection == defaultName:
			*own = withChannel(*own, g.Channel)
		default:
			if *collections == nil {
				*collections = map[string]map[string]auth.CollectionInfo{}
			}
			if (*collections)[g.Scope] == nil {
				(*collections)[g.Scope] = map[string]auth.CollectionInfo{}
			}
			info := (*collections)[g.Scope][g.Collection]
			info.AllChannels = withChannel(withChannel(info.AllChannels, syncstore.PublicChannel), g.Channel)
			(*collections)[g.Scope][g.Collection] = info
		}
	}
	for _, channel := range all {
		*own = withChannel(*own, channel)
		for _, in := range *collections {
			for name, info := range in {
				info.AllChannels = withChannel(info.AllChannels, channel)
				in[name] = info
			}
		}
	}
	return nil
}

// withChannel returns a sorted list with a channel in it.
func withChannel(sorted []string, channel string) []string {
	at, found := slices.BinarySearch(sorted, channel)
	if found {
		return sorted
	}
	return slices.Insert(slices.Clone(sorted), at, channel)
}
