package rest

// maintenanceActions say who answers what about how a database is kept in order.
func maintenanceActions(k kind) (actions, bool) {
	switch k {
	case kindCompact:
		return actions{post: action{do: (*Handler).compact, write: true}}, true
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
	}
	return target{}, false
}
