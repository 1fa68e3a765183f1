package rest

import (
	"errors"
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
	p, err := newParams(nil, read.text)
	if err != nil {
		return nil, err
	}
	queries, err := readQueryList(p.body["queries"], nil, badRequest)
	if err != nil {
		return nil, err
	}
	if queries == nil {
		return nil, badRequest(`The body must be {"queries":[{…},…]}, each with options of _all_docs.`)
	}
	all, named := make([]allDocsOptions, len(queries)), 0
	for i := range queries {
		if all[i], err = parseAllDocsOptions(queries[i]); err != nil {
			return nil, err
		}
		if named += len(all[i].keys); named > maxNamed {
			return nil, tooManyNamed()
		}
	}
	return all, nil
}

// readQueryList takes an array of queries apart, each an object of options; nil if there is none. refuse makes an
// answer of what is wrong.
func readQueryList(raw []byte, query url.Values, refuse func(reason string) *answerError) ([]params, error) {
	if raw == nil {
		return nil, nil
	}
	all := []params{}
	err := jsondoc.Elements(raw, func(value []byte) error {
		switch {
		case len(all) == maxQueries:
			return refuse("There are too many queries.")
		case value[0] != '{':
			return jsondoc.ErrNotObject
		}
		p, err := newParams(query, value)
		all = append(all, p)
		return err
	})
	if refused, ok := errors.AsType[*answerError](err); ok {
		return nil, refused
	}
	if err != nil {
		return nil, refuse("`queries` must be an array of objects")
	}
	return all, nil
}
