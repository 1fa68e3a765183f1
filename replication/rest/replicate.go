package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
)

// maxReplicateBody is the largest body of _replicate: it may name many documents.
const maxReplicateBody = 8 << 20

// replicate answers POST /_replicate on an administrators' site: it replicates a database with
// one of another server, once, or from now on, or ends that. The server asks whatever URL is
// named, which is why only administrators may.
func (h *Handler) replicate(rq *request) error {
	if err := h.signInAdministrator(rq); err != nil {
		return err
	}
	wish, err := h.readReplicate(rq)
	if err != nil {
		return err
	}
	if wish.Cancel && wish.id() != "" {
		return h.cancelReplication(rq, wish.id())
	}
	o, local, err := h.replicationOptions(rq, wish)
	if err != nil {
		return err
	}
	if wish.Cancel {
		r, err := peer.New(o)
		if err != nil {
			return replicateError(err)
		}
		return h.cancelReplication(rq, r.ID())
	}
	h.auth.Administer(rq.r, rq.principal, local).Note(auth.Replicated, o.Keyspace)
	if o.Continuous {
		return h.beginReplication(rq, o)
	}
	ctx, cancel := h.untilStop(rq.r.Context())
	defer cancel()
	result, err := h.Replications.Run(ctx, o)
	if err != nil {
		return replicateError(err)
	}
	return rq.sendValue(replicateAnswer{
		OK: true, NoChanges: result.NoChanges, SessionID: result.SessionID, Version: 4,
		LastSeq:  h.sourceSeq(o.Keyspace, o.Direction, result.LastSeq),
		Sessions: h.sourceSeqs(o.Keyspace, o.Direction, result.Sessions),
	})
}

// untilStop ends with the configuration too: a replication may take long, and goes on from its
// checkpoint when it is asked for again.
func (h *Handler) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-h.Streams:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// signInAdministrator signs in for what changes something and is no database's.
func (h *Handler) signInAdministrator(rq *request) (err error) {
	if rq.principal, err = h.auth.AuthenticateAdmin(rq.r, &h.Site); err != nil {
		return err
	}
	if err := h.checkOrigin(rq); err != nil {
		return err
	}
	if rq.principal.ReadOnly {
		return forbidden("This access is read-only.")
	}
	return h.checkContentType(rq, action{})
}

// replicateAnswer is the answer of a replication that has ended, with CouchDB's members.
type replicateAnswer struct {
	OK        bool                 `json:"ok"`
	NoChanges bool                 `json:"no_changes,omitempty"`
	SessionID string               `json:"session_id"`
	LastSeq   json.RawMessage      `json:"source_last_seq"`
	Version   int                  `json:"replication_id_version"`
	Sessions  []peer.SessionRecord `json:"history"`
}

// beginReplication begins one that goes on. One that does already is as good.
func (h *Handler) beginReplication(rq *request, o peer.Options) error {
	r, err := h.Replications.Start(o)
	if err != nil && !errors.Is(err, peer.ErrRunning) {
		return replicateError(err)
	}
	return h.sendLocalID(rq, http.StatusAccepted, r.ID())
}

func (h *Handler) cancelReplication(rq *request, id string) error {
	for _, s := range h.replications() {
		if s.ID != id || !running(&s) {
			continue
		}
		if s.Name != "" {
			return forbidden("The replication is one of the configuration: take it out of the Caddyfile.")
		}
		h.Replications.Cancel(id)
		return h.sendLocalID(rq, http.StatusOK, id)
	}
	return notFound("There is no such replication.")
}

// continuousSuffix is what CouchDB has behind the names of continuous replications.
const continuousSuffix = "+continuous"

func (h *Handler) sendLocalID(rq *request, status int, id string) error {
	body, err := json.Marshal(map[string]any{"ok": true, "_local_id": id + continuousSuffix})
	if err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	return rq.sendJSON(status, append(body, '\n'))
}

// replicateError is the answer to a replication that failed. That the other server refuses is
// no fault of the request, nor of this server.
func replicateError(err error) error {
	switch {
	case errors.Is(err, peer.ErrRunning):
		return &answerError{status: http.StatusConflict, name: "conflict", reason: "The same replication is running."}
	case errors.Is(err, peer.ErrClosed), errors.Is(err, context.Canceled):
		return unavailable("The replication was ended.", err)
	case errors.Is(err, peer.ErrBadURL):
		return badRequest(err.Error())
	case errors.Is(err, peer.ErrRemote):
		return &answerError{status: http.StatusBadGateway, name: "replication_failed", reason: err.Error()}
	}
	return err
}

// localSide opens the collection of a keyspace, each time that it is asked for.
func (h *Handler) localSide(keyspace string) func() (peer.Local, error) {
	return func() (peer.Local, error) {
		db, err := h.Store.Database(databaseOf(keyspace))
		if err != nil {
			return peer.Local{}, err
		}
		scope, name, ok := splitKeyspace(keyspace)
		if !ok {
			return peer.Local{}, syncstore.ErrNotFound
		}
		coll, ok := db.Collection(scope, name)
		if !ok {
			return peer.Local{}, fmt.Errorf("keyspace %s: %w", keyspace, syncstore.ErrNotFound)
		}
		return peer.Local{Database: db, Collection: coll}, nil
	}
}
