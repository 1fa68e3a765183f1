package rest

import (
	"errors"
	"net/http"

	"github.com/caddysync/caddy-sync/syncstore"
)

// openRevs answers GET /{db}/{doc}?open_revs=…: all leaves or the revisions named, each
// as {"ok":{…}} or {"missing":"rev"}.
func (h *Handler) openRevs(rq *request, o readOptions) error {
	var revs []syncstore.Rev
	if o.openRevs != "all" {
		var err error
		if revs, err = parseRevList(o.openRevs, "open_revs", maxNamed); err != nil {
			return err
		}
		revs = onceEach(revs)
	}
	multi := prefersMultipart(rq.r.Header["Accept"], "multipart/mixed")
	results, err := rq.coll.GetRevs(rq.r.Context(), rq.docID, revs, syncstore.GetOptions{
		Latest: o.latest, History: o.needsHistory(), Most: revsAtOnce, Viewer: rq.viewer(),
	})
	if errors.Is(err, syncstore.ErrNotFound) && revs != nil {
		results = make([]syncstore.RevResult, len(revs)) // nothing is known of any of them
		for i, rev := range revs {
			results[i].Rev = rev
		}
		err = nil
	}
	if err != nil {
		return h.unreadable(rq, err)
	}
	if multi {
		return h.openRevsMixed(rq, o, results)
	}
	return h.openRevsJSON(rq, o, results)
}

func (h *Handler) openRevsJSON(rq *request, o readOptions, results []syncstore.RevResult) error {
	out := h.newStream(rq, http.StatusOK, jsonType)
	defer out.close()
	out.guard = h.guard(rq)
	defer out.guard.stop()
	*out.buf = append(*out.buf, '[')
	for i, result := range results {
		if i > 0 {
			*out.buf = append(*out.buf, ',')
		}
		if err := rq.readLeft(rq.docID, &result, o.needsHistory()); err != nil {
			return err
		}
		if result.Doc == nil {
			*out.buf = appendMissing(*out.buf, result.Rev)
			continue
		}
		*out.buf = append(*out.buf, `{"ok":`...)
		o.inlineFrom(result.Doc)
		if err := h.writeDocument(rq, out, result.Doc, o.shape); err != nil {
			return err
		}
		*out.buf = append(*out.buf, '}')
	}
	*out.buf = append(*out.buf, ']', '\n')
	return out.finish()
}

func appendMissing(b []byte, rev syncstore.Rev) []byte {
	b = append(b, `{"missing":"`...)
	b = rev.Append(b)
	return append(b, '"', '}')
}

func (h *Handler) openRevsMixed(rq *request, o readOptions, results []syncstore.RevResult) error {
	// A peer that asks for parts wants the content of the attachments in them, as
	// CouchDB's replicator does.
	o.attachments, o.follows = true, true
	mixed := newBoundary()
	out := h.newStream(rq, http.StatusOK, mixed.contentType("multipart/mixed"))
	defer out.close()
	out.guard = h.guard(rq)
	defer out.guard.stop()
	for _, result := range results {
		if err := rq.readLeft(rq.docID, &result, o.needsHistory()); err != nil {
			return err
		}
		if result.Doc == nil {
			*out.buf = mixed.appendBoundary(*out.buf)
			*out.buf = append(*out.buf, "Content-Type: application/json; error=\"true\"\r\n\r\n"...)
			*out.buf = appendMissing(*out.buf, result.Rev)
			continue
		}
		o.inlineFrom(result.Doc)
		if err := h.writeDocumentPart(rq, out, mixed, result.Doc, o.shape, nil); err != nil {
			return err
		}
	}
	*out.buf = mixed.appendEnd(*out.buf)
	return out.finish()
}
