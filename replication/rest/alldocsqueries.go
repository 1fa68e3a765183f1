package rest

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// maxQueries is how many listings one request may ask for.
const maxQueries = 1000

// allDocsQueries answers POST /{db}/_all_docs/queries, {"queries":[{…},…]}: several listings
// in one answer, each with the options of _all_docs.
func (h *Handler) allDocsQueries(rq *request) error { return h.listings(rq, false) }

// designDocsQueries answers POST /{db}/_design_docs/queries likewise.
func (h *Handler) designDocsQueries(rq *request) error { return h.listings(rq, true) }

func (h *Handler) listings(rq *request, designs bool) error {
	all, err := h.readQueries(rq)
	if err != nil {
		return err
	}
	source := collectionDocs{rq.coll, rq.db}
	first := h.newListing(rq, source, allDocsOptions{})
	defer first.close()
	rq.set("Content-Type", jsonType)
	out := first.out
	out.keep(append(out.held(), `{"results":[`...))
	for i, options := range all {
		if designs {
			options.onlyDesigns()
		}
		l := h.newListing(rq, source, options)
		l.unreadable = asAnswer(h.unreadable(rq, syncstore.ErrNotFound)).name
		l.out.lease.close()
		l.out, l.docs.out = out, out
		if i > 0 {
			out.keep(append(out.held(), ",\n"...))
		}
		if err := l.result(rq.r.Context()); err != nil {
			return fmt.Errorf("query %d: %w", i, err)
		}
	}
	out.keep(append(out.held(), "]}\n"...))
	return out.finish()
}

// readQueries reads the options of each listing: all are checked before the first is made.
func (h *Handler) readQueries(rq *request) ([]allDocsOptions, error) {
	read, err := h.readBody(rq, maxOptionsBody)
	if err != nil {
		return nil, fmt.Errorf("reading the queries: %w", err)
	}
	defer read.free()
	if err := jsondoc.Check(read.text); err != nil {
		return nil, fmt.Errorf("reading the queries: %w", err)
	}
	var body struct {
		Queries []map[string]json.RawMessage `json:"queries"`
	}
	if err := json.Unmarshal(read.text, &body); err != nil || body.Queries == nil {
		return nil, badRequest(`The body must be {"queries":[{…},…]}, each with options of _all_docs.`)
	}
	if len(body.Queries) > maxQueries {
		return nil, badRequest("There are too many queries.")
	}
	all := make([]allDocsOptions, len(body.Queries))
	for i, query := range body.Queries {
		if all[i], err = parseAllDocsOptions(params{query: url.Values{}, body: query}); err != nil {
			return nil, err
		}
	}
	return all, nil
}
