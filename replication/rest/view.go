package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/query/view"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// view answers GET and POST /{db}/_design/{design}/_view/{view}.
func (h *Handler) view(rq *request) error {
	p, err := h.params(rq)
	if err != nil {
		return err
	}
	queries, err := parseQueries(p)
	if err != nil {
		return err
	}
	return h.answerView(rq, p, queries)
}

// viewQueries answers POST /{db}/_design/{design}/_view/{view}/queries.
func (h *Handler) viewQueries(rq *request) error {
	p, err := h.params(rq)
	if err != nil {
		return err
	}
	queries, err := parseQueries(p)
	if err == nil && queries == nil {
		err = parseFailed("`queries` is missing")
	}
	if err != nil {
		return err
	}
	return h.answerView(rq, p, queries)
}

// answerView answers one query, or several if they are not nil.
func (h *Handler) answerView(rq *request, p params, queries []params) error {
	v, err := h.openView(rq)
	if err != nil {
		return err
	}
	several := queries != nil
	if !several {
		queries = []params{p}
	}
	all, named := make([]viewOptions, len(queries)), 0
	for i := range queries {
		if all[i], err = parseViewOptions(queries[i]); err != nil {
			return err
		}
		if named += len(all[i].Keys); named > maxNamed {
			return tooManyNamed()
		}
		if all[i].docs.include && v.Reduces() && !all[i].MapOnly {
			return parseFailed("`include_docs` is invalid for reduce")
		}
		all[i].Viewer = rq.viewer()
	}
	a := h.newViewAnswer(rq)
	defer a.close()
	return a.run(rq.r.Context(), v, all, several)
}

// openView opens the view that a path names, if whoever asks may ask it.
func (h *Handler) openView(rq *request) (*view.View, error) {
	design := strings.TrimPrefix(rq.docID, syncstore.DesignPrefix)
	if err := h.mayQuery(rq, design, rq.item); err != nil {
		return nil, err
	}
	doc, err := h.designDocument(rq, rq.docID)
	if err != nil {
		return nil, err
	}
	v, err := h.Views.Open(rq.coll, doc, rq.item)
	if err != nil {
		return nil, h.designFailed(rq, err)
	}
	return v, nil
}

// mayQuery refuses views that the configuration does not give to users, whether they are there
// or not.
func (h *Handler) mayQuery(rq *request, design, name string) error {
	if rq.principal.Admin {
		return nil
	}
	if collection := h.Database(rq.dbName).Collection; collection != nil {
		if may := collection(rq.coll.ScopeName(), rq.coll.Name()).UserView; may != nil && may(design, name) {
			return nil
		}
	}
	return forbidden("This view is not for users: an administrator allows it by `user_views " + design + "/" + name + "` in the Caddyfile.")
}

// viewAnswer is an answer of a view. It is a view.Sink.
type viewAnswer struct {
	h      *Handler
	rq     *request
	out    *feedWriter
	source collectionDocs
	docs   *docWriter
	o      *viewOptions
	ctx    context.Context //nolint:containedctx // lives for one answer
	head   view.Head
	sent   int // rows
}

func (h *Handler) newViewAnswer(rq *request) *viewAnswer {
	lease := newFeedLease(rq, func() (heldLease, error) { return h.take(rq) })
	return &viewAnswer{
		h: h, rq: rq, out: &feedWriter{h: h, rq: rq, lease: lease}, source: collectionDocs{rq.coll, rq.db},
	}
}

func (a *viewAnswer) close() {
	a.out.lease.close()
	a.out.rest()
}

func (a *viewAnswer) run(ctx context.Context, v *view.View, all []viewOptions, several bool) error {
	a.ctx = ctx
	a.rq.set("Content-Type", jsonType)
	if several {
		a.out.keep(append(a.out.held(), `{"results":[`...))
	}
	for i := range all {
		if i > 0 {
			a.out.keep(append(a.out.held(), ",\n"...))
		}
		if err := a.query(v, &all[i]); err != nil {
			return err
		}
	}
	if several {
		a.out.keep(append(a.out.held(), "]}"...))
	}
	a.out.keep(append(a.out.held(), '\n'))
	return a.out.finish()
}

