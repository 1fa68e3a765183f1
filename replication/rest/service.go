package rest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
)

// offlineRetry is when clients had better ask again for a database that is offline.
const offlineRetry = 30 * time.Second

// The states of a database, in Sync Gateway's words.
const (
	stateOnline  = "Online"
	stateOffline = "Offline"
)

func stateOf(db *syncstore.Database) string {
	if db.Offline() {
		return stateOffline
	}
	return stateOnline
}

// serving refuses a request for a database that is offline, unless it comes by an
// administrators' site. 503 is what clients of every kind come back after.
func (h *Handler) serving(rq *request) error {
	if h.Site.Admin != nil || !rq.db.Offline() {
		return nil
	}
	return &answerError{
		status: http.StatusServiceUnavailable, name: "service_unavailable", retryAfter: offlineRetry, expected: true,
		reason: "The database is offline: an administrator took it out of service. Try again later.",
	}
}

// stoppingError is the answer to what would have to end at once, since the process does.
func stoppingError() *answerError {
	return &answerError{
		status: http.StatusServiceUnavailable, name: "service_unavailable", retryAfter: 2 * time.Second, expected: true,
		reason: "The server is stopping.",
	}
}

// offline answers POST /{db}/_offline: live feeds and replications of the database end, and
// further requests are refused, until it is online again. Administrators go on.
func (h *Handler) offline(rq *request) error { return h.setOffline(rq, true, auth.DatabaseOffline) }

// online answers POST /{db}/_online.
func (h *Handler) online(rq *request) error { return h.setOffline(rq, false, auth.DatabaseOnline) }

func (h *Handler) setOffline(rq *request, offline bool, event auth.AdminEvent) error {
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	if rq.r.ContentLength != 0 {
		if _, err := h.readAdminBody(rq, "state of a database"); err != nil {
			return err
		}
	}
	if err := rq.db.SetOffline(rq.r.Context(), offline); err != nil {
		return fmt.Errorf("changing the state of a database: %w", err)
	}
	a.Note(event, rq.dbName)
	return rq.sendJSON(http.StatusOK, []byte(`{"ok":true,"state":"`+stateOf(rq.db)+`"}`+"\n"))
}

// getConfig answers GET /{db}/_config: what the configuration says of the database. It is
// changed in the configuration only.
func (h *Handler) getConfig(rq *request) error {
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	config := h.Database(rq.dbName).Config
	if config == nil {
		return notFound("The configuration has nothing about this database: administrators only reach it.")
	}
	text, err := config()
	if err != nil {
		return fmt.Errorf("describing the configuration of a database: %w", err)
	}
	a.Note(auth.ConfigRead, rq.dbName)
	return rq.sendJSON(http.StatusOK, append(text, '\n'))
}
