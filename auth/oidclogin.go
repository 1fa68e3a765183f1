package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// passedOn are the parameters of a login that are the provider's to understand
// (OpenID Connect Core section 3.1.2.1).
var passedOn = []string{"login_hint", "prompt", "ui_locales"}

// login answers _oidc: it sends the browser to the provider.
func (c *oidcCall) login() {
	q, refusal := c.query()
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	p, refusal := c.begin(q)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	address, refusal := c.authorize(p, q)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	c.redirect(address)
}

// challenge answers _oidc_challenge: 401, with the address that login redirects to.
// Couchbase Lite 1 asks for it.
func (c *oidcCall) challenge() {
	q, refusal := c.query()
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	p, refusal := c.begin(q)
	c.back = nil // the caller is a program
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	address, refusal := c.authorize(p, q)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	e := errLoginRequired()
	e.Challenges = []string{`OIDC login="` + address + `"`} // the URL is encoded: it has no quotes
	c.refuse(e)
}

// begin reads which provider is meant and where the browser goes at the end.
func (c *oidcCall) begin(q url.Values) (*provider, *Error) {
	p := c.provider(q.Get("provider"))
	if p == nil {
		return nil, errNotConfigured(c.db)
	}
	if raw := q.Get("return_to"); raw != "" {
		if p.DisableSession || c.pol.Session.Off {
			return nil, errFlow(http.StatusBadRequest, "return_to needs a session, and sessions are off here", "")
		}
		to, err := returnTo(c.r, c.site, raw)
		if err != nil {
			return nil, errFlow(http.StatusBadRequest, err.Error(), "")
		}
		c.back = to
	}
	return p, nil
}

// authorize begins a login: it sets the login's cookie and returns the address at the
// provider.
func (c *oidcCall) authorize(p *provider, q url.Values) (string, *Error) {
	m, refusal := c.describe(p)
	if refusal != nil {
		return "", refusal
	}
	if err := m.checkEndpoint("authorization_endpoint", m.AuthorizationEndpoint); err != nil {
		return "", errProvider("the identity provider cannot be used for sign-in by browser", err.Error())
	}
	callback, refusal := callbackURL(c.r, c.site, c.db, c.pol, p)
	if refusal != nil {
		return "", refusal
	}
	l := &codeLogin{
		Provider: p.Name, Issuer: p.Issuer, Database: c.db.Name, ID: c.db.ID, Callback: callback,
		Nonce: newState(), Verifier: oauth2.GenerateVerifier(), Begun: time.Now().Unix(),
	}
	if c.back != nil {
		l.ReturnTo = c.back.String()
	}
	options, refusal := authorizeOptions(p, l, q)
	if refusal != nil {
		return "", refusal
	}
	state := newState()
	if refusal := c.setLogin(l, state, p.ResponseMode == responseModeForm); refusal != nil {
		return "", refusal
	}
	config := oauth2.Config{
		ClientID: p.ClientIDs[0], RedirectURL: callback, Scopes: scopesFor(p, m, q),
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint},
	}
	return config.AuthCodeURL(state, options...), nil
}

// authorizeOptions are the parameters of the authorization request that x/oauth2 does
// not set by itself.
func authorizeOptions(p *provider, l *codeLogin, q url.Values) ([]oauth2.AuthCodeOption, *Error) {
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(l.Verifier), oidc.Nonce(l.Nonce)}
	if p.ResponseMode != "" {
		options = append(options, oauth2.SetAuthURLParam("response_mode", p.ResponseMode))
	}
	if offline(q) {
		// Google's words for it; others go by the scope offline_access.
		options = append(options, oauth2.AccessTypeOffline, oauth2.SetAuthURLParam("prompt", "consent"))
	}
	for _, name := range passedOn {
		value := q.Get(name)
		if len(value) > maxPassed {
			return nil, errFlow(http.StatusBadRequest, fmt.Sprintf("%s is longer than %d bytes", name, maxPassed), "")
		}
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	return options, nil
}

func offline(q url.Values) bool { return q.Get("offline") == "true" }

// scopesFor are the scopes to ask for. offline_access is how a provider that lists it
// wants to be asked for a refresh token (OpenID Connect Core section 11).
func scopesFor(p *provider, m *metadata, q url.Values) []string {
	const offlineAccess = "offline_access"
	if !offline(q) || slices.Contains(p.Scopes, offlineAccess) || !slices.Contains(m.Scopes, offlineAccess) {
		return p.Scopes
	}
	return append(slices.Clone(p.Scopes), offlineAccess)
}

// setLogin sets the login's cookie, and deletes those of logins that were given up.
func (c *oidcCall) setLogin(l *codeLogin, state string, formPost bool) *Error {
	aead, err := c.s.state.Load().loginSeal(c.r.Context())
	if err != nil {
		return errInternal("beginning a sign-in", err)
	}
	value, err := l.seal(aead, state)
	if err != nil {
		return errFlow(http.StatusBadRequest, err.Error(), "the login does not fit into a cookie")
	}
	if old := loginCookies(c.r); len(old) >= maxLogins {
		for _, name := range old[:len(old)-maxLogins+1] {
			http.SetCookie(c.w, newLoginCookie(c.r, name, "", formPost, 0))
		}
	}
	http.SetCookie(c.w, newLoginCookie(c.r, loginName(c.r, state), value, formPost, loginLife))
	return nil
}