func (a *viewAnswer) query(v *view.View, o *viewOptions) error {
	if a.rq.r.Method == http.MethodHead {
		o.Limit = 0
	}
	a.o, a.sent = o, 0
	a.docs = &docWriter{source: a.source, viewer: o.Viewer, out: a.out, o: o.docs}
	if err := v.Query(a.ctx, o.Options, a); err != nil {
		return a.h.designFailed(a.rq, err)
	}
	b := append(a.out.held(), "\n]"...)
	if !a.head.All && !a.head.Reduced {
		b = strconv.AppendInt(append(b, `,"total_rows":`...), int64(a.sent), 10)
		b = strconv.AppendInt(append(b, `,"offset":`...), int64(o.Skip), 10)
	}
	a.out.keep(append(b, '}'))
	return nil
}

// Begin implements view.Sink. To somebody who does not see every row the total is the number of
// rows in the answer, and the offset that of the rows skipped, as in _all_docs.
func (a *viewAnswer) Begin(head view.Head) error {
	a.head = head
	b := append(a.out.held(), '{')
	if head.All && !head.Reduced {
		b = strconv.AppendInt(append(b, `"total_rows":`...), head.Total, 10)
		b = append(b, `,"offset":`...)
		if head.Offset < 0 {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, head.Offset, 10)
		}
		b = append(b, ',')
	}
	if a.o.updateSeq {
		info := a.rq.coll.Info()
		seqs := sequencesOf(&info)
		b = append(seqs.appendJSON(append(b, `"update_seq":`...), syncstore.At(head.Seq)), ',')
	}
	a.out.keep(append(b, `"rows":[`...))
	return nil
}

// Row implements view.Sink.
func (a *viewAnswer) Row(row *view.Row) error {
	b := a.out.held()
	if a.sent > 0 {
		b = append(b, ',')
	}
	b = append(b, "\n{"...)
	if !a.head.Reduced {
		b = append(jsondoc.AppendString(append(b, `"id":`...), row.ID), ',')
	}
	b = append(append(b, `"key":`...), row.Key...)
	b = append(append(b, `,"value":`...), row.Value...)
	a.out.keep(b)
	if a.o.docs.include {
		if err := a.document(row); err != nil {
			return fmt.Errorf("writing the document of a row: %w", err)
		}
	}
	a.out.keep(append(a.out.held(), '}'))
	a.sent++
	return a.sendPiece()
}

// document adds the document of a row: its own, or the one that its value names.
func (a *viewAnswer) document(row *view.Row) error {
	a.out.keep(append(a.out.held(), `,"doc":`...))
	o := syncstore.GetOptions{Conflicts: a.o.docs.conflicts, Viewer: a.o.Viewer}
	id := row.ID
	if linked, rev, ok := linkedDocument(row.Value); ok {
		id, o.Rev = linked, rev
	}
	doc, err := a.source.Get(a.ctx, id, o)
	if errors.Is(err, syncstore.ErrNotFound) || errors.Is(err, syncstore.ErrDeleted) || errors.Is(err, syncstore.ErrBadID) {
		a.out.keep(append(a.out.held(), "null"...))
		return nil
	}
	if err != nil {
		return err
	}
	return a.docs.append(a.ctx, doc)
}

// linkedDocument reads the member _id of a value, and _rev, which name another document.
func linkedDocument(value []byte) (id string, rev syncstore.Rev, ok bool) {
	if len(value) == 0 || value[0] != '{' {
		return "", rev, false
	}
	err := jsondoc.Members(value, func(name string, member []byte) (err error) {
		switch {
		case len(member) == 0 || member[0] != '"':
		case name == "_id":
			id, err = jsondoc.String(member)
			ok = err == nil
		case name == "_rev":
			var text string
			if text, err = jsondoc.String(member); err == nil {
				rev, err = syncstore.ParseRev(text)
			}
		}
		return err
	})
	return id, rev, ok && err == nil
}

// sendPiece sends what is enough for a piece. An answer that may not go on has no complete
// form: the connection is cut.
func (a *viewAnswer) sendPiece() error {
	if !a.out.full() {
		return nil
	}
	if err := a.out.lease.check(); errors.Is(err, errFeedEnded) {
		return loginRequired()
	} else if err != nil {
		return err
	}
	return a.out.send()
}
