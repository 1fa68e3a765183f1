package mango

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	// pieceBytes is how much of documents is gathered before it is answered, and pieceTime how
	// long a query works in one snapshot and one turn: a client that takes its time holds neither.
	pieceBytes = 1 << 20
	pieceTime  = 50 * time.Millisecond
	// fewRows and manyRows bound how many rows of an index are read at once: at first as many as
	// documents are wanted.
	fewRows  = 16
	manyRows = 500
)

// errPiece ends the reading of a piece.
var errPiece = errors.New("enough for a piece")

// walk goes through the plan's ranges.
type walk struct {
	q      *Query
	limits Limits
	ranges []Range // those that are left, in the order of the walk
	after  []byte  // the place in the first of them behind which it goes on
	rows   []*syncstore.IndexEntry
	page   int
	covers uint64 // up to where the index covered the collection when it was looked at last

	skip, left int
	found      syncstore.FoundIDs // of the first of the ranges, if these are of IDs
	// own, if not nil, goes through the viewer's documents instead of the index.
	own *ownDocuments
	// onlyIndex: it has turned out that this would be no better.
	onlyIndex bool
	last      []byte // the place of the last document that was found
	out       []*syncstore.Document
	bytes     int
	stats     Stats
	begun     time.Time // when this turn looked at its first document
	worked    time.Duration
}

func newWalk(q *Query, limits Limits) *walk {
	w := &walk{q: q, limits: limits, skip: q.request.Skip, left: q.request.Limit}
	w.page = min(max(w.wanted(), fewRows), manyRows)
	w.ranges = slices.Clone(q.plan.Ranges)
	if q.plan.Descending {
		slices.Reverse(w.ranges)
	}
	if b := q.request.bookmark; b != nil {
		w.goOn(b.at)
	}
	if q.mango.alwaysOwn && q.viewer != nil && !q.plan.Index.Special() {
		w.own = w.newOwnDocuments()
	}
	return w
}

// goOn leaves out what is up to a place.
func (w *walk) goOn(at []byte) {
	for len(w.ranges) > 0 {
		r := w.ranges[0]
		below := bytes.Compare(at, r.Low) < 0
		above := r.High != nil && bytes.Compare(at, r.High) >= 0
		passed, ahead := above, below
		if w.q.plan.Descending {
			passed, ahead = below, above
		}
		switch {
		case passed:
			w.ranges = w.ranges[1:]
			continue
		case !ahead:
			w.after = at
		}
		return
	}
}

func (w *walk) bookmark() string {
	switch {
	case w.last != nil:
		b := bookmark{index: w.q.plan.Index.id, at: w.last}
		return b.String()
	case w.q.request.bookmark != nil:
		return w.q.request.bookmark.text
	}
	return noBookmark
}

