package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// audited writes one event as JSON and reads it.
func audited(ctx context.Context, tb testing.TB, name string, fields ...zap.Field) map[string]any {
	tb.Helper()
	var out bytes.Buffer
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"}), zapcore.AddSync(&out), zap.InfoLevel)
	newAuditor(zap.New(core)).event(ctx, name, fields...)
	var entry map[string]any
	require.NoError(tb, json.Unmarshal(out.Bytes(), &entry))
	return entry
}

func TestAuditEvents(t *testing.T) {
	t.Parallel()
	ctx := WithClient(t.Context(), Client{Addr: netip.MustParseAddr("2001:db8::1")})
	p := &Principal{
		Name: "alice", Method: MethodCookie, Provider: "idp", Issuer: "https://idp.example.com", Subject: "a1",
		session: &session{key: sessionKey{1, 2, 3}},
	}
	require.Equal(t, map[string]any{
		"msg": "session_ended", "event": "session_ended", "client": "2001:db8::1",
		"actor": map[string]any{
			"method": "cookie", "name": "alice", "provider": "idp", "issuer": "https://idp.example.com", "subject": "a1",
			"session": p.session.info().Handle,
		},
		"database": "notes", "user": "bob", "session": "0102", "count": 3.0, "role": "staff",
		"identity": map[string]any{"issuer": "i", "subject": "s"},
		"refusal":  map[string]any{"status": 401.0, "reason": "Invalid login", "detail": "password sign-in is off"},
	}, audited(ctx, t, auditSessionEnded, auditActor(p), auditDB(notes), auditUser("bob"), auditHandle("0102"), auditCount(3),
		auditRole("staff"), auditIdentity(Identity{Issuer: "i", Subject: "s"}), auditReason(errPasswordsOff())))

	require.Equal(t, map[string]any{
		"msg": "users_listed", "event": "users_listed", "actor": map[string]any{"method": "admin", "admin": true},
	}, audited(t.Context(), t, auditUsersListed, auditActor(&Principal{Admin: true, Method: MethodAdmin}), auditActor(nil),
		auditDB(Database{}), auditUser(""), auditReason(nil)), "what is not known is left out")
}

// Texts that a client chose are bounded and valid, and what is no user name may be a
// password or a token that somebody put there by mistake.
func TestAuditWritesNoUnboundedText(t *testing.T) {
	t.Parallel()
	token := "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."
	for _, name := range []string{
		token, "eyJhbGciOiJFUzI1NiJ9.eyJzdWIi.c2ln", strings.Repeat("x", maxUserName+1), "a\nb", "a\xffb", "pass/word", "!!!!", "https://x",
	} {
		require.Equal(t, "(not a user name)", audited(t.Context(), t, auditSignInRefused, auditUser(name))["user"], name)
	}
	for _, name := range []string{"alice", "GUEST", "日本語", "foo#bar", "eyJ.alice"} {
		require.Equal(t, name, audited(t.Context(), t, auditSignInRefused, auditUser(name))["user"])
	}
	long := strings.Repeat("é", 1000) + "\xff"
	p := &Principal{Method: MethodBearer, Subject: long, Issuer: "a\xffb"}
	entry := audited(t.Context(), t, auditSignIn, auditActor(p), auditDB(Database{Name: long}), auditRole(long), auditHandle(long),
		auditReason(&Error{Reason: long, Detail: "\n" + long}), auditIdentity(Identity{Issuer: long, Subject: long}))
	var check func(v any)
	check = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, v := range v {
				check(v)
			}
		case string:
			require.LessOrEqual(t, len(v), maxAuditText)
			require.True(t, utf8.ValidString(v))
			require.NotContains(t, v, "\ufffd")
		}
	}
	check(entry)
	require.Equal(t, "ab", entry["actor"].(map[string]any)["issuer"])
}

func TestAuditIsAtInfoAndMayBeOff(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	newAuditor(zap.New(core)).event(t.Context(), auditSignIn)
	require.Equal(t, zap.InfoLevel, logs.All()[0].Level)
	core, logs = observer.New(zap.WarnLevel)
	newAuditor(zap.New(core)).event(t.Context(), auditSignIn)
	require.Zero(t, logs.Len())
	newAuditor(nil).event(t.Context(), auditSignIn, auditActor(&Principal{}))
}

func BenchmarkAuditOff(b *testing.B) {
	a, ctx, p := newAuditor(nil), b.Context(), &Principal{Name: "alice", Method: MethodBearer}
	b.ReportAllocs()
	for b.Loop() {
		a.event(ctx, auditSignIn, auditActor(p), auditDB(notes), auditUser("alice"))
	}
}
