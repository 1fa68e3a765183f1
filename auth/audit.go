package auth

import (
	"context"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Names of audit events.
const (
	auditSignIn           = "sign_in" // a token or Basic pair first verified, or a session made from one
	auditSignInRefused    = SignInRefused
	auditSessionCreated   = "session_created"
	auditSessionEnded     = "session_ended"  // one
	auditSessionsEnded    = "sessions_ended" // all of a user
	auditSessionsListed   = "sessions_listed"
	auditUserCreated      = "user_created"
	auditUserUpdated      = "user_updated"
	auditUserDeleted      = "user_deleted"
	auditRoleCreated      = "role_created"
	auditRoleUpdated      = "role_updated"
	auditRoleDeleted      = "role_deleted"
	auditPasswordRehashed = "password_rehashed"
	auditIdentityLinked   = "identity_linked"
	auditTokenExplained   = "token_explained"
	auditLoggedOut        = "logged_out"             // at the user's wish
	auditProviderLogout   = "logged_out_by_provider" // back-channel logout
)

// SignInRefused is the audit event of credentials that are refused, with the true reason. It is written for each
// request, and not for those that bring none.
const SignInRefused = "sign_in_refused"

// maxAuditText is how much of a text that a client chose is written, in bytes.
const maxAuditText = 256

// auditor writes who did what, from where. No token, cookie, password or session ID goes
// through it; a session is named by its handle.
type auditor struct {
	logger *zap.Logger
}

// newAuditor writes to l, which has the name sync.audit; nil writes nowhere.
func newAuditor(l *zap.Logger) *auditor {
	if l == nil {
		l = zap.NewNop()
	}
	return &auditor{logger: l}
}

// event writes one event, with the address of the client that ctx knows.
func (a *auditor) event(ctx context.Context, name string, fields ...zap.Field) {
	entry := a.logger.Check(zapcore.InfoLevel, name)
	if entry == nil {
		return
	}
	all := make([]zap.Field, 0, len(fields)+2)
	all = append(all, zap.String("event", name))
	if addr := ClientOf(ctx).Addr; addr.IsValid() {
		all = append(all, zap.Stringer("client", addr))
	}
	entry.Write(append(all, fields...)...)
}

// auditActor says who acts; nil is nobody, which is left out. The fields are made only if
// they are written.
func auditActor(p *Principal) zap.Field {
	if p == nil {
		return zap.Skip()
	}
	return zap.Object("actor", (*auditedPrincipal)(p))
}

type auditedPrincipal Principal

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (p *auditedPrincipal) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("method", string(p.Method))
	if p.Admin {
		e.AddBool("admin", true)
	}
	for _, f := range []struct{ key, text string }{
		{"name", p.Name}, {"provider", p.Provider}, {"issuer", p.Issuer}, {"subject", p.Subject},
	} {
		if f.text != "" {
			e.AddString(f.key, auditText(f.text))
		}
	}
	if p.session != nil {
		e.AddString("session", p.session.info().Handle)
	}
	return nil
}

// auditDB names the database.
func auditDB(db Database) zap.Field {
	if db.Name == "" {
		return zap.Skip()
	}
	return zap.String("database", auditText(db.Name))
}

// auditUser names the user that something is done to, or that somebody says to be. What
// no user can be called is not written: people slip, and put a password or a token there.
func auditUser(name string) zap.Field {
	switch {
	case name == "":
		return zap.Skip()
	case name != "GUEST" && (checkUserName(name) != nil || looksLikeToken(name)):
		return zap.String("user", "(not a user name)")
	}
	return zap.String("user", name)
}

// auditRole names a role.
func auditRole(name string) zap.Field { return zap.String("role", auditText(name)) }

// auditCount says how many of what is named were concerned.
func auditCount(n int) zap.Field { return zap.Int("count", n) }

// auditIdentity says which identity of a provider.
func auditIdentity(id Identity) zap.Field {
	return zap.Dict("identity", zap.String("issuer", auditText(id.Issuer)), zap.String("subject", auditText(id.Subject)))
}

// auditReason is the true reason of a refusal: the client is told less.
func auditReason(e *Error) zap.Field {
	if e == nil {
		return zap.Skip()
	}
	return zap.Object("refusal", (*auditedError)(e))
}

type auditedError Error

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (r *auditedError) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddInt("status", r.Status)
	e.AddString("reason", auditText(r.Reason))
	if r.Detail != "" {
		e.AddString("detail", auditText(r.Detail))
	}
	return nil
}

// auditText bounds a text, and makes it valid UTF-8.
func auditText(s string) string { return cut(s, maxAuditText) }

// looksLikeToken reports whether s has the shape of a JWT: a header that begins with {"
// in base64url, and two dots.
func looksLikeToken(s string) bool {
	return strings.HasPrefix(s, "eyJ") && strings.Count(s, ".") >= 2
}
