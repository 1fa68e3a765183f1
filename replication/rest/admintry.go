package rest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddysync/caddy-sync/auth"
)

// trySync answers POST /{keyspace}/_sync: what would become of a write, without storing it.
func (h *Handler) trySync(rq *request) error {
	a, policy, err := h.administered(rq)
	if err != nil {
		return err
	}
	if policy.Try == nil {
		return notFound("Nobody judges writes to this collection (access shared): give it a sync_function or an access policy.")
	}
	body, err := h.readBody(rq, h.policy(rq).Limits.Request)
	if err != nil {
		return err
	}
	defer body.free()
	answer, err := policy.Try(rq.r.Context(), bytes.Clone(body.text))
	if errors.Is(err, ErrBadTry) {
		return badRequest(strings.TrimPrefix(err.Error(), ErrBadTry.Error()+": "))
	}
	if err != nil {
		return fmt.Errorf("trying a write: %w", err)
	}
	a.Note(auth.SyncFunctionTried, rq.keyspace)
	return rq.sendJSON(http.StatusOK, append(answer, '\n'))
}

// getSyncFunction answers GET /{keyspace}/_config/sync with the text of the sync function.
// It is changed in the configuration only.
func (h *Handler) getSyncFunction(rq *request) error {
	a, policy, err := h.administered(rq)
	if err != nil {
		return err
	}
	if policy.SyncFunction == "" {
		return notFound("The collection has no sync_function.")
	}
	a.Note(auth.SyncFunctionRead, rq.keyspace)
	return rq.sendScript(policy.SyncFunction)
}

// administered begins an administrator's request about a collection.
func (h *Handler) administered(rq *request) (*auth.Administration, CollectionPolicy, error) {
	a, err := h.administration(rq)
	if err != nil {
		return nil, CollectionPolicy{}, err
	}
	p := h.Database(rq.dbName)
	if p.Collection == nil {
		return a, CollectionPolicy{}, nil
	}
	return a, p.Collection(rq.coll.ScopeName(), rq.coll.Name()), nil
}

// sendScript writes the text of a function as the whole answer.
func (rq *request) sendScript(text string) error {
	rq.set("Content-Type", "application/javascript")
	return rq.send(http.StatusOK, []byte(text))
}
