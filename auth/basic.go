package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.uber.org/zap"
)

// signInBasic signs in by the Authorization header's user name and password.
func (s *Service) signInBasic(ctx context.Context, encoded string, db Database, pol *policy) (*Principal, *Error) {
	if !pol.PasswordAuth {
		return nil, errPasswordsOff()
	}
	name, password, err := readBasic(encoded)
	if err != nil {
		return nil, errBadLogin(err.Error())
	}
	u, refusal := s.checkPassword(ctx, db, name, password)
	if refusal != nil {
		return nil, refusal
	}
	return passwordPrincipal(u, db, pol), nil
}

func passwordPrincipal(u *User, db Database, pol *policy) *Principal {
	p := &Principal{Method: MethodBasic, db: db, passwordAt: u.PasswordAt}
	return p.as(u, pol)
}

// passwordChecks is how often a password is checked that is set anew each time.
const passwordChecks = 4

// checkPassword returns the enabled user of a database whose password this is. Unknown
// users, users without a password, disabled ones and wrong passwords read the same and
// take the same time.
func (s *Service) checkPassword(ctx context.Context, db Database, name, password string) (*User, *Error) {
	st := s.state.Load()
	u, err := st.user(ctx, db.ID, name)
	if err != nil {
		return nil, errInternal("signing in", err)
	}
	// Who may not guess may not guess what others have verified either.
	if u.takesPassword() && !st.throttle.refuses(time.Now(), userRef{db.ID, name}, ClientOf(ctx).Addr) &&
		st.basic.has(db.ID, name, password, u.PasswordAt) {
		return u, nil
	}
	for range passwordChecks {
		if refusal := s.verifyPassword(ctx, db, name, password, u); refusal != nil {
			return nil, refusal
		}
		// That took a while. What was set meanwhile, often the same, would end the sign-in as soon as it begins,
		// and clients take that for good.
		checked := u.passwordAt()
		if u, err = st.user(ctx, db.ID, name); err != nil {
			return nil, errInternal("signing in", err)
		}
		if u.takesPassword() && u.PasswordAt == checked {
			return u, nil
		}
	}
	return nil, errTryLater("the user is being changed", time.Second, "")
}

// verifyPassword checks a password that is not known to be good. u may be nil.
func (s *Service) verifyPassword(ctx context.Context, db Database, name, password string, u *User) *Error {
	key := loginKey{s.state.Load().basic.key(db.ID, name, password), networkOf(ClientOf(ctx).Addr), u.takesPassword(), u.passwordAt()}
	return s.oneAttempt(ctx, key, func(ctx context.Context) *Error {
		refusal := s.judgePassword(ctx, db, name, password, u)
		if refusal != nil {
			refusal.user = name
		}
		return refusal
	})
}

// loginKey is a name and a password from a client, and the password that the user has.
type loginKey struct {
	pair       [sha256.Size]byte
	client     netip.Prefix
	enabled    bool
	passwordAt int64
}

// oneAttempt makes one of the same logins that come at the same time: a client that
// begins with twenty requests must not be taken for one who guesses. judge goes on if its
// client hangs up, for the others.
func (s *Service) oneAttempt(ctx context.Context, key loginKey, judge func(context.Context) *Error) *Error {
	ch := s.state.Load().logins.DoChan(fmt.Sprintf("%x %v %v %d", key.pair, key.client, key.enabled, key.passwordAt), func() (any, error) {
		return judge(context.WithoutCancel(ctx)), nil
	})
	select {
	case result := <-ch:
		refusal, _ := result.Val.(*Error)
		return refusal
	case <-ctx.Done():
		return errInternal("checking a password", ctx.Err())
	}
}

// judgePassword is verifyPassword for one of the same logins that come at the same time.
func (s *Service) judgePassword(ctx context.Context, db Database, name, password string, u *User) *Error {
	st := s.state.Load()
	a, delay, refuse := st.throttle.check(time.Now(), userRef{db.ID, name}, ClientOf(ctx).Addr)
	if refuse {
		return errThrottled(delay)
	}
	wait(ctx, delay)
	stored := ""
	if u != nil && !u.Disabled {
		stored = u.Password
	}
	ok, rehash, err := st.passwords.verify(ctx, stored, password)
	switch {
	case errors.Is(err, errBusy):
		st.throttle.abandoned(a)
		return errThrottled(time.Second)
	case errors.Is(err, ErrBadPasswordHash):
		st.throttle.failed(a)
		s.logger.Error("a stored password hash cannot be read: set a new password", zap.String("database", db.Name), auditUser(name), zap.Error(err))
		return errBadLogin("the stored hash cannot be read")
	case err != nil:
		st.throttle.abandoned(a)
		return errInternal("checking a password", err)
	case !ok:
		st.throttle.failed(a)
		return errBadLogin(passwordDetail(u))
	}
	s.audit.event(ctx, auditSignIn, auditDB(db), auditUser(name), auditMethod(MethodBasic))
	st.throttle.succeeded(a)
	st.basic.put(db.ID, name, password, u.PasswordAt)
	if rehash {
		s.rehash(ctx, db, u, password)
	}
	return nil
}

// passwordDetail is for the log.
func passwordDetail(u *User) string {
	switch {
	case u == nil:
		return "no such user"
	case u.Disabled:
		return "user is disabled"
	case u.Password == "":
		return "the user has no password"
	}
	return "wrong password"
}

// rehash stores a better hash of a password that was just found good. Signing in does not
// fail if that does.
func (s *Service) rehash(ctx context.Context, db Database, u *User, password string) {
	st := s.state.Load()
	better, err := st.passwords.hash(ctx, password)
	if err == nil {
		err = st.rehash(ctx, db.ID, u.Name, u.Password, better)
	}
	if err != nil {
		s.logger.Warn("a password's hash was not renewed", zap.String("database", db.Name), zap.Error(err))
	}
}

// judgeUser judges a principal that signed in by password.
func (s *Service) judgeUser(ctx context.Context, p *Principal) (*User, *policy, *Error) {
	pol := s.policy(p.db.Name)
	if pol == nil || !pol.PasswordAuth {
		return nil, nil, errPasswordsOff()
	}
	u, err := s.state.Load().user(ctx, p.db.ID, p.Name)
	switch {
	case err != nil:
		return nil, nil, errInternal("signing in", err)
	case u == nil:
		return nil, nil, errBadLogin("user was deleted")
	case u.Disabled:
		return nil, nil, errBadLogin("user is disabled")
	case u.Password == "" || u.PasswordAt != p.passwordAt:
		return nil, nil, errBadLogin("password changed")
	}
	return u, pol, nil
}

// wait waits for d, or for the request's end.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
