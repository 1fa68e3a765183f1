package auth

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"go.uber.org/zap"
)

type passwords struct{}

func newPasswords(int) *passwords                                 { return &passwords{} }
func (p *passwords) hash(context.Context, string) (string, error) { return "", nil }
func (p *passwords) verify(context.Context, string, string) (ok, rehash bool, err error) {
	return false, false, nil
}

var errBusy = errors.New("busy")

type basicCache struct{}

func newBasicCache() *basicCache                           { return &basicCache{} }
func (*basicCache) has(uint32, string, string, int64) bool { return false }
func (*basicCache) put(uint32, string, string, int64)      {}

type throttle struct{}

func newThrottle() *throttle { return &throttle{} }
func (*throttle) check(time.Time, userRef, netip.Addr) (time.Duration, bool) {
	return 0, false
}
func (*throttle) failed(time.Time, userRef, netip.Addr)    {}
func (*throttle) succeeded(time.Time, userRef, netip.Addr) {}

type auditor struct{}

func newAuditor(*zap.Logger) *auditor                        { return &auditor{} }
func (*auditor) event(context.Context, string, ...zap.Field) {}

const (
	auditSignIn         = "sign_in"
	auditSessionCreated = "session_created"
	auditSessionEnded   = "session_ended"
	auditSessionsEnded  = "sessions_ended"
	auditSessionsListed = "sessions_listed"
)

func auditActor(*Principal) zap.Field { return zap.Skip() }
func auditDB(Database) zap.Field      { return zap.Skip() }
func auditUser(string) zap.Field      { return zap.Skip() }

type login struct {
	name, password string
	given          bool
}

func readLogin(http.ResponseWriter, *http.Request) (login, *Error) { return login{}, nil }
func readBasic(string) (string, string, error)                     { return "", "", nil }
