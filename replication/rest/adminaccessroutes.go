package rest

// accessActions say who answers what about channels and about how writes are judged.
func accessActions(k kind) (actions, bool) {
	switch k {
	case kindAccessHistory:
		return actions{get: action{do: (*Handler).accessHistory}}, true
	case kindAccessHistoryCompact:
		return actions{post: action{do: (*Handler).compactAccessHistory, write: true}}, true
	case kindAllChannels:
		return actions{get: action{do: (*Handler).allChannels}}, true
	case kindAllRoleChannels:
		return actions{get: action{do: (*Handler).allRoleChannels}}, true
	case kindResync:
		return actions{get: action{do: (*Handler).getResync}, post: action{do: (*Handler).postResync, write: true}}, true
	case kindTry:
		return actions{post: action{do: (*Handler).trySync}}, true
	case kindSyncFunction:
		return actions{get: action{do: (*Handler).getSyncFunction}}, true
	}
	return actions{}, false
}

// routeAccess finds where a path below a keyspace leads if it is one of those.
func routeAccess(parts []string) (to target, ok bool) {
	switch {
	case len(parts) == 1 && parts[0] == "_resync":
		return target{kind: kindResync}, true
	case len(parts) == 1 && parts[0] == "_sync":
		return target{kind: kindTry}, true
	case len(parts) == 2 && parts[0] == "_config" && parts[1] == "sync":
		return target{kind: kindSyncFunction}, true
	case len(parts) == 3 && parts[0] == "_user" && parts[2] == "_access_history":
		return target{kind: kindAccessHistory, item: parts[1]}, true
	case len(parts) == 4 && parts[0] == "_user" && parts[2] == "_access_history" && parts[3] == "compact":
		return target{kind: kindAccessHistoryCompact, item: parts[1]}, true
	case len(parts) == 3 && parts[0] == "_user" && parts[2] == "_all_channels":
		return target{kind: kindAllChannels, item: parts[1]}, true
	case len(parts) == 3 && parts[0] == "_role" && parts[2] == "_all_channels":
		return target{kind: kindAllRoleChannels, item: parts[1]}, true
	}
	return target{}, false
}
