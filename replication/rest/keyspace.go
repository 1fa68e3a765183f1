package rest

import (
	"net/http"
	"strconv"
	"strings"
)

// A keyspace is how a path names a collection: db, db.collection or db.scope.collection.
// What is left out is _default. No name of a database has a dot.

// databaseOf is the name of the database that a keyspace begins with.
func databaseOf(keyspace string) string {
	name, _, _ := strings.Cut(keyspace, ".")
	return name
}

// splitKeyspace returns the scope and the collection that a keyspace names. It reports
// false for what can be no keyspace.
func splitKeyspace(keyspace string) (scope, collection string, ok bool) {
	parts := strings.Split(keyspace, ".")
	switch len(parts) {
	case 1:
		return defaultName, defaultName, true
	case 2:
		return defaultName, parts[1], plausibleCollection(parts[1])
	case 3:
		return parts[1], parts[2], plausibleCollection(parts[1]) && plausibleCollection(parts[2])
	}
	return "", "", false
}

// keyspaceOf names a collection in full.
func keyspaceOf(db, scope, collection string) string {
	return db + "." + scope + "." + collection
}

func noKeyspace(keyspace string) *answerError {
	return notFound("keyspace " + strconv.Quote(keyspace) + " not found")
}

// collection reports whether the path names a collection, and not only a database.
func (t *target) collection() bool { return t.keyspace != t.db }

// ofDatabase reports whether what the path names belongs to the database as a whole and
// not to one of its collections: who signs in, users and roles, and the database itself.
func (k kind) ofDatabase(method string) bool {
	switch k {
	case kindDatabase:
		return method == http.MethodPut || method == http.MethodDelete
	case kindBlipSync, kindSession, kindSessionHandle, kindUsers, kindUser, kindUserSessions, kindUserSession, kindUserIdentities,
		kindRoles, kindRole, kindAccessHistory, kindAccessHistoryCompact, kindAllChannels, kindAllRoleChannels, kindCompact, kindSecurity, kindRevsLimit, kindPurgedInfosLimit, kindNotImplemented,
		kindReplicationStatus, kindConfig, kindOnline, kindOffline, kindConnections:
		return true
	}
	return k.oidc()
}
