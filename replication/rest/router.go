package rest

import (
	"net/http"
	"net/url"
	"strings"
)

// kind is what a path names.
type kind int

const (
	kindRoot kind = iota
	kindUp
	kindAllDBs
	kindRootSession
	kindRootUnknown
	kindDatabase
	kindSession
	kindOIDCLogin
	kindOIDCChallenge
	kindOIDCCallback
	kindOIDCRefresh
	kindOIDCLogout
	kindOIDCBackchannelLogout
	kindChanges
	kindBlipSync
	kindAllDocs
	kindBulkDocs
	kindBulkGet
	kindRevsDiff
	kindEnsureFullCommit
	kindLocal
	kindLocalAttachment
	kindDocument
	kindAttachment
	kindSessionHandle
	kindRootSessionHandle
	kindUsers
	kindUser
	kindUserSessions
	kindUserSession
	kindUserIdentities
	kindRoles
	kindRole
	kindExplain
	kindAccessHistory
	kindAccessHistoryCompact
	kindAllChannels
	kindAllRoleChannels
	kindResync
	kindTry
	kindSyncFunction
	kindMissingRevs
	kindAllDocsQueries
	kindDesignDocs
	kindDesignDocsQueries
	kindLocalDocs
	kindSecurity
	kindRevsLimit
	kindPurgedInfosLimit
	kindCompact
	kindViewCleanup
	kindPurge
	kindDBsInfo
	kindUUIDs
	kindActiveTasks
	kindRootNotImplemented
	kindNotImplemented
	kindView
	kindViewQueries
	kindDesignInfo
	kindFind
	kindExplainFind
	kindIndexes
	kindIndex
	kindIndexBulkDelete
	kindReplicate
	kindSchedulerJobs
	kindReplicationStatus
	kindStatus
	kindStats
	kindBackup
	kindConfig
	kindOnline
	kindOffline
	kindRaw
	kindRevTree
	kindReaders
	kindConnections
	kindConsole
	kindConsolePlace
	kindUnknown // an underscore name that is no endpoint
	kinds
)

// target is where a path leads.
type target struct {
	kind kind
	db   string // "" for root endpoints
	// keyspace is the path's first segment: db, or db with a collection.
	keyspace string
	doc      string // unescaped; for _local without the prefix
	att      string
	item     string // unescaped: the user, role or session that a path is about
	part     string // unescaped: the session of a user
	err      error  // the path is ours and malformed
}

// action is what a method does to a target.
type action struct {
	do endpoint
	// write: needs more than read-only access.
	write bool
	// attachment: the body is attachment content, of any type.
	attachment bool
}

// actions are the methods of a kind of target; HEAD goes with GET.
type actions struct {
	get, put, post, delete, copy action
}

// table says who answers what.
func table(k kind) actions {
	for _, concept := range [...]func(kind) (actions, bool){
		documentActions, databaseActions, rootActions, managementActions, accessActions, designActions, mangoActions, maintenanceActions, operationActions,
		replicationActions, consoleActions,
	} {
		if a, ok := concept(k); ok {
			return a
		}
	}
	unknown := action{do: (*Handler).unknownRoot}
	if k == kindUnknown {
		unknown.do = (*Handler).unknownEndpoint
	}
	return actions{get: unknown, put: unknown, post: unknown, delete: unknown}
}

// action finds what method does to the target, or 405.
func (t target) action(method string) (action, error) {
	all := table(t.kind)
	var found action
	switch method {
	case http.MethodGet, http.MethodHead:
		found = all.get
	case http.MethodPut:
		found = all.put
	case http.MethodPost:
		found = all.post
	case http.MethodDelete:
		found = all.delete
	case methodCopy:
		found = all.copy
	}
	if found.do == nil {
		return action{}, methodNotAllowed(all.allow())
	}
	return found, nil
}

// allow is the value of an Allow header.
func (a actions) allow() string {
	var allowed []string
	if a.get.do != nil {
		allowed = append(allowed, http.MethodGet, http.MethodHead)
	}
	if a.put.do != nil {
		allowed = append(allowed, http.MethodPut)
	}
	if a.post.do != nil {
		allowed = append(allowed, http.MethodPost)
	}
	if a.delete.do != nil {
		allowed = append(allowed, http.MethodDelete)
	}
	if a.copy.do != nil {
		allowed = append(allowed, methodCopy)
	}
	return strings.Join(append(allowed, http.MethodOptions), ", ")
}

// route finds where an escaped path leads, and whether it is this site's to answer.
func (h *Handler) route(path string) (target, bool) {
	if h.PathPrefix != "" {
		rest, ok := strings.CutPrefix(path, h.PathPrefix)
		if !ok || (rest != "" && rest[0] != '/') {
			return target{}, false
		}
		path = rest
	}
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return target{kind: kindRoot}, true
	}
	first, rest, deeper := strings.Cut(path, "/")
	name, err := unescape(first)
	if err != nil {
		return target{}, false
	}
	if name == "" {
		return target{}, false
	}
	if to, ok := routeConsole(name, rest, deeper); ok && h.Site.Admin != nil {
		return to, true
	}
	if name[0] == '_' {
		return routeRoot(name, rest, h.Site.Admin != nil), true
	}
	db, ours := h.mountedKeyspace(name)
	if !ours {
		return target{}, false
	}
	if !deeper || rest == "" {
		return target{kind: kindDatabase, db: db, keyspace: name}, true
	}
	to, ok := routeManagement(rest, h.Site.Admin != nil)
	if !ok {
		to = routeDatabase(rest)
	}
	to.db, to.keyspace = db, name
	return to, true
}

// mountedKeyspace returns the database of a keyspace, and whether the site serves it. On a
// public site of all databases a collection is named with its scope: a name with one dot
// is that of a file (favicon.ico), for the next handler.
func (h *Handler) mountedKeyspace(name string) (db string, ours bool) {
	db = databaseOf(name)
	if db == "" {
		return "", false
	}
	if h.names == nil && h.Site.Admin == nil && strings.Count(name, ".") == 1 {
		return "", false
	}
	return db, h.mounted(db)
}

// mounted reports whether the site serves a database of this name. A site of all
// databases leaves names that no database can have to the next handler (favicon.ico).
func (h *Handler) mounted(name string) bool {
	if h.names != nil {
		_, ok := h.names[name]
		return ok
	}
	return h.Site.Admin != nil || plausibleDatabase(name)
}

// plausibleDatabase reports whether name follows CouchDB's rules for names.
func plausibleDatabase(name string) bool {
	if name == "" || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("_$()+-/", rune(c)) {
			return false
		}
	}
	return true
}

func unescape(segment string) (string, error) {
	if strings.IndexByte(segment, '%') < 0 {
		return segment, nil
	}
	return url.PathUnescape(segment)
}

func (h *Handler) unknownRoot(*request) error { return notFound("missing") }

// unknownEndpoint answers for names that begin with an underscore and mean nothing:
// they are no documents either.
func (h *Handler) unknownEndpoint(rq *request) error {
	if rq.r.Method == http.MethodPut {
		return errReservedID
	}
	return notFound("missing")
}
