package caddysync

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddysync/caddy-sync/auth"
)

// leaseAfter is how long a request runs before it is watched over.
const leaseAfter = time.Second

// RequireHandler stands behind an `authentication` handler with the provider sync. It lets
// in who has one of the roles, others get 403. A request that takes long, such as a proxied
// WebSocket or a download, is cancelled when its sign-in ends: when the session or the token expires or
// is revoked, the user is disabled, or loses the role.
type RequireHandler struct {
	// Roles of which the user must have one. Default: none is needed.
	Roles []string `json:"roles,omitempty"`

	app *App
}

// CaddyModule returns the Caddy module information.
func (*RequireHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.sync_require", New: func() caddy.Module { return new(RequireHandler) }}
}

// Provision finds the app.
func (h *RequireHandler) Provision(ctx caddy.Context) error {
	if err := checkLiteral("sync_auth: require role", h.Roles...); err != nil {
		return err
	}
	var err error
	h.app, err = appOf(ctx)
	return err
}

var errNotSignedIn = errors.New("nobody signed in by the provider sync: `authentication` comes before sync_require")

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *RequireHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	p, ok := caddyhttp.GetVar(r.Context(), principalVar).(*auth.Principal)
	if !ok {
		return caddyhttp.Error(http.StatusForbidden, errNotSignedIn)
	}
	p, err := h.requireRole(w, r, p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	timer := time.AfterFunc(leaseAfter, func() { h.watch(ctx, cancel, p) })
	defer timer.Stop()
	return next.ServeHTTP(newCancelledWriter(ctx, w), r.WithContext(ctx))
}

// requireRole is the principal for as long as it has one of the roles.
func (h *RequireHandler) requireRole(w http.ResponseWriter, r *http.Request, p *auth.Principal) (*auth.Principal, error) {
	if len(h.Roles) == 0 {
		return p, nil
	}
	active, ok := h.app.handle.requests.begin(w, func() {})
	if !ok {
		return nil, comeAgain(w, ErrClosed)
	}
	defer active.end()
	p, err := h.app.auth.RequireRole(r.Context(), p, h.Roles)
	if refusal, refused := errors.AsType[*auth.Error](err); refused {
		challenge(w, refusal)
		return nil, caddyhttp.Error(refusal.Status, refusal)
	}
	return p, err
}

// watch cancels the request when the principal's sign-in ends.
func (h *RequireHandler) watch(ctx context.Context, cancel context.CancelFunc, p *auth.Principal) {
	active, ok := h.app.handle.requests.begin(nil, cancel) // the handler may have returned, and its writer be gone
	if !ok {
		cancel()
		return
	}
	lease, err := h.app.auth.Lease(ctx, p)
	active.end()
	if err != nil {
		cancel()
		return
	}
	defer lease.Close()
	select {
	case <-lease.Done():
		cancel()
	case <-ctx.Done():
	}
}
