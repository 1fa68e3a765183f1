package rest

// operationActions say who answers what about a database's service, and about what the
// store keeps of a document.
func operationActions(k kind) (actions, bool) {
	switch k {
	case kindConfig:
		return actions{get: action{do: (*Handler).getConfig}}, true
	case kindOnline:
		return actions{post: action{do: (*Handler).online, write: true}}, true
	case kindOffline:
		return actions{post: action{do: (*Handler).offline, write: true}}, true
	case kindRaw:
		return actions{get: action{do: (*Handler).raw}}, true
	case kindReaders:
		return actions{get: action{do: (*Handler).readersOf}}, true
	case kindConnections:
		return actions{get: action{do: (*Handler).connections}}, true
	case kindRevTree:
		return actions{get: action{do: (*Handler).revTree}}, true
	}
	return actions{}, false
}

// routeOperation finds where a path below a keyspace leads on an administrators' site if it
// is one of those. IDs of _design documents may have their slash as it is.
func routeOperation(parts []string) (to target, ok bool) {
	id := ""
	switch {
	case len(parts) == 2:
		id = parts[1]
	case len(parts) == 3 && parts[1] == "_design":
		id = parts[1] + "/" + parts[2]
	}
	switch {
	case parts[0] == "_config" && len(parts) == 1:
		return target{kind: kindConfig}, true
	case parts[0] == "_online" && len(parts) == 1:
		return target{kind: kindOnline}, true
	case parts[0] == "_offline" && len(parts) == 1:
		return target{kind: kindOffline}, true
	case parts[0] == "_raw" && id != "":
		return target{kind: kindRaw, doc: id}, true
	case parts[0] == "_connections" && len(parts) == 1:
		return target{kind: kindConnections}, true
	case parts[0] == "_readers" && id != "":
		return target{kind: kindReaders, doc: id}, true
	case parts[0] == "_revtree" && id != "":
		return target{kind: kindRevTree, doc: id}, true
	}
	return target{}, false
}
