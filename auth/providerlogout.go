package auth

import (
	"context"
	"time"
)

// sidLogoutAge is how long the end of a provider's session is remembered. A token of it
// that lives longer is refused all the same if the subject was logged out too.
const sidLogoutAge = 400 * 24 * time.Hour

// ProviderLogout is what a provider's logout token says (OpenID Connect Back-Channel
// Logout 1.0 section 2.4): a subject, a session of it, or both.
type ProviderLogout struct {
	Issuer  string
	Subject string // may be empty with SID
	SID     string // ends this session only, if set (section 2.7)
	Issued  time.Time
	TokenID string // jti
}

// LogOut ends the sessions that a provider logged out, with their leases, in all
// databases, and refuses the tokens that were issued to them so far (DECISIONS 4). The
// same logout token again ends nothing newer. ended is how many sessions were ended.
func (s *State) LogOut(ctx context.Context, l ProviderLogout) (ended int, err error) {
	key, expires := Identity{l.Issuer, l.Subject}.key(), time.Time{}
	if l.SID != "" {
		key, expires = sidKey(l.Issuer, l.SID), time.Now().Add(sidLogoutAge)
	}
	err = s.update(ctx, func(tx *transaction) error {
		ref := identityRef{0, key}
		rec, err := readIdentity(tx, ref)
		if err != nil {
			return err
		}
		if rec == nil {
			rec = &identityRecord{Identity: Identity{Issuer: l.Issuer, Subject: l.Subject}}
		}
		before := l.Issued.Unix() * 1e6
		if rec.NotBefore > before || rec.NotBefore == before && rec.LogoutID == l.TokenID {
			return nil // replayed, or overtaken
		}
		rec.NotBefore, rec.LogoutID = before, l.TokenID
		if err := tx.putIdentityUntil(ref, rec, expires); err != nil {
			return err
		}
		for _, t := range s.seen.loggedOut(key, l.Issued) {
			tx.refuseToken(t.identity, t.token, t.end())
		}
		return tx.endSessions(ending{owner: key, issued: l.Issued.Unix(), refuse: true, count: &ended})
	})
	return ended, err
}

// checkLogout refuses what a provider logged out. The times that are compared are both
// the provider's.
func (s *State) checkLogout(ctx context.Context, a *applicant) *Error {
	for _, key := range [...]identityKey{a.key, a.sid} {
		if key == (identityKey{}) {
			continue
		}
		rec, err := s.identity(ctx, identityRef{0, key})
		if err != nil {
			return errInternal("signing in", err)
		}
		if rec != nil && a.grantsAt.Unix() < rec.NotBefore/1e6 {
			return errLoggedOut(a)
		}
	}
	return nil
}

func errLoggedOut(a *applicant) *Error {
	if a.session {
		return errInvalidSession("logged out at the provider")
	}
	return errInvalidToken("logged out at the provider")
}
