package rest

import (
	"fmt"
	"net/http"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// revsDiff answers POST /{db}/_revs_diff: which of the revisions that a peer offers
// are not here.
func (h *Handler) revsDiff(rq *request) error {
	answers, err := h.offeredRevs(rq)
	if err != nil {
		return err
	}
	buf := h.buffer()
	defer h.release(buf)
	b := append(*buf, '{')
	for i := range answers {
		answer := &answers[i]
		if len(answer.Missing) == 0 {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = jsondoc.AppendString(b, answer.ID)
		b = append(b, ':', '{')
		b = appendRevs(b, `"missing":[`, answer.Missing)
		b = appendRevs(b, `,"possible_ancestors":[`, answer.PossibleAncestors)
		b = append(b, '}')
	}
	b = append(b, '}', '\n')
	*buf = b
	return rq.sendJSON(http.StatusOK, b)
}

// missingRevs answers POST /{db}/_missing_revs, the older form of _revs_diff.
func (h *Handler) missingRevs(rq *request) error {
	answers, err := h.offeredRevs(rq)
	if err != nil {
		return err
	}
	buf := h.buffer()
	defer h.release(buf)
	b := append(*buf, `{"missing_revs":{`...)
	first := true
	for i := range answers {
		if len(answers[i].Missing) == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendRevs(append(jsondoc.AppendString(b, answers[i].ID), ':'), "[", answers[i].Missing)
	}
	b = append(b, "}}\n"...)
	*buf = b
	return rq.sendJSON(http.StatusOK, b)
}

// offeredRevs reads the revisions that a peer offers and says which are not here.
func (h *Handler) offeredRevs(rq *request) ([]syncstore.RevsMissing, error) {
	// What becomes of it takes some ten times as much memory, and CouchDB's replicator offers 500
	// documents at a time.
	read, err := h.readBody(rq, min(maxOptionsBody, h.policy(rq).Limits.Request))
	if err != nil {
		return nil, err
	}
	defer read.free()
	offered, err := parseRevsDiff(read.text)
	if err != nil {
		return nil, err
	}
	answers, err := rq.coll.RevsDiff(rq.r.Context(), rq.viewer(), offered)
	if err != nil {
		return nil, fmt.Errorf("comparing revisions: %w", err)
	}
	return answers, nil
}

// parseRevsDiff reads {"id":["rev",…],…}.
func parseRevsDiff(text []byte) ([]syncstore.RevsOffer, error) {
	var offered []syncstore.RevsOffer
	named := 0
	name := func() error {
		if named++; named > maxNamed {
			return tooManyNamed()
		}
		return nil
	}
	err := jsondoc.Members(text, func(id string, value []byte) error {
		if err := name(); err != nil {
			return err
		}
		if value[0] != '[' {
			return badRequest("The revisions of a document must be an array.")
		}
		offer := syncstore.RevsOffer{ID: id}
		err := jsondoc.Elements(value, func(value []byte) error {
			rev, err := revMember(value)
			if err != nil {
				return err
			}
			offer.Revs = append(offer.Revs, rev)
			return name()
		})
		offered = append(offered, offer)
		return err
	})
	return offered, err
}
