package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxForeignText is how much of a provider's error description is repeated, in bytes.
const maxForeignText = 256

// callback answers _oidc_callback: the provider has sent the browser back with a code.
func (c *oidcCall) callback() {
	params, refusal := c.callbackParams()
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	l, refusal := c.takeLogin(params.Get("state"))
	if l != nil && l.ReturnTo != "" {
		c.back, _ = url.Parse(l.ReturnTo) // our own, from under the seal
	}
	switch {
	case params.Get("error") != "":
		c.refuse(errCallback(params))
		return
	case params.Get("code") == "":
		c.refuse(errFlow(http.StatusBadRequest, "Code must be present on oidc callback", ""))
		return
	}
	named := c.r.URL.Query().Get("provider")
	p := c.provider(named)
	if l != nil {
		p = c.provider(l.Provider)
	}
	if p == nil || l != nil && p.Issuer != l.Issuer {
		c.refuse(errFlow(http.StatusBadRequest, "Unable to identify provider for callback request", ""))
		return
	}
	if refusal == nil {
		refusal = c.checkLogin(l, p, named)
	}
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	c.complete(p, l, params)
}

// callbackParams reads the provider's answer: of the query, or of a form if it was
// posted.
func (c *oidcCall) callbackParams() (url.Values, *Error) {
	q, refusal := c.query()
	if refusal != nil || c.r.Method == http.MethodGet {
		return q, refusal
	}
	return c.form()
}

// form reads a posted form.
func (c *oidcCall) form() (url.Values, *Error) {
	if kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errFlow(http.StatusUnsupportedMediaType, "the body must be a form: Content-Type application/x-www-form-urlencoded", "")
	}
	text, refusal := c.body()
	if refusal != nil {
		return nil, refusal
	}
	values, err := url.ParseQuery(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, errFlow(http.StatusBadRequest, "the form is malformed", "")
	}
	return values, checkSingle(values)
}

// takeLogin finds the login that a state belongs to, deletes its cookie, and uses the
// state up.
func (c *oidcCall) takeLogin(state string) (*codeLogin, *Error) {
	st := c.s.state.Load()
	aead, err := st.loginSeal(c.r.Context())
	if err != nil {
		return nil, errInternal("finishing a sign-in", err)
	}
	l, err := findLogin(aead, c.r, state, time.Now())
	switch {
	case errors.Is(err, errNoLogin):
		return nil, errFlow(http.StatusBadRequest, "OIDC Auth Failure: No state cookie found, "+
			"client needs to support cookies when OIDC callback state is enabled", "")
	case errors.Is(err, errOtherLogin):
		return nil, errFlow(http.StatusBadRequest, "OIDC Auth Failure: State mismatch", err.Error())
	case errors.Is(err, errExpiredLogin):
		return nil, errFlow(http.StatusBadRequest, "OIDC Auth Failure: the login took longer than 10 minutes: begin again", "")
	case err != nil:
		return nil, errFlow(http.StatusBadRequest, "OIDC Auth Failure: Couldn't read state", err.Error())
	}
	posted := c.r.Method == http.MethodPost
	http.SetCookie(c.w, newLoginCookie(c.r, loginName(c.r, state), "", posted, 0))
	if !st.codeLogins.used.first(sha256.Sum256([]byte(state)), time.Unix(l.Begun, 0).Add(loginLife+time.Second)) {
		return nil, errFlow(http.StatusBadRequest, "OIDC Auth Failure: State mismatch", "the state was used before")
	}
	return l, nil
}

// checkLogin checks that the answer came to where the login sent it: this database, this
// provider's redirect_uri, by this response mode.
func (c *oidcCall) checkLogin(l *codeLogin, p *provider, named string) *Error {
	callback, err := url.Parse(l.Callback)
	var mismatch string
	switch {
	case l.Database != c.db.Name || l.ID != c.db.ID:
		mismatch = "the login began in another database"
	case err != nil || callback.Query().Get("provider") != named:
		mismatch = "the login began with another provider"
	case (p.ResponseMode == responseModeForm) != (c.r.Method == http.MethodPost):
		mismatch = "the answer came by " + c.r.Method
	default:
		return nil
	}
	return errFlow(http.StatusBadRequest, "OIDC Auth Failure: State mismatch", mismatch)
}

// complete trades the code for tokens and signs in with them.
func (c *oidcCall) complete(p *provider, l *codeLogin, params url.Values) {
	m, refusal := c.describe(p)
	if refusal == nil {
		refusal = checkIssParameter(p, m, params)
	}
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	config, refusal := p.oauth(m, l.Callback, c.s.logger)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	set, refusal := p.exchange(c.r.Context(), config, params.Get("code"), l.Verifier)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	v, t, refusal := c.s.verifyFlow(c.r.Context(), p, set.id)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	nonce, err := t.claims.text("nonce")
	if err != nil || subtle.ConstantTimeCompare([]byte(nonce), []byte(l.Nonce)) == 0 {
		// A code of somebody else's login was slipped in (RFC 9700 section 4.5.3.2).
		refusal := errFlow(http.StatusBadRequest, "OIDC Auth Failure: Nonce mismatch", "the ID token is of another login")
		refusal.audit = true
		c.refuse(refusal)
		return
	}
	if reason := checkIDToken(t, p.ClientIDs[0], set.access); reason != "" {
		c.refuse(errProvider("the identity provider's ID token was refused: "+reason, ""))
		return
	}
	c.finish(p, v, set)
}

// checkIssParameter compares who says that it answers with whom was asked (RFC 9207
// section 2.4).
func checkIssParameter(p *provider, m *metadata, params url.Values) *Error {
	iss, there := params["iss"]
	switch {
	case !there && m.IssParameter:
		return errFlow(http.StatusBadRequest, "OIDC Auth Failure: Issuer mismatch", "the provider promises iss and did not send it")
	case there && iss[0] != p.Issuer && !p.vouchesFor(iss[0]):
		refusal := errFlow(http.StatusBadRequest, "OIDC Auth Failure: Issuer mismatch", "another provider's answer")
		refusal.audit = true
		return refusal
	}
	return nil
}

// errCallback repeats the provider's error to the client.
func errCallback(params url.Values) *Error {
	text := params.Get("error_description")
	if text == "" {
		text = params.Get("error")
	}
	e := errFlow(http.StatusUnauthorized, "oidc callback received an error: "+quotable(cut(text, maxForeignText)), "")
	e.foreign = true
	return e
}
