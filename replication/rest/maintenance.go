package rest

import (
	"net/http"

	"github.com/caddysync/caddy-sync/auth"
)

// compact answers POST /{db}/_compact: the bodies of superseded revisions are dropped, in the
// background; compact_running of GET /{db} says whether that goes on.
func (h *Handler) compact(rq *request) error {
	if rq.query.Get("type") != "" {
		return badRequest("A compaction has no type: it drops the bodies of superseded revisions. Attachments that nothing names are dropped without it, and tombstones stay.")
	}
	a, err := h.administration(rq)
	if err != nil {
		return err
	}
	rq.db.Compact()
	a.Note(auth.Compacted, rq.keyspace)
	return rq.sendJSON(http.StatusAccepted, []byte(`{"ok":true}`+"\n"))
}
