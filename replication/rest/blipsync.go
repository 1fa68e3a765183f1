package rest

import (
	"errors"
	"net/http"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
)

// Handshake is a request for a WebSocket on which Couchbase Lite replicates, and who sent it.
type Handshake struct {
	Database *syncstore.Database
	// DatabaseName is the database's name.
	DatabaseName string
	// Collection finds the collections that the peer may know of.
	Collection func(scope, name string) (*syncstore.Collection, bool)
	Principal  *auth.Principal
	// Viewer is who reads and writes; nil is an administrator.
	Viewer *syncstore.Viewer
	// Lease is the principal's; whoever answers the handshake closes it.
	Lease interface {
		Done() <-chan struct{}
		Close()
	}
	Limits Limits
	// Activity is told what the replication does.
	Activity *Activity
}

// HandshakeError is what refuses a handshake before anything was answered.
type HandshakeError struct {
	Status int
	Reason string
}

// Error implements error.
func (e *HandshakeError) Error() string { return e.Reason }

// answer is the error as this package answers it.
func (e *HandshakeError) answer() *answerError {
	name := "bad_request"
	switch e.Status {
	case http.StatusUpgradeRequired:
		name = "upgrade_required"
	case http.StatusServiceUnavailable:
		name = "service_unavailable"
	}
	return &answerError{status: e.Status, name: name, reason: e.Reason}
}

// blipSync answers GET /{db}/_blipsync, by which Couchbase Lite 2 and later replicates. Who
// asks is known before anything is said about the handshake itself.
func (h *Handler) blipSync(rq *request) error {
	if h.Replicate == nil {
		return notFound("missing")
	}
	if err := h.checkHandshakeOrigin(rq); err != nil {
		return err
	}
	lease, err := h.takeCounted(rq, FeedReplication)
	if err != nil {
		return err
	}
	handshake := Handshake{
		Database: rq.db, DatabaseName: rq.dbName, Principal: rq.principal, Lease: lease, Limits: h.policy(rq).Limits, Activity: rq.doing,
		Collection: h.collections(rq.db, rq.dbName, rq.principal),
	}
	if viewer := rq.viewer(); viewer != nil {
		own := *viewer // the request does not live as long
		handshake.Viewer = &own
	}
	err = h.Replicate(rq.w, rq.r, handshake)
	if refused, ok := errors.AsType[*HandshakeError](err); ok {
		if refused.Status == http.StatusUpgradeRequired {
			rq.set("Upgrade", "websocket") // RFC 9110 section 15.5.22
			rq.set("Connection", "Upgrade")
		}
		return refused.answer()
	}
	rq.answered = true
	return nil
}

// collections finds collections as a principal may know of them: one that is not in the
// configuration is there for administrators only.
func (h *Handler) collections(db *syncstore.Database, name string, p *auth.Principal) func(string, string) (*syncstore.Collection, bool) {
	policy := h.Database(name)
	return func(scope, collection string) (*syncstore.Collection, bool) {
		c, ok := db.Collection(scope, collection)
		if ok && !p.Admin && policy.Collection != nil {
			ok = !policy.Collection(scope, collection).Closed
		}
		return c, ok
	}
}

// checkHandshakeOrigin refuses a WebSocket that a page of another site opens with what the
// browser holds: unlike other GETs it can write (DECISIONS 12). A bearer token and a one-time
// token are proof by themselves, where any origin may come.
func (h *Handler) checkHandshakeOrigin(rq *request) error {
	if rq.r.Header.Get("Origin") == "" || rq.principal.Method == auth.MethodOnce && h.origins.any {
		return nil
	}
	as := *rq
	asWrite := *rq.r
	asWrite.Method = http.MethodPost
	as.r = &asWrite
	return h.checkOrigin(&as)
}
