package rest

import (
	"net/http"

	"github.com/caddysync/caddy-sync/auth"
)

// checkOrigin refuses a write that a page of another site has made the browser send
// with what it holds (cookie, Basic) or with where it is (guest, loopback, client
// address); a bearer token is proof by itself (DECISIONS 12).
func (h *Handler) checkOrigin(rq *request) error {
	switch rq.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if p := rq.principal; p != nil {
		if p.Method == auth.MethodBearer {
			return nil
		}
		if p.Method == auth.MethodGuest && h.origins.any {
			return nil // every origin is trusted, and a guest holds nothing
		}
	}
	return h.refuseOtherPages(rq.r)
}

// refuseOtherPages refuses what a page of another origin has made the browser send, by whatever
// method.
func (h *Handler) refuseOtherPages(r *http.Request) error {
	if host := auth.ClientOf(r.Context()).Host; host != "" && host != r.Host {
		seen := *r // behind a proxy: the Origin is of the host that the browser sees
		seen.Host = host
		r = &seen
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		written := *r // of itself Check lets reading through
		written.Method = http.MethodPost
		r = &written
	}
	if err := h.cross.Check(r); err != nil {
		return forbidden("Refused: the request comes from a page of another origin.")
	}
	return nil
}
