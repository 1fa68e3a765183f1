package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// allDocs answers GET and POST /{db}/_all_docs. total_rows is the number of live
// documents; for somebody who does not see all of them it is the number of rows, since
// what they see would have to be counted one by one. offset is the number of rows skipped
// (as PouchDB's own stores count it, for the same reason).
//
// A long listing is read in pieces, so that a slow client holds no snapshot of the
// store: each piece is consistent in itself.
func (h *Handler) allDocs(rq *request) error {
	p, err := h.params(rq)
	if err != nil {
		return err
	}
	options, err := parseAllDocsOptions(p)
	if err != nil {
		return err
	}
	return h.list(rq, options)
}

// list answers with the documents that options ask for.
func (h *Handler) list(rq *request, options allDocsOptions) error {
	l := h.newListing(rq, collectionDocs{rq.coll, rq.db}, options)
	l.unreadable = asAnswer(h.unreadable(rq, syncstore.ErrNotFound)).name
	defer l.close()
	return l.run(rq.r.Context())
}

// allDocsSource is what a listing reads from: a collection, except in tests.
type allDocsSource interface {
	docSource
	AllDocs(ctx context.Context, o syncstore.AllDocsOptions, fn func(*syncstore.Document) error) error
	GetRevs(ctx context.Context, id string, revs []syncstore.Rev, o syncstore.GetOptions) ([]syncstore.RevResult, error)
	Info() syncstore.Info
}

type collectionDocs struct {
	*syncstore.Collection
	db *syncstore.Database
}

func (c collectionDocs) OpenContent(ctx context.Context, content syncstore.Content) (syncstore.ContentReader, error) {
	return c.db.OpenContent(ctx, content)
}

// listing is one answer of _all_docs.
type listing struct {
	o      allDocsOptions
	source allDocsSource
	viewer *syncstore.Viewer
	out    *feedWriter
	docs   *docWriter
	// unreadable is the error of a key whose document is not there, or not to be read.
	unreadable string

	after string // the last ID that was read
	left  int    // rows that may still be sent, -1 for any number
	sent  int    // rows sent
	// waiting are documents read and not yet in the answer, with their bodies' bytes.
	waiting []*syncstore.Document
	bytes   int
}

func (h *Handler) newListing(rq *request, source allDocsSource, o allDocsOptions) *listing {
	lease := newFeedLease(rq, func() (heldLease, error) { return h.take(rq) })
	out := &feedWriter{h: h, rq: rq, lease: lease}
	return &listing{
		o: o, source: source, viewer: rq.viewer(), out: out, left: o.limit,
		docs: &docWriter{source: source, viewer: rq.viewer(), out: out, o: o.docs},
	}
}

func (l *listing) close() {
	l.out.lease.close()
	l.out.rest()
}

func (l *listing) run(ctx context.Context) error {
	if l.out.rq.r.Method == http.MethodHead {
		l.left = 0
	}
	l.out.rq.set("Content-Type", jsonType)
	if err := l.result(ctx); err != nil {
		return err
	}
	l.out.keep(append(l.out.held(), '\n'))
	return l.out.finish()
}

// result puts the result into the answer, as an object.
func (l *listing) result(ctx context.Context) error {
	all, err := l.source.SeesAll(ctx, l.viewer)
	if err != nil {
		return fmt.Errorf("listing documents: %w", err)
	}
	all = all && !l.o.designs // how many of those there are nobody counts
	info := l.source.Info()
	b := append(l.out.held(), '{')
	if all {
		b = append(l.appendCounts(b, info.Docs), ',')
	}
	if l.o.updateSeq {
		b = append(b, `"update_seq":`...)
		seqs := sequencesOf(&info)
		b = append(seqs.appendJSON(b, syncstore.At(info.Seq)), ',')
	}
	l.out.keep(append(b, `"rows":[`...))
	switch {
	case l.left == 0, l.o.empty:
	case l.o.keys != nil:
		err = l.byKeys(ctx)
	default:
		err = l.byRange(ctx)
	}
	if err != nil {
		return err
	}
	b = append(l.out.held(), "\n]"...)
	if !all {
		b = l.appendCounts(append(b, ','), uint64(l.sent))
	}
	l.out.keep(append(b, '}'))
	return nil
}

func (l *listing) appendCounts(b []byte, total uint64) []byte {
	b = strconv.AppendUint(append(b, `"total_rows":`...), total, 10)
	return strconv.AppendInt(append(b, `,"offset":`...), int64(l.o.skip), 10)
}

// byRange lists the documents between two IDs.
func (l *listing) byRange(ctx context.Context) error {
	var found syncstore.FoundIDs
	for {
		o := l.o.storeOptions(l.after, l.left)
		o.Viewer, o.Found = l.viewer, &found
		err := l.source.AllDocs(ctx, o, l.take)
		if err != nil && !errors.Is(err, errPieceFull) && !errors.Is(err, errEnough) {
			return fmt.Errorf("listing documents: %w", err)
		}
		if err := l.drain(ctx); err != nil {
			return err
		}
		if !errors.Is(err, errPieceFull) {
			return nil
		}
	}
}

