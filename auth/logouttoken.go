package auth

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// logoutEvent is the member of events that makes a token a logout token
	// (Back-Channel Logout 1.0 section 2.4).
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// logoutTokenAge is how old a logout token may be: one that was kept for longer is
	// no news, and not_before would refuse tokens that were issued since.
	logoutTokenAge = 10 * time.Minute
	// maxLogoutID is the longest jti and sid, in bytes.
	maxLogoutID = 1024
)

var (
	errLogoutEvent = errors.New("not a logout token")
	errLogoutNonce = errors.New("a logout token has no nonce")
)

// logoutToken is a logout token that was read but not verified.
type logoutToken struct {
	token // subject may be ""

	id  string // jti
	sid string
}

// peekLogout reads a compact JWS as a logout token without verifying it, and checks all
// that needs neither the configuration nor the network (Back-Channel Logout 1.0
// section 2.6).
func peekLogout(raw string) (*logoutToken, error) {
	parts := strings.Split(raw, ".")
	switch {
	case len(raw) > maxToken:
		return nil, errors.New("token too long")
	case len(parts) == 5:
		return nil, errEncrypted
	case len(parts) != 3:
		return nil, errMalformed
	}
	t := &logoutToken{token: token{raw: raw}}
	header, err := decodePart(parts[0])
	if err != nil {
		return nil, errMalformed
	}
	h, err := parseClaims(header)
	if err != nil {
		return nil, errMalformed
	}
	for _, check := range [...]func(*token, claims) error{(*token).readAlgorithm, (*token).readKeyID, readLogoutType, checkExtensions} {
		if err := check(&t.token, h); err != nil {
			return nil, err
		}
	}
	if sig, err := decodePart(parts[2]); err != nil || len(sig) == 0 {
		return nil, errMalformed
	}
	if t.payload, err = decodePart(parts[1]); err != nil {
		return nil, errMalformed
	}
	if t.claims, err = parseClaims(t.payload); err != nil {
		return nil, errMalformed
	}
	return t, t.readLogout()
}

// readLogoutType: section 2.4 recommends logout+jwt; what older providers send is told by
// events.
func readLogoutType(_ *token, h claims) error {
	typ, err := h.text("typ")
	if err != nil {
		return errMalformed
	}
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "", "jwt", "logout+jwt":
		return nil
	}
	return errLogoutEvent
}

func (t *logoutToken) readLogout() error {
	c := t.claims
	var errs [6]error
	t.issuer, errs[0] = c.text("iss")
	t.subject, errs[1] = c.text("sub")
	t.expires, errs[2] = c.moment("exp")
	t.issued, errs[3] = c.moment("iat")
	t.id, errs[4] = c.text("jti")
	t.sid, errs[5] = c.text("sid")
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	var ok bool
	if t.audience, ok = texts(c["aud"]); !ok || len(t.audience) == 0 {
		return errors.New("token has no audience")
	}
	events, _ := c["events"].(claims)
	if _, ok := events[logoutEvent].(claims); !ok {
		return errLogoutEvent
	}
	if _, there := c["nonce"]; there {
		return errLogoutNonce // or an ID token could be made one
	}
	switch {
	case t.issuer == "":
		return errors.New("token has no issuer")
	case t.id == "" || len(t.id) > maxLogoutID:
		return errors.New("token has no usable ID (jti)")
	case t.issued.IsZero() || t.expires.IsZero():
		return errors.New("token has no iat or no exp")
	case t.subject == "" && t.sid == "":
		return errors.New("token has neither sub nor sid")
	case len(t.subject) > maxSubject || strings.ContainsRune(t.subject, utf8.RuneError), len(t.sid) > maxLogoutID:
		return errors.New("subject or sid not accepted")
	}
	return nil
}

// checkLogoutTimes judges a logout token's times: as a bearer's, and it must be fresh.
func (t *logoutToken) checkLogoutTimes(now time.Time, skew time.Duration) error {
	switch {
	case !now.Before(t.expires):
		return errors.New("token expired")
	case t.issued.After(now.Add(skew)):
		return errors.New("token issued in the future")
	case t.issued.Before(now.Add(-logoutTokenAge - skew)):
		return errors.New("token too old")
	}
	return nil
}

// heardBy reports whether the token is for one of the provider's clients.
func (t *logoutToken) heardBy(p *provider) bool {
	_, _, ours := p.issued(&t.token)
	return ours && slices.ContainsFunc(t.audience, func(a string) bool { return slices.Contains(p.ClientIDs, a) })
}
