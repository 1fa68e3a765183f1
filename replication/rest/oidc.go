package rest

import "github.com/caddysync/caddy-sync/auth"

// oidc reports whether k is an endpoint of sign-in by browser.
func (k kind) oidc() bool { return k >= kindOIDCLogin && k <= kindOIDCBackchannelLogout }

// oidcActions are the methods of the endpoints of sign-in by browser.
func oidcActions(k kind) actions {
	switch k {
	case kindOIDCLogin:
		return actions{get: oidc(auth.OIDCLogin)}
	case kindOIDCChallenge:
		return actions{get: oidc(auth.OIDCChallenge)}
	case kindOIDCCallback:
		return actions{get: oidc(auth.OIDCCallback), post: oidc(auth.OIDCCallback)}
	case kindOIDCRefresh:
		return actions{get: oidc(auth.OIDCRefresh), post: oidc(auth.OIDCRefresh)}
	case kindOIDCLogout:
		return actions{get: oidc(auth.OIDCLogout), post: oidc(auth.OIDCLogout)}
	}
	return actions{post: oidc(auth.OIDCBackchannelLogout)}
}

// oidc hands a request to auth. Whatever the browser is made to send must not come from
// another site's page, but for what providers send: their answer as a form, whose state
// proves it, and logout tokens, which prove themselves (DECISIONS 12).
func oidc(endpoint auth.OIDCEndpoint) action {
	return action{do: func(h *Handler, rq *request) error {
		if endpoint != auth.OIDCCallback && endpoint != auth.OIDCBackchannelLogout {
			if err := h.checkOrigin(rq); err != nil {
				return err
			}
		}
		rq.set("Cache-Control", "no-store")
		rq.answered = true
		h.auth.ServeOIDC(rq.answerOf(), rq.r, &h.Site, auth.Database{Name: rq.dbName, ID: rq.db.ID()}, endpoint)
		return nil
	}}
}
