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
	}
	return actions{}, false
}

// sessionActions are those of /_session and of /{db}/_session.
func sessionActions() actions {
	session := action{do: (*Handler).session}
	return actions{get: session, post: session, delete: session}
}
