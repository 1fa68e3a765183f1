package rest

import "slices"

// maintenanceActions say who answers what about how a database is kept in order.
func maintenanceActions(k kind) (actions, bool) {
	switch k {
	case kindCompact:
		return actions{post: action{do: (*Handler).compact, write: true}}, true
	case kindPurge:
		return actions{post: action{do: (*Handler).purge, write: true}}, true
	case kindPurgedInfosLimit:
		return actions{
			get: action{do: (*Handler).getPurgedInfosLimit},
			put: action{do: (*Handler).putPurgedInfosLimit, write: true},
		}, true
	case kindNotImplemented:
		no := action{do: (*Handler).notImplemented}
		return actions{get: no, put: no, post: no, delete: no}, true
	}
	return actions{}, false
}

// routeMaintenance finds where a path below a keyspace leads on an administrators' site if it
// is one of those.
func routeMaintenance(parts []string) (to target, ok bool) {
	switch {
	case parts[0] == "_compact" && len(parts) == 1:
		return target{kind: kindCompact}, true
	case parts[0] == "_compact" && len(parts) == 2, parts[0] == "_view_cleanup" && len(parts) == 1:
		return target{kind: kindViewCleanup}, true
	case parts[0] == "_purge" && len(parts) == 1:
		return target{kind: kindPurge}, true
	case parts[0] == "_purged_infos_limit" && len(parts) == 1:
		return target{kind: kindPurgedInfosLimit}, true
	case slices.Contains([]string{"_shards", "_sync_shards", "_purged_infos", "_nouveau_cleanup", "_search_cleanup"}, parts[0]):
		return target{kind: kindNotImplemented, item: parts[0]}, true
	}
	return target{}, false
}
