package auth

import "go.uber.org/zap"

// auditMethod is how somebody signed in.
func auditMethod(m Method) zap.Field { return zap.String("method", string(m)) }

// auditHandle names a session without its secret.
func auditHandle(handle string) zap.Field { return zap.String("session", cut(handle, 2*handleLength)) }

// auditSession is what tells a session in the audit log.
func auditSession(x *session) []zap.Field {
	return []zap.Field{
		auditHandle(x.handle()), auditMethod(x.method()), zap.String("provider", x.Provider),
		zap.String("issuer", x.Identity.Issuer), zap.String("subject", x.Identity.Subject),
		zap.String("user", x.User), zap.String("token_id", cut(x.TokenID, 100)),
	}
}
