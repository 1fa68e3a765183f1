package rest

import (
	"net/http"

	"github.com/caddysync/caddy-sync/auth"
)

// listUserSessions answers GET /{db}/_user/{name}/_session.
func (h *Handler) listUserSessions(rq *request) error {
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	list, err := a.Sessions(rq.item)
	if err != nil {
		return err
	}
	if list == nil {
		list = []auth.SessionInfo{}
	}
	return rq.sendValue(map[string]any{"sessions": list})
}

// endUserSessions answers DELETE /{db}/_user/{name}/_session.
func (h *Handler) endUserSessions(rq *request) error {
	return h.administer(rq, func(a *auth.Administration) error { return a.EndSessions(rq.item) })
}

// endUserSession answers DELETE /{db}/_user/{name}/_session/{id or handle}.
func (h *Handler) endUserSession(rq *request) error {
	return h.administer(rq, func(a *auth.Administration) error { return a.EndSession(rq.item, rq.part) })
}

// listIdentities answers GET /{db}/_user/{name}/_identity: who at a provider signs in as
// the user.
func (h *Handler) listIdentities(rq *request) error {
	info, err := h.userInfo(rq)
	if err != nil {
		return err
	}
	list := info.Identities
	if list == nil {
		list = []auth.Identity{}
	}
	return rq.sendValue(map[string]any{"identities": list})
}

// linkIdentity answers POST /{db}/_user/{name}/_identity {"issuer","subject"}.
func (h *Handler) linkIdentity(rq *request) error {
	return h.changeIdentity(rq, (*auth.Administration).Link)
}

// unlinkIdentity answers DELETE of the same, with the same body or both as query.
func (h *Handler) unlinkIdentity(rq *request) error {
	return h.changeIdentity(rq, (*auth.Administration).Unlink)
}

func (h *Handler) changeIdentity(rq *request, change func(*auth.Administration, string, auth.Identity) error) error {
	id := auth.Identity{Issuer: rq.query.Get("issuer"), Subject: rq.query.Get("subject")}
	if id == (auth.Identity{}) || rq.r.Method == http.MethodPost {
		body, err := h.readAdminBody(rq, "identity", "issuer", "subject")
		if err != nil {
			return err
		}
		var issuer, subject *string
		if err := take(body, "issuer", &issuer); err != nil {
			return err
		}
		if err := take(body, "subject", &subject); err != nil {
			return err
		}
		if issuer == nil || subject == nil {
			return badRequest(`An identity is {"issuer":"…","subject":"…"}, as the provider's tokens have them in iss and sub.`)
		}
		id = auth.Identity{Issuer: *issuer, Subject: *subject}
	}
	return h.administer(rq, func(a *auth.Administration) error { return change(a, rq.item, id) })
}
