package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"go.uber.org/zap"
)

// backchannelLogout answers _oidc_backchannel_logout: the provider says that somebody
// signed out there (OpenID Connect Back-Channel Logout 1.0). The token proves it; no
// cookie and no origin is asked for. Its answers are those of section 2.8.
func (c *oidcCall) backchannelLogout() {
	form, refusal := c.form()
	if refusal != nil {
		c.refuseLogout("invalid_request", refusal)
		return
	}
	raw := form.Get("logout_token")
	if raw == "" {
		c.refuseLogout("invalid_request", errFlow(http.StatusBadRequest, "logout_token is missing", ""))
		return
	}
	p, t, refusal := c.verifyLogout(raw)
	if refusal != nil {
		c.refuseLogout("invalid_request", refusal)
		return
	}
	if err := c.logOutOnce(p, t); err != nil {
		c.refuseLogout("temporarily_unavailable", errInternal("signing out by the back channel", err))
		return
	}
	c.w.Header().Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusOK)
}

// logOutOnce does what a logout token says, if that was not done. One that comes again, because our answer was lost or as
// a replay, ends nothing newer (DECISIONS 4); while the first is under way it waits, and hears what became of that.
func (c *oidcCall) logOutOnce(p *provider, t *logoutToken) error {
	logins := &c.s.state.Load().codeLogins
	issuer, _, _ := p.issued(&t.token)
	once := onceKey(sha256.Sum256([]byte(issuer + "\n" + t.id)))
	_, err, _ := logins.logouts.Do(string(once[:]), func() (any, error) {
		if logins.jwtIDs.knows(once) {
			return nil, nil
		}
		ctx := context.WithoutCancel(c.r.Context()) // a provider that hangs up meant it all the same
		l := ProviderLogout{Issuer: issuer, Subject: t.subject, SID: t.sid, Issued: t.issued, TokenID: t.id}
		ended, err := c.s.state.Load().LogOut(ctx, l)
		if err != nil {
			return nil, err
		}
		logins.jwtIDs.first(once, t.expires.Add(logoutTokenAge))
		c.s.audit.event(ctx, auditProviderLogout, auditDB(c.db), zap.String("provider", p.Name),
			auditIdentity(Identity{Issuer: issuer, Subject: t.subject}), zap.Bool("one_session", t.sid != ""), auditCount(ended))
		return nil, nil
	})
	return err
}

// verifyLogout judges a logout token.
func (c *oidcCall) verifyLogout(raw string) (*provider, *logoutToken, *Error) {
	t, err := peekLogout(raw)
	if err != nil {
		return nil, nil, errFlow(http.StatusBadRequest, err.Error(), "")
	}
	var p *provider
	for _, o := range c.s.providers {
		if c.pol.admits[o] && t.heardBy(o) {
			p = o
		}
	}
	if p == nil {
		return nil, nil, errFlow(http.StatusBadRequest, "the token is of no provider of this database, or for another client", "")
	}
	if err := t.checkLogoutTimes(time.Now(), p.ClockSkew); err != nil {
		return nil, nil, errFlow(http.StatusBadRequest, err.Error(), "")
	}
	if len(p.Algorithms) > 0 && !slices.Contains(p.Algorithms, t.alg) {
		return nil, nil, errFlow(http.StatusBadRequest, errAlgorithm.Error(), "")
	}
	set := &tokenKeys{keys: p.keyring(), token: &t.token, provider: p}
	_, err = oidc.NewVerifier(t.issuer, set, &oidc.Config{
		SkipClientIDCheck:    true, // checked against several above
		SupportedSigningAlgs: signatureAlgorithms,
	}).VerifyLogout(c.r.Context(), raw)
	var retry *retryError
	switch {
	case err == nil:
		return p, t, nil
	case errors.As(set.err, &retry):
		return nil, nil, errTryLater("the identity provider's keys are not available, try again", retry.after, retry.Error())
	case errors.Is(set.err, context.Canceled), errors.Is(set.err, context.DeadlineExceeded):
		return nil, nil, errTryLater("the identity provider did not answer in time", time.Second, "")
	case set.err != nil:
		return nil, nil, errFlow(http.StatusBadRequest, set.err.Error(), "")
	}
	return nil, nil, errFlow(http.StatusBadRequest, "token refused", err.Error())
}

// refuseLogout answers as section 2.8 says: 400, whatever failed, and what failed in
// the members of RFC 6749 section 5.2.
func (c *oidcCall) refuseLogout(code string, e *Error) {
	c.s.logRefusal(c.r.Context(), c.db.Name, e)
	if e.RetryAfter > 0 {
		code = "temporarily_unavailable"
		e.setRetryAfter(c.w.Header())
	}
	c.answer(http.StatusBadRequest, map[string]string{"error": code, "error_description": e.Reason})
}
