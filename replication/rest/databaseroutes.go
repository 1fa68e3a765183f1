package rest

import "strings"

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
	if to, ok := routeMango(name, rest); ok {
		return to
	}
	if !deeper || rest == "" {
		if k, ok := databaseEndpoint(name); ok {
			return target{kind: k}
		}
	}
	switch strings.TrimSuffix(path, "/") {
	case "_all_docs/queries":
		return target{kind: kindAllDocsQueries}
	case "_design_docs/queries":
		return target{kind: kindDesignDocsQueries}
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
	case "_bulk_get":
		return kindBulkGet, true
	case "_revs_diff":
		return kindRevsDiff, true
	case "_ensure_full_commit":
		return kindEnsureFullCommit, true
	case "_missing_revs":
		return kindMissingRevs, true
	case "_design_docs":
		return kindDesignDocs, true
	case "_local_docs":
		return kindLocalDocs, true
	case "_security":
		return kindSecurity, true
	case "_revs_limit":
		return kindRevsLimit, true
	}
	return 0, false
}

// databaseActions says who answers what about a database or a collection as a whole.
func databaseActions(k kind) (actions, bool) {
	switch k {
	case kindSession:
		return sessionActions(), true
	case kindOIDCLogin, kindOIDCChallenge, kindOIDCCallback, kindOIDCRefresh, kindOIDCLogout, kindOIDCBackchannelLogout:
		return oidcActions(k), true
	case kindDatabase:
		return actions{
			get:    action{do: (*Handler).databaseInfo},
			put:    action{do: (*Handler).createDatabase, write: true},
			post:   action{do: (*Handler).postDocument, write: true},
			delete: action{do: (*Handler).deleteDatabase, write: true},
		}, true
	case kindChanges:
		return actions{get: action{do: (*Handler).changes}, post: action{do: (*Handler).changes}}, true
	case kindBlipSync:
		return actions{get: action{do: (*Handler).blipSync}}, true
	case kindAllDocs:
		return actions{get: action{do: (*Handler).allDocs}, post: action{do: (*Handler).allDocs}}, true
	case kindBulkDocs:
		return actions{post: action{do: (*Handler).bulkDocs, write: true}}, true
	case kindBulkGet:
		return actions{post: action{do: (*Handler).bulkGet}}, true
	case kindRevsDiff:
		return actions{post: action{do: (*Handler).revsDiff}}, true
	case kindEnsureFullCommit:
		return actions{post: action{do: (*Handler).ensureFullCommit}}, true
	case kindMissingRevs:
		return actions{post: action{do: (*Handler).missingRevs}}, true
	}
	return listingActions(k)
}

// listingActions say who answers what lists documents, and what is set of a database.
func listingActions(k kind) (actions, bool) {
	switch k {
	case kindAllDocsQueries:
		return actions{post: action{do: (*Handler).allDocsQueries}}, true
	case kindDesignDocs:
		return actions{get: action{do: (*Handler).designDocs}, post: action{do: (*Handler).designDocs}}, true
	case kindDesignDocsQueries:
		return actions{post: action{do: (*Handler).designDocsQueries}}, true
	case kindLocalDocs:
		return actions{get: action{do: (*Handler).localDocs}, post: action{do: (*Handler).localDocs}}, true
	case kindSecurity:
		return actions{get: action{do: (*Handler).getSecurity}, put: action{do: (*Handler).putSecurity, write: true}}, true
	case kindRevsLimit:
		return actions{get: action{do: (*Handler).getRevsLimit}, put: action{do: (*Handler).putRevsLimit, write: true}}, true
	}
	return actions{}, false
}
