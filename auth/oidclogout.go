package auth

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"

	"go.uber.org/zap"
)

// logout answers _oidc_logout: it ends the caller's session here, and sends the browser
// to the provider, which ends its own (RP-Initiated Logout 1.0).
func (c *oidcCall) logout() {
	params, refusal := c.logoutParams()
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	if c.foreign() || prefetched(c.r) {
		c.refuse(errFlow(http.StatusForbidden, "Refused: sign out from a page of this site or of an allowed origin.", "the request comes from another page"))
		return
	}
	var to *url.URL
	if raw := params.Get("return_to"); raw != "" {
		var err error
		if to, err = returnTo(c.r, c.site, raw); err != nil {
			c.refuse(errFlow(http.StatusBadRequest, err.Error(), ""))
			return
		}
	}
	p := c.provider(params.Get("provider"))
	if p == nil && params.Get("provider") != "" {
		c.refuse(errNotConfigured(c.db))
		return
	}
	of, refusal := c.endSessions()
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	if of != nil {
		p = of
	}
	c.s.audit.event(c.r.Context(), auditLoggedOut, auditDB(c.db))
	if address := c.endSessionURL(p, to, params.Get("id_token_hint")); address != "" {
		c.redirect(address)
		return
	}
	if to != nil {
		c.redirect(to.String())
		return
	}
	c.answer(http.StatusOK, map[string]any{"ok": true})
}

// logoutParams reads the query, and a POST's body, which alone may hold an ID token.
func (c *oidcCall) logoutParams() (url.Values, *Error) {
	q, refusal := c.query()
	if refusal != nil {
		return nil, refusal
	}
	if q.Has("id_token_hint") {
		return nil, errFlow(http.StatusBadRequest, "id_token_hint does not belong into a URL, which logs keep: POST it in the body", "")
	}
	if c.r.Method != http.MethodPost {
		return q, nil
	}
	sent := map[string]string{}
	if kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		form, refusal := c.form()
		if refusal != nil {
			return nil, refusal
		}
		for name := range form {
			sent[name] = form.Get(name)
		}
	} else {
		text, refusal := c.body()
		if refusal != nil {
			return nil, refusal
		}
		if len(text) > 0 {
			if err := json.Unmarshal(text, &sent); err != nil {
				return nil, errFlow(http.StatusBadRequest, "the body must be JSON of strings or a form", "")
			}
		}
	}
	for name, value := range sent {
		q.Set(name, value)
	}
	return q, nil
}

// endSessions ends the sessions whose IDs the caller holds and clears their cookie. It
// returns the provider of one of them, nil if there is none.
func (c *oidcCall) endSessions() (*provider, *Error) {
	st := c.s.state.Load()
	call := &sessionCall{s: c.s, w: c.w, r: c.r, site: c.site, databases: []Database{c.db}}
	held := call.clearCookies()
	var of *provider
	for _, key := range held {
		x, err := st.session(c.r.Context(), key)
		if err != nil {
			return nil, errInternal("ending a session", err)
		}
		if x == nil {
			continue
		}
		if pr := c.s.provider(x.Provider, x.Identity.Issuer); pr != nil && c.pol.admits[pr] {
			of = pr
		}
	}
	if err := call.signOut(held); err != nil {
		return nil, errInternal("ending a session", err)
	}
	return of, nil
}

// endSessionURL is the provider's address for signing out there, "" if it has none or
// does not answer: signing out here has been done all the same.
func (c *oidcCall) endSessionURL(p *provider, to *url.URL, hint string) string {
	if p == nil {
		return ""
	}
	m, refusal := c.describe(p)
	if refusal != nil {
		c.s.logger.Info("signed out here only", zap.String("provider", p.Name), zap.String("detail", refusal.Detail))
		return ""
	}
	if m.EndSessionEndpoint == "" {
		return ""
	}
	if err := m.checkEndpoint("end_session_endpoint", m.EndSessionEndpoint); err != nil {
		c.s.logger.Warn("signed out here only", zap.String("provider", p.Name), zap.Error(err))
		return ""
	}
	u, err := url.Parse(m.EndSessionEndpoint)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.ClientIDs[0])
	if to != nil {
		q.Set("post_logout_redirect_uri", to.String())
	}
	if len(hint) <= maxToken {
		if t, err := peek(hint); err == nil && p.vouchesFor(t.issuer) {
			q.Set("id_token_hint", hint)
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}
