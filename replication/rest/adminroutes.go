package rest

import "strings"

// routeManagement finds where a path below a database leads if it is one about sessions
// or, on an administrator's site, about users, roles and what they may see. A public site has no such
// endpoints: to it the names are unknown.
func routeManagement(path string, admin bool) (to target, ok bool) {
	path = strings.TrimSuffix(path, "/")
	parts := strings.Split(path, "/")
	for i, part := range parts {
		name, err := unescape(part)
		if err != nil {
			return target{}, false // malformed, which is said elsewhere
		}
		parts[i] = name
	}
	switch {
	case parts[0] == "_session" && len(parts) == 2:
		return target{kind: kindSessionHandle, item: parts[1]}, true
	case !admin:
		return target{}, false
	}
	if to, ok := routeAccess(parts); ok {
		return to, true
	}
	if to, ok := routeMaintenance(parts); ok {
		return to, true
	}
	if to, ok := routeReplication(parts); ok {
		return to, true
	}
	if to, ok := routeOperation(parts); ok {
		return to, true
	}
	switch {
	case parts[0] == "_user":
		return routeUser(parts[1:])
	case parts[0] == "_role" && len(parts) == 1:
		return target{kind: kindRoles}, true
	case parts[0] == "_role" && len(parts) == 2:
		return target{kind: kindRole, item: parts[1]}, true
	}
	return target{}, false
}

func routeUser(parts []string) (to target, ok bool) {
	switch {
	case len(parts) == 0:
		return target{kind: kindUsers}, true
	case len(parts) == 1:
		return target{kind: kindUser, item: parts[0]}, true
	case parts[1] == "_session" && len(parts) == 2:
		return target{kind: kindUserSessions, item: parts[0]}, true
	case parts[1] == "_session" && len(parts) == 3:
		return target{kind: kindUserSession, item: parts[0], part: parts[2]}, true
	case parts[1] == "_identity" && len(parts) == 2:
		return target{kind: kindUserIdentities, item: parts[0]}, true
	}
	return target{}, false
}

// managementActions says who answers what about users, roles and sessions.
func managementActions(k kind) (actions, bool) {
	switch k {
	case kindSessionHandle, kindRootSessionHandle:
		session := action{do: (*Handler).sessionHandle}
		return actions{get: session, delete: session}, true
	case kindExplain:
		return actions{post: action{do: (*Handler).explain}}, true
	case kindUsers:
		return actions{
			get:  action{do: (*Handler).listUsers},
			post: action{do: (*Handler).postUser, write: true},
		}, true
	case kindUser:
		return actions{
			get:    action{do: (*Handler).getUser},
			put:    action{do: (*Handler).putUser, write: true},
			delete: action{do: (*Handler).deleteUser, write: true},
		}, true
	case kindUserSessions:
		return actions{
			get:    action{do: (*Handler).listUserSessions},
			delete: action{do: (*Handler).endUserSessions, write: true},
		}, true
	case kindUserSession:
		return actions{delete: action{do: (*Handler).endUserSession, write: true}}, true
	case kindUserIdentities:
		return actions{
			get:    action{do: (*Handler).listIdentities},
			post:   action{do: (*Handler).linkIdentity, write: true},
			delete: action{do: (*Handler).unlinkIdentity, write: true},
		}, true
	case kindRoles:
		return actions{
			get:  action{do: (*Handler).listRoles},
			post: action{do: (*Handler).postRole, write: true},
		}, true
	case kindRole:
		return actions{
			get:    action{do: (*Handler).getRole},
			put:    action{do: (*Handler).putRole, write: true},
			delete: action{do: (*Handler).deleteRole, write: true},
		}, true
	}
	return actions{}, false
}
