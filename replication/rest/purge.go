package rest

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// everyLeaf stands for all leaves of a document in the body of _purge, as Sync Gateway has it.
const everyLeaf = "*"

// purge answers POST /{keyspace}/_purge, {"id":["rev",…]} as in CouchDB, or {"id":["*"]} as in
// Sync Gateway: the leaves named, or all, go without a tombstone. The answer says which.
func (h *Handler) purge(rq *request) error {
	p := h.policy(rq)
	read, err := h.readBody(rq, p.Limits.Request)
	if err != nil {
		return err
	}
	defer read.free()
	purges, err := parsePurge(read.text, p.Limits.BulkDocs)
	if err != nil {
		return err
	}
	a, _, err := h.administered(rq)
	if err != nil {
		return err
	}
	purged, err := rq.coll.Purge(rq.r.Context(), purges)
	if err != nil {
		return fmt.Errorf("purging: %w", err)
	}
	a.Note(auth.Purged, rq.keyspace)
	n, err := rq.coll.Purges(rq.r.Context())
	if err != nil {
		return fmt.Errorf("purging: %w", err)
	}
	b := append([]byte(`{"purge_seq":`), strconv.FormatUint(n, 10)...)
	b = append(b, `,"purged":{`...)
	for i := range purges {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsondoc.AppendString(b, purges[i].ID), ':')
		switch {
		case purges[i].Revs == nil:
			b = append(b, `["*"]`...)
		case len(purged[i]) == 0:
			b = append(b, "[]"...)
		default:
			b = appendRevs(b, "[", purged[i])
		}
	}
	return rq.sendJSON(http.StatusCreated, append(b, "}}\n"...))
}

func parsePurge(text []byte, limit int) ([]syncstore.Purging, error) {
	var purges []syncstore.Purging
	err := jsondoc.Members(text, func(id string, value []byte) error {
		if len(purges) == limit {
			return tooLarge(LimitBulkDocs, "too_large", "There are more than "+strconv.Itoa(limit)+" documents in the body.")
		}
		if value[0] != '[' {
			return badRequest(`The revisions of a document must be an array, as in {"id":["1-abc"]}, or ["*"] for all.`)
		}
		one := syncstore.Purging{ID: id, Revs: []syncstore.Rev{}}
		every := false
		err := jsondoc.Elements(value, func(value []byte) error {
			if string(value) == `"`+everyLeaf+`"` {
				every = true
				return nil
			}
			rev, err := revMember(value)
			one.Revs = append(one.Revs, rev)
			return err
		})
		if every {
			if len(one.Revs) > 0 {
				return badRequest(`"*" stands alone: it means all revisions.`)
			}
			one.Revs = nil
		}
		purges = append(purges, one)
		return err
	})
	return purges, err
}
