package auth

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
)

// maxRefreshToken is the longest refresh token that is passed on, in bytes.
const maxRefreshToken = 16 << 10

// refresh answers _oidc_refresh: it trades a refresh token for a new ID token and a
// session.
func (c *oidcCall) refresh() {
	name, secret, refusal := c.refreshParams()
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	p := c.provider(name)
	if p == nil {
		c.refuse(errFlow(http.StatusBadRequest, "Unable to identify provider for callback request", ""))
		return
	}
	if inURL := c.r.URL.Query().Has("refresh_token"); inURL && !p.RefreshByQuery {
		// DECISIONS 15: it stands in access logs by now, ours and others'. 401, as for one that
		// the provider refuses: Couchbase Lite 1, which sends it so, then begins a new sign-in,
		// and after any other error none.
		e := errFlow(http.StatusUnauthorized, "a refresh token does not belong into a URL, which logs keep: "+
			"POST it in the body, as JSON or as a form (refresh_by_query on the provider allows the URL)", "")
		e.audit = true
		c.refuse(e)
		return
	}
	switch {
	case secret == "":
		c.refuse(errFlow(http.StatusBadRequest, "Refresh token must be present for oidc refresh", ""))
		return
	case len(secret) > maxRefreshToken:
		c.refuse(errFlow(http.StatusBadRequest, "the refresh token is too long", ""))
		return
	case c.foreign():
		// It would sign the browser's user in as somebody else.
		c.refuse(errFlow(http.StatusForbidden, "Refused: the request comes from a page of another origin.", ""))
		return
	}
	c.renew(p, secret)
}

// refreshParams reads the provider's name and the refresh token.
func (c *oidcCall) refreshParams() (name, secret string, refusal *Error) {
	q, refusal := c.query()
	if refusal != nil {
		return "", "", refusal
	}
	name, secret = q.Get("provider"), q.Get("refresh_token")
	if c.r.Method != http.MethodPost || secret != "" {
		return name, secret, nil
	}
	var sent struct {
		Provider     string `json:"provider"`
		RefreshToken string `json:"refresh_token"`
	}
	if kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		form, refusal := c.form()
		if refusal != nil {
			return "", "", refusal
		}
		sent.Provider, sent.RefreshToken = form.Get("provider"), form.Get("refresh_token")
	} else {
		text, refusal := c.body()
		if refusal != nil {
			return "", "", refusal
		}
		if len(text) > 0 {
			if err := json.Unmarshal(text, &sent); err != nil {
				return "", "", errFlow(http.StatusBadRequest, `the body must be JSON {"refresh_token":"…"} or a form`, "")
			}
		}
	}
	if sent.Provider != "" {
		name = sent.Provider
	}
	return name, sent.RefreshToken, nil
}

// body reads the request's body.
func (c *oidcCall) body() ([]byte, *Error) {
	text, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxFlowBody))
	if err != nil {
		return nil, errFlow(http.StatusBadRequest, "the body could not be read", err.Error())
	}
	return text, nil
}

func (c *oidcCall) renew(p *provider, secret string) {
	m, refusal := c.describe(p)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	config, refusal := p.oauth(m, "", c.s.logger)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	set, refusal := p.renew(c.r.Context(), config, secret)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	v, t, refusal := c.s.verifyFlow(c.r.Context(), p, set.id)
	if refusal != nil {
		c.refuse(refusal)
		return
	}
	// OpenID Connect Core section 12.2; the nonce is the first token's only.
	if reason := checkIDToken(t, p.ClientIDs[0], set.access); reason != "" {
		c.refuse(errProvider("the identity provider's ID token was refused: "+reason, ""))
		return
	}
	c.finish(p, v, set)
}
