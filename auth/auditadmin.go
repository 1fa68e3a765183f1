package auth

import "go.uber.org/zap"

// Names of audit events of what administrators look at and undo.
const (
	auditUserRead         = "user_read"
	auditUsersListed      = "users_listed"
	auditIdentityUnlinked = "identity_unlinked"
	auditRoleRead         = "role_read"
	auditRolesListed      = "roles_listed"
)

// auditChanged tells which members a change is of, not what they are now.
func auditChanged(members []string) zap.Field { return zap.Strings("changed", members) }