// step looks for documents until there are enough for a piece. It reports whether there may be
// more.
func (w *walk) step(ctx context.Context) (bool, error) {
	for w.left > 0 && (len(w.ranges) > 0 || len(w.rows) > 0) {
		err := w.look(ctx)
		if err == nil && w.left > 0 && len(w.ranges) > 0 {
			err = w.read(ctx)
		}
		if errors.Is(err, errPiece) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// read reads on in the way that is the best as far as is known.
func (w *walk) read(ctx context.Context) error {
	switch {
	case w.q.plan.Index.Special():
		return w.readIDs(ctx)
	case w.own != nil:
		return w.readOwn(ctx)
	default:
		return w.readRows(ctx)
	}
}

// full reports whether a piece has to end. Finding the first document may take long, and each
// piece has one at least.
func (w *walk) full() bool {
	if w.begun.IsZero() {
		w.begun = time.Now()
		return false
	}
	return w.bytes >= pieceBytes || time.Since(w.begun) >= pieceTime
}

// readRows reads a page of rows of the index.
func (w *walk) readRows(ctx context.Context) error {
	r := w.ranges[0]
	in := syncstore.IndexRange{Low: syncstore.IndexBound{Sort: r.Low}, Reverse: w.q.plan.Descending, After: w.after, Dense: !w.q.request.Stale && !w.onlyIndex}
	if r.High != nil {
		in.High = syncstore.IndexBound{Sort: r.High, Exclude: true}
	}
	full := false
	err := w.q.collection.Index(w.q.plan.Index.id).View(ctx, w.q.viewer, func(index *syncstore.IndexView) error {
		if index.Seq < w.covers {
			return syncstore.ErrIndexDropped // what there is of it are not all rows
		}
		w.covers = index.Seq
		w.rows = w.rows[:0]
		return index.Scan(in, func(entry *syncstore.IndexEntry) (bool, error) {
			w.rows = append(w.rows, entry)
			full = len(w.rows) == w.page
			return !full, nil
		})
	})
	if errors.Is(err, syncstore.ErrSparse) {
		w.rows, w.own = w.rows[:0], w.newOwnDocuments()
		return nil
	}
	if err != nil {
		return err
	}
	w.page = manyRows
	if full {
		w.after = w.rows[len(w.rows)-1].At
	} else {
		w.ranges, w.after = w.ranges[1:], nil
	}
	return nil
}

// look looks at the documents of the rows that were read. A document is looked at as it is now;
// where it was changed since its row was made it may not match any more.
func (w *walk) look(ctx context.Context) error {
	for len(w.rows) > 0 {
		if w.full() {
			return errPiece
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		row := w.rows[0]
		w.rows = w.rows[1:]
		if w.own == nil {
			w.stats.Keys++
		}
		doc, err := w.q.collection.Get(ctx, row.ID, syncstore.GetOptions{Conflicts: w.q.request.Conflicts, Viewer: w.q.viewer})
		if gone(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := w.document(doc, row.At); err != nil {
			return err
		}
		if w.left == 0 {
			return nil
		}
	}
	return nil
}

// readIDs looks at documents by their IDs.
func (w *walk) readIDs(ctx context.Context) error {
	r := w.ranges[0]
	low, high := string(r.Low), string(r.High)
	o := syncstore.AllDocsOptions{Start: low, End: high, ExcludeEnd: true, Conflicts: w.q.request.Conflicts, Viewer: w.q.viewer}
	if w.q.plan.Descending {
		o = syncstore.AllDocsOptions{Start: high, End: low, Descending: true, Conflicts: o.Conflicts, Viewer: o.Viewer}
	}
	if w.after != nil {
		o.Start = string(w.after)
	}
	o.Found = &w.found
	err := w.q.collection.AllDocs(ctx, o, func(doc *syncstore.Document) error {
		if w.full() {
			return errPiece
		}
		if syncstore.IsDesign(doc.ID) || doc.ID == string(w.after) {
			return nil
		}
		w.stats.Keys++
		if err := w.document(doc, []byte(doc.ID)); err != nil {
			return err
		}
		w.after = []byte(doc.ID)
		if w.left == 0 {
			return errPiece
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.ranges, w.after, w.found = w.ranges[1:], nil, syncstore.FoundIDs{}
	return nil
}

// document takes a document in if it matches.
func (w *walk) document(doc *syncstore.Document, at []byte) error {
	if w.own == nil {
		if err := w.count(); err != nil {
			return err
		}
	}
	ok, err := w.matches(doc)
	if err != nil || !ok {
		return err
	}
	w.last = at
	if w.skip > 0 {
		w.skip--
		return nil
	}
	w.left--
	w.stats.Results++
	w.out = append(w.out, doc)
	w.bytes += len(doc.Body)
	return nil
}

// count counts a document that is looked at.
func (w *walk) count() error {
	if w.limits.Documents > 0 && w.stats.Documents >= w.limits.Documents {
		return w.errExpensive()
	}
	w.stats.Documents++
	return nil
}

func (w *walk) matches(doc *syncstore.Document) (bool, error) {
	selector := w.q.request.Selector
	ok, err := selector.Match(selectable(doc, nil, selector))
	if errors.Is(err, query.ErrTooMuchWork) {
		return false, bad("bad_request", "Document %s: %s.", doc.ID, err)
	}
	return ok, err
}
