package auth

import (
	"context"
	"errors"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// account says which user the token's owner is in the database, or would be. It changes
// nothing.
func (e *explainer) account(ctx context.Context, a *applicant) {
	st, db := e.s.state.Load(), *e.db
	rec, err := st.identity(ctx, identityRef{db.ID, a.key})
	if err != nil {
		e.fail("account", "the store could not be read")
		return
	}
	u, refusal := st.account(ctx, db, a, false)
	switch {
	case refusal == nil:
		e.pass("account", "signs in as the user %s", quoted(u.Name))
	case rec != nil && rec.User != "":
		e.fail("account", "bound to the user %s, but refused: %s", quoted(rec.User), e.boundReason(ctx, rec, a, refusal))
	case st.checkLogout(ctx, a) != nil, st.revoked(rec, a):
		e.fail("account", "revoked: %s. The app has to sign in anew", bare(refusal))
	default:
		e.newAccount(ctx, a)
	}
}

// boundReason says why somebody who has a user is refused.
func (e *explainer) boundReason(ctx context.Context, rec *identityRecord, a *applicant, refusal *Error) string {
	u, err := e.s.state.Load().user(ctx, e.db.ID, rec.User)
	switch {
	case err == nil && u != nil && u.Disabled:
		return `the user is disabled; PUT {"disabled":false} to /` + e.db.Name + "/_user/… enables them"
	case e.s.state.Load().revoked(rec, a):
		return "tokens issued before " + rfc3339(time.UnixMicro(rec.NotBefore)) + ", or used by then, were refused when the user was signed out everywhere; the app has to sign in anew"
	}
	return bare(refusal) + "; the app has to sign in anew"
}

// newAccount says what would become of somebody who has no user yet.
func (e *explainer) newAccount(ctx context.Context, a *applicant) {
	st, db := e.s.state.Load(), *e.db
	var u *User
	var refusal *Error
	err := st.records.View(ctx, func(r syncstore.RecordReader) error {
		var err error
		u, refusal, err = decideNew(r, db, a)
		return err
	})
	there, readErr := st.user(ctx, db.ID, a.name)
	switch {
	case errors.Is(err, errAlreadyBound):
		e.pass("account", "signs in as a user that was made just now")
	case err != nil || readErr != nil:
		e.fail("account", "the store could not be read")
	case refusal == nil && there == nil:
		e.pass("account", "would be registered as the new user %s", quoted(u.Name))
	case refusal == nil:
		e.pass("account", "would become the user %s, who is there and has no identity yet", quoted(u.Name))
	case there == nil:
		e.fail("account", "there is no user %s, and the provider does not register: write `register` in it, or make the user with \"first_use\":true", quoted(a.name))
	case there.Disabled && len(there.Identities) == 0:
		e.fail("account", "the user %s is disabled", quoted(a.name))
	default:
		e.fail("account", "the name %s is taken by another account: link the identity with POST /%s/_user/…/_identity if both are the same person, or set `user_prefix`", quoted(a.name), db.Name)
	}
}

// bare is a refusal's reason without the words that clients look for.
func bare(refusal *Error) string {
	const prefix = "Invalid login: "
	if len(refusal.Reason) > len(prefix) && refusal.Reason[:len(prefix)] == prefix {
		return refusal.Reason[len(prefix):]
	}
	return refusal.Reason
}