// take puts a document's row into the answer, or the document aside if it goes there
// with its content.
func (l *listing) take(doc *syncstore.Document) error {
	if l.left == 0 {
		return errEnough
	}
	if l.out.full() || l.bytes >= pieceSize || len(l.waiting) >= docRows {
		return errPieceFull
	}
	if doc.ID == l.after {
		return nil
	}
	l.after = doc.ID
	if l.left > 0 {
		l.left--
	}
	if l.o.docs.include {
		l.waiting = append(l.waiting, doc)
		l.bytes += len(doc.Body)
		return nil
	}
	l.row(doc.ID, doc.Rev, false)
	l.out.keep(append(l.out.held(), '}'))
	return nil
}

// row appends a row without its closing brace.
func (l *listing) row(id string, rev syncstore.Rev, deleted bool) {
	b := append(l.separated(), `{"id":`...)
	b = jsondoc.AppendString(b, id)
	b = append(b, `,"key":`...)
	b = jsondoc.AppendString(b, id)
	b = append(b, `,"value":{"rev":"`...)
	b = rev.Append(b)
	b = append(b, '"')
	if deleted {
		b = append(b, `,"deleted":true`...)
	}
	l.out.keep(append(b, '}'))
	l.sent++
}

func (l *listing) separated() []byte {
	if l.sent == 0 {
		return append(l.out.held(), '\n')
	}
	return append(l.out.held(), ",\n"...)
}

// drain writes the documents that wait, and sends what is enough for a piece.
func (l *listing) drain(ctx context.Context) error {
	for i, doc := range l.waiting {
		l.row(doc.ID, doc.Rev, false)
		if err := l.document(ctx, doc); err != nil {
			return err
		}
		l.waiting[i] = nil
		if err := l.sendPiece(); err != nil {
			return err
		}
	}
	l.waiting, l.bytes = l.waiting[:0], 0
	return l.sendPiece()
}

// document ends a row with its document, null if that is nil.
func (l *listing) document(ctx context.Context, doc *syncstore.Document) error {
	l.out.keep(append(l.out.held(), `,"doc":`...))
	if doc == nil {
		l.out.keep(append(l.out.held(), "null}"...))
		return nil
	}
	if err := l.docs.append(ctx, doc); err != nil {
		return fmt.Errorf("writing a listed document: %w", err)
	}
	l.out.keep(append(l.out.held(), '}'))
	return nil
}

// sendPiece sends what is enough for a piece. A listing that may not go on has no
// complete form: the connection is cut.
func (l *listing) sendPiece() error {
	if !l.out.full() {
		return nil
	}
	if err := l.out.lease.check(); errors.Is(err, errFeedEnded) {
		return loginRequired()
	} else if err != nil {
		return err
	}
	return l.out.send()
}

// byKeys lists the documents asked for, in the order of the keys.
func (l *listing) byKeys(ctx context.Context) error {
	n := len(l.o.keys)
	for i := min(l.o.skip, n); i < n && l.left != 0; i++ {
		key := l.o.keys[i]
		if l.o.descending {
			key = l.o.keys[n-1-i]
		}
		if err := l.byKey(ctx, key); err != nil {
			return err
		}
		if l.left > 0 {
			l.left--
		}
		if err := l.sendPiece(); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) byKey(ctx context.Context, key []byte) error {
	if key[0] != '"' {
		return l.noDocument(key)
	}
	id, err := jsondoc.String(key)
	if err != nil {
		return fmt.Errorf("reading a key: %w", err)
	}
	if l.o.designs && !strings.HasPrefix(id, designPrefix) {
		return l.noDocument(key)
	}
	doc, err := l.source.Get(ctx, id, syncstore.GetOptions{
		Conflicts: l.o.docs.include && l.o.docs.conflicts, Viewer: l.viewer,
	})
	switch {
	case errors.Is(err, syncstore.ErrDeleted):
		return l.tombstone(ctx, id, key)
	case errors.Is(err, syncstore.ErrNotFound), errors.Is(err, syncstore.ErrBadID):
		return l.noDocument(key)
	case err != nil:
		return fmt.Errorf("reading a document by its key: %w", err)
	}
	l.row(id, doc.Rev, false)
	if l.o.docs.include {
		return l.document(ctx, doc)
	}
	l.out.keep(append(l.out.held(), '}'))
	return nil
}

// tombstone shows a deleted document, which only its key can name.
func (l *listing) tombstone(ctx context.Context, id string, key []byte) error {
	leaves, err := l.source.GetRevs(ctx, id, nil, syncstore.GetOptions{Bare: true, Viewer: l.viewer})
	if errors.Is(err, syncstore.ErrNotFound) || (err == nil && len(leaves) == 0) {
		return l.noDocument(key)
	}
	if err != nil {
		return fmt.Errorf("reading a tombstone: %w", err)
	}
	l.row(id, leaves[0].Rev, true)
	if l.o.docs.include {
		return l.document(ctx, nil)
	}
	l.out.keep(append(l.out.held(), '}'))
	return nil
}

func (l *listing) noDocument(key []byte) error {
	b := append(l.separated(), `{"key":`...)
	b = append(b, bytes.TrimSpace(key)...)
	l.out.keep(append(jsondoc.AppendString(append(b, `,"error":`...), l.unreadable), '}'))
	l.sent++
	return nil
}
