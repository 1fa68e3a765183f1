package rest

import "strings"

func routeRoot(name, rest string, admin bool) target {
	if rest == "" {
		switch name {
		case "_up":
			return target{kind: kindUp}
		case "_all_dbs":
			return target{kind: kindAllDBs}
		case "_session":
			return target{kind: kindRootSession}
		case "_uuids":
			return target{kind: kindUUIDs}
		}
	}
	if to, ok := routeServer(name, rest); ok && admin {
		return to
	}
	if handle, err := unescape(strings.TrimSuffix(rest, "/")); err == nil && name == "_session" && rest != "" {
		return target{kind: kindRootSessionHandle, item: handle}
	}
	if admin && name == "_auth" && rest == "explain" {
		return target{kind: kindExplain}
	}
	return target{kind: kindRootUnknown}
}

// routeServer finds where a path beside the databases leads on an administrators' site, if it
// is about the server as a whole.
func routeServer(name, rest string) (target, bool) {
	switch name {
	case "_dbs_info", "_active_tasks", "_status", "_stats", "_backup":
		if rest != "" {
			return target{}, false
		}
		return target{kind: map[string]kind{
			"_dbs_info": kindDBsInfo, "_active_tasks": kindActiveTasks, "_status": kindStatus, "_stats": kindStats, "_backup": kindBackup,
		}[name]}, true
	case "_replicate":
		if rest != "" {
			return target{}, false
		}
		return target{kind: kindReplicate}, true
	case "_scheduler":
		if rest == "jobs" {
			return target{kind: kindSchedulerJobs}, true
		}
		return target{kind: kindRootNotImplemented, item: name}, true
	case "_membership", "_cluster_setup", "_node", "_reshard", "_db_updates", "_config", "_restart":
		return target{kind: kindRootNotImplemented, item: name}, true
	}
	return target{}, false
}

// rootActions says who answers what beside the databases.
func rootActions(k kind) (actions, bool) {
	switch k {
	case kindRoot:
		return actions{get: action{do: (*Handler).root}}, true
	case kindUp:
		return actions{get: action{do: (*Handler).up}}, true
	case kindAllDBs:
		return actions{get: action{do: (*Handler).allDatabases}}, true
	case kindRootSession:
		return sessionActions(), true
	case kindUUIDs:
		return actions{get: action{do: (*Handler).uuids}}, true
	case kindDBsInfo:
		return actions{get: action{do: (*Handler).databaseInfos}, post: action{do: (*Handler).databaseInfos}}, true
	case kindActiveTasks:
		return actions{get: action{do: (*Handler).activeTasks}}, true
	case kindStatus:
		return actions{get: action{do: (*Handler).status}}, true
	case kindStats:
		return actions{get: action{do: (*Handler).statistics}}, true
	case kindBackup:
		return actions{get: action{do: (*Handler).backup, write: true}, post: action{do: (*Handler).prepareBackup, write: true}}, true
	case kindRootNotImplemented:
		no := action{do: (*Handler).rootNotImplemented}
		return actions{get: no, put: no, post: no, delete: no}, true
	}
	return actions{}, false
}

// sessionActions are those of /_session and of /{db}/_session.
func sessionActions() actions {
	session := action{do: (*Handler).session}
	return actions{get: session, post: session, delete: session}
}
