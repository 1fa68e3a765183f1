package auth

import "go.uber.org/zap"

// auditMethod is how somebody signed in.
func auditMethod(m Method) zap.Field { return zap.String("method", string(m)) }

// auditSession names a session by its handle, which signs nobody in.
func auditHandle(handle string) zap.Field { return zap.String("session", auditText(handle)) }

// auditSessionOf is what tells a session, and whose it is.
func auditSessionOf(x *session) []zap.Field {
	fields := []zap.Field{auditHandle(x.handle()), auditMethod(x.method())}
	if x.User != "" {
		return append(fields, auditUser(x.User))
	}
	return append(fields, auditIdentity(x.Identity), zap.String("provider", x.Provider), zap.String("token_id", auditText(x.TokenID)))
}
