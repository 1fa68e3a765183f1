package lite

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// action answers a request of one profile. ks is nil for those that are about no collection.
// It answers by itself, or returns why it does not.
type action func(r *replication, ks *keyspace, q *blip.Request) error

// profiles says who answers what (reference/blip.md 3).
func profile(name string) (act action, ofCollection, known bool) {
	switch name {
	case profileRev, "putRev":
		return (*replication).receiveRev, true, true
	case "getCollections":
		return (*replication).getCollections, false, true
	case "getCheckpoint":
		return (*replication).getCheckpoint, true, true
	case "setCheckpoint":
		return (*replication).setCheckpoint, true, true
	case "subChanges":
		return (*replication).subChanges, true, true
	case "unsubChanges":
		return (*replication).unsubChanges, true, true
	case "changes":
		return (*replication).offeredChanges, true, true
	case "proposeChanges":
		return (*replication).proposeChanges, true, true
	case "norev":
		return (*replication).noRev, true, true
	case "getAttachment":
		return (*replication).getAttachment, true, true
	case "getRev":
		return (*replication).getRev, true, true
	case "PING":
		return (*replication).ping, false, true
	}
	return nil, false, false
}

// handle takes a request from the connection. It runs on the goroutine that reads, and hands
// everything on. Revisions keep their order, and so do subscriptions; the other requests need none.
func (r *replication) handle(q *blip.Request) {
	act, ofCollection, known := profile(q.Profile())
	if !known {
		// Clients look for these very words (reference/blip.md 2.8).
		r.refuse(q, &refusal{domain: "BLIP", code: http.StatusNotFound, text: "No handler for BLIP request"})
		return
	}
	if q.TooLarge {
		r.refuse(q, asRefusal(syncstore.ErrTooLarge))
		return
	}
	var ks *keyspace
	if ofCollection {
		var err error
		if ks, err = r.keyspaceOf(q); err != nil {
			r.refuse(q, asRefusal(err))
			return
		}
	}
	do := func() {
		if err := act(r, ks, q); err != nil {
			r.refuse(q, asRefusal(err))
		}
	}
	if q.Profile() == "subChanges" || q.Profile() == "unsubChanges" {
		do = r.subscriptions.behind(r.ctx, do)
	}
	switch {
	case ordered(q.Profile()):
		do()
	case !q.NoReply:
		r.jobs.do(do)
	case !r.jobs.doUnwanted(r.ctx, q.Memory(), do):
		r.drop(blip.ErrLimit)
	}
}

// ordered reports whether requests of a profile keep their order. Their action only takes
// them in.
func ordered(profile string) bool { return profile == profileRev || profile == "putRev" }

const profileRev = "rev"

// refuse answers a request with an error.
func (r *replication) refuse(q *blip.Request, e *refusal) {
	if r.ctx.Err() != nil || errors.Is(e.cause, blip.ErrClosed) {
		return // nobody is there any more
	}
	r.server.counters.refused(e.code)
	if e.code >= http.StatusInternalServerError && e.cause != nil && !errors.Is(e.cause, context.Canceled) {
		r.logger.Error("replication request failed", zap.String("profile", q.Profile()), zap.Int("code", e.code), zap.Error(e.cause))
	}
	q.Refuse(e.domain, e.code, e.text)
	if e.drop > 0 {
		r.dropSoon(e, e.drop)
	}
}

// keyspaceOf finds the collection that a request is about (reference/blip.md 3.0).
func (r *replication) keyspaceOf(q *blip.Request) (*keyspace, error) {
	index, given := q.Properties.Get("collection")
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !given && r.named != nil:
		return nil, refuse(http.StatusBadRequest, "The message names no collection, after getCollections did.")
	case !given && r.fallback == nil:
		return nil, refuse(http.StatusBadRequest, "The database has no default collection.")
	case !given:
		return r.fallback, nil
	case r.named == nil:
		return nil, refuse(http.StatusBadRequest, "The message names a collection by a number, before getCollections.")
	}
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(r.named) || r.named[i] == nil {
		return nil, refuse(http.StatusBadRequest, "The message names a collection that getCollections did not.")
	}
	return r.named[i], nil
}

// ping answers the heartbeat of Couchbase Lite for JavaScript.
func (r *replication) ping(_ *keyspace, q *blip.Request) error {
	q.Reply(&blip.Message{})
	return nil
}
