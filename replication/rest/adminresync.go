package rest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
)

// resyncAnswer is how far a resync is, with Sync Gateway's members.
type resyncAnswer struct {
	Status    syncstore.ResyncState `json:"status"`
	StartTime string                `json:"start_time,omitempty"` // RFC 3339
	Processed uint64                `json:"docs_processed"`
	Changed   uint64                `json:"docs_changed"`
	Errors    uint64                `json:"docs_errored"`
	LastError string                `json:"last_error"`
}

// getResync answers GET /{keyspace}/_resync.
func (h *Handler) getResync(rq *request) error {
	if _, _, err := h.administered(rq); err != nil {
		return err
	}
	return h.sendResync(rq)
}

func (h *Handler) sendResync(rq *request) error {
	s, err := rq.coll.ResyncStatus(rq.r.Context())
	if err != nil {
		return fmt.Errorf("asking how far a resync is: %w", err)
	}
	answer := resyncAnswer{Status: s.State, Processed: s.Processed, Changed: s.Changed, Errors: s.Errors, LastError: s.LastError}
	if !s.Started.IsZero() {
		answer.StartTime = s.Started.UTC().Format(time.RFC3339)
	}
	return rq.sendValue(answer)
}

// postResync answers POST /{keyspace}/_resync: with action=start, or without, every document
// is judged again by the sync function that there is now, with action=stop no more are. It
// goes on in the background; reads and writes do too.
func (h *Handler) postResync(rq *request) error {
	body, err := h.readBody(rq, maxAdminBody)
	if err != nil {
		return err
	}
	defer body.free()
	if text := bytes.TrimSpace(body.text); len(text) > 0 && !bytes.Equal(text, []byte("{}")) {
		return badRequest("A resync takes no body: the path names the collection, and action=stop ends it.")
	}
	a, _, err := h.administered(rq)
	if err != nil {
		return err
	}
	event, happened := auth.ResyncStarted, true
	switch rq.query.Get("action") {
	case "", "start":
		err = rq.coll.StartResync(rq.r.Context())
	case "stop":
		event = auth.ResyncStopped
		happened, err = rq.coll.StopResync(rq.r.Context())
	default:
		return badRequest("action must be start or stop.")
	}
	if errors.Is(err, syncstore.ErrResyncRunning) {
		return &answerError{
			status: http.StatusConflict, name: "conflict",
			reason: "A resync of the collection is running. action=stop ends it.",
		}
	}
	if err != nil {
		return fmt.Errorf("resync: %w", err)
	}
	if happened {
		a.Note(event, rq.keyspace)
	}
	return h.sendResync(rq)
}
