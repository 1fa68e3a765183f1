package lite

import (
	"net/http"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
)

// getRev reads a document for a client that has no copy of its own (reference/blip.md 3.14).
func (r *replication) getRev(ks *keyspace, q *blip.Request) error {
	id := q.Properties.Value("id")
	if id == "" {
		return refuse(http.StatusBadRequest, "The property id is missing.")
	}
	doc, err := ks.coll.Get(r.ctx, id, syncstore.GetOptions{Viewer: r.peer.Viewer})
	if err != nil {
		return err
	}
	rev := r.revOf(doc)
	switch have := q.Properties.Value("ifNotRev"); {
	case rev == "":
		return errMissing
	case have == rev, have == doc.Rev.String():
		return refuse(http.StatusNotModified, "The document has not changed.")
	}
	q.Reply(&blip.Message{Properties: jsonProperties(blip.Property{Name: "rev", Value: rev}), Body: revBody(doc), Compressed: true})
	return nil
}
