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
	kindResync
	kindTry
	kindSyncFunction
	kindView
	kindViewQueries
	kindViewCleanup
	kindDesignInfo
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
	get, put, post, delete action
}

// table says who answers what.
func table(k kind) actions {
	switch k {
	case kindRoot:
		return actions{get: action{do: (*Handler).root}}
	case kindUp:
		return actions{get: action{do: (*Handler).up}}
	case kindAllDBs:
		return actions{get: action{do: (*Handler).allDatabases}}
	case kindRootSession, kindSession:
		session := action{do: (*Handler).session}
		return actions{get: session, post: session, delete: session}
	case kindOIDCLogin, kindOIDCChallenge, kindOIDCCallback, kindOIDCRefresh, kindOIDCLogout, kindOIDCBackchannelLogout:
		return oidcActions(k)
	case kindDatabase:
		return actions{
			get:    action{do: (*Handler).databaseInfo},
			put:    action{do: (*Handler).createDatabase, write: true},
			post:   action{do: (*Handler).postDocument, write: true},
			delete: action{do: (*Handler).deleteDatabase, write: true},
		}
	case kindChanges:
		return actions{get: action{do: (*Handler).changes}, post: action{do: (*Handler).changes}}
	case kindBlipSync:
		return actions{get: action{do: (*Handler).blipSync}}
	case kindAllDocs:
		return actions{get: action{do: (*Handler).allDocs}, post: action{do: (*Handler).allDocs}}
	case kindBulkDocs:
		return actions{post: action{do: (*Handler).bulkDocs, write: true}}
	case kindBulkGet:
		return actions{post: action{do: (*Handler).bulkGet}}
	case kindRevsDiff:
		return actions{post: action{do: (*Handler).revsDiff}}
	case kindEnsureFullCommit:
		return actions{post: action{do: (*Handler).ensureFullCommit}}
	case kindLocal:
		return actions{
			get:    action{do: (*Handler).getLocal},
			put:    action{do: (*Handler).putLocal, write: true},
			delete: action{do: (*Handler).deleteLocal, write: true},
		}
	}
	if a, ok := managementActions(k); ok {
		return a
	}
	if a, ok := accessActions(k); ok {
		return a
	}
	if a, ok := designActions(k); ok {
		return a
	}
	return documentActions(k)
}

func documentActions(k kind) actions {
	switch k {
	case kindLocalAttachment:
		refuse := action{do: (*Handler).refuseLocalAttachment}
		return actions{get: refuse, put: refuse, delete: refuse}
	case kindDocument:
		return actions{
			get:    action{do: (*Handler).getDocument},
			put:    action{do: (*Handler).putDocument, write: true},
			delete: action{do: (*Handler).deleteDocument, write: true},
		}
	case kindAttachment:
		return actions{
			get:    action{do: (*Handler).getAttachment},
			put:    action{do: (*Handler).putAttachment, write: true, attachment: true},
			delete: action{do: (*Handler).deleteAttachment, write: true},
		}
	case kindUnknown:
		unknown := action{do: (*Handler).unknownEndpoint}
		return actions{get: unknown, put: unknown, post: unknown, delete: unknown}
	}
	unknown := action{do: (*Handler).unknownRoot}
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

func routeRoot(name, rest string, admin bool) target {
	if rest == "" {
		switch name {
		case "_up":
			return target{kind: kindUp}
		case "_all_dbs":
			return target{kind: kindAllDBs}
		case "_session":
			return target{kind: kindRootSession}
		}
	}
	if handle, err := unescape(strings.TrimSuffix(rest, "/")); err == nil && name == "_session" && rest != "" {
		return target{kind: kindRootSessionHandle, item: handle}
	}
	if admin && name == "_auth" && rest == "explain" {
		return target{kind: kindExplain}
	}
	return target{kind: kindRootUnknown}
}

// routeDatabase finds where the path below a database leads. IDs may have their
// slashes escaped; those of _design and _local documents need not.
func routeDatabase(path string) target {
	first, rest, deeper := strings.Cut(path, "/")
	name, err := unescape(first)
	if err != nil {
		return target{err: badRequest("The path has a malformed percent escape.")}
	}
	if name == "" {
		return target{kind: kindDocument, err: illegalID("A document ID must not be empty.")}
	}
	if name[0] != '_' {
		return routeDocument(kindDocument, name, rest, deeper)
	}
	if !deeper || rest == "" {
		if k, ok := databaseEndpoint(name); ok {
			return target{kind: k}
		}
	}
	switch prefix, id, slash := strings.Cut(name, "/"); {
	case prefix == "_design" && slash && id != "":
		return routeDocument(kindDocument, name, rest, deeper)
	case prefix == "_local" && slash && id != "":
		return routeDocument(kindLocal, id, rest, deeper)
	case name == "_design" && rest != "":
		return routePrefixed(kindDocument, "_design/", rest)
	case name == "_local" && rest != "":
		return routePrefixed(kindLocal, "", rest)
	}
	return target{kind: kindUnknown, doc: name}
}

func databaseEndpoint(name string) (kind, bool) {
	switch name {
	case "_session":
		return kindSession, true
	case "_oidc":
		return kindOIDCLogin, true
	case "_oidc_challenge":
		return kindOIDCChallenge, true
	case "_oidc_callback":
		return kindOIDCCallback, true
	case "_oidc_refresh":
		return kindOIDCRefresh, true
	case "_oidc_logout":
		return kindOIDCLogout, true
	case "_oidc_backchannel_logout":
		return kindOIDCBackchannelLogout, true
	case "_changes":
		return kindChanges, true
	case "_blipsync":
		return kindBlipSync, true
	case "_all_docs":
		return kindAllDocs, true
	case "_bulk_docs":
		return kindBulkDocs, true
	case "_view_cleanup":
		return kindViewCleanup, true
	case "_bulk_get":
		return kindBulkGet, true
	case "_revs_diff":
		return kindRevsDiff, true
	case "_ensure_full_commit":
		return kindEnsureFullCommit, true
	}
	return 0, false
}

func routePrefixed(k kind, prefix, path string) target {
	first, rest, deeper := strings.Cut(path, "/")
	id, err := unescape(first)
	if err != nil {
		return target{err: badRequest("The path has a malformed percent escape.")}
	}
	if id == "" {
		return target{kind: k, err: illegalID("A document ID must not be empty.")}
	}
	return routeDocument(k, prefix+id, rest, deeper)
}

// routeDocument tells a document from an attachment: what follows the ID, slashes
// included, is the attachment's name.
func routeDocument(k kind, id, rest string, deeper bool) target {
	if !deeper || rest == "" {
		return target{kind: k, doc: id}
	}
	if to, ok := routeDesign(id, rest); ok && k == kindDocument {
		return to
	}
	name, err := unescape(rest)
	if err != nil {
		return target{err: badRequest("The path has a malformed percent escape.")}
	}
	if k == kindLocal {
		return target{kind: kindLocalAttachment, doc: id, att: name}
	}
	return target{kind: kindAttachment, doc: id, att: name}
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

func (h *Handler) refuseLocalAttachment(*request) error {
	return badRequest("_local documents do not accept attachments.")
}
