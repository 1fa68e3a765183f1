package mango

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore"
)

// ownDocuments answers a query of an index for a viewer who sees few of its rows: it looks at the
// documents that the viewer sees, and puts those that match where the index has them. So a user
// with a hundred documents among a million of others does not pay for these.
type ownDocuments struct {
	mapper *mapper
	after  string // the last ID that was looked at
	ids    syncstore.FoundIDs
	looked int
	// within is how many of them are in the part of the index that is left: those that the index would have had
	// the query look at, if it looked at all.
	within int
	// found are the documents that match, by their places; of more than there are wanted, the
	// first ones.
	found []*syncstore.IndexEntry
}

// maxOwn is how many documents of a viewer are looked at before it turns out that the index would
// have been better.
const maxOwn = 20_000

// errManyOwn: the viewer sees many documents, or more than the query may look at. In the index it may find enough
// before that: whether it is too expensive must not depend on which way it went, which depends on others' documents.
var errManyOwn = errors.New("the viewer sees many documents")

func (w *walk) newOwnDocuments() *ownDocuments {
	return &ownDocuments{mapper: w.q.mango.mapper(w.q.collection, w.q.plan.Index)}
}

// readOwn looks at the viewer's documents, and then has those that match as the rows of the index.
func (w *walk) readOwn(ctx context.Context) error {
	own := w.own
	err := w.q.collection.AllDocs(ctx, syncstore.AllDocsOptions{Start: own.after, Viewer: w.q.viewer, Found: &own.ids}, func(doc *syncstore.Document) error {
		if w.full() {
			return errPiece
		}
		if doc.ID == own.after || syncstore.IsDesign(doc.ID) {
			return nil
		}
		own.after = doc.ID
		if own.looked++; own.looked > maxOwn {
			return errManyOwn
		}
		return w.takeOwn(doc)
	})
	if errors.Is(err, errManyOwn) {
		w.own, w.onlyIndex = nil, true
		return nil
	}
	if err != nil {
		return err
	}
	w.stats.Keys += own.within
	w.stats.Documents += own.within
	w.sortOwn()
	w.rows, w.ranges = own.found, nil
	return nil
}

// takeOwn takes a document in if it is in the part of the index that is left, and matches.
func (w *walk) takeOwn(doc *syncstore.Document) error {
	sort := w.own.mapper.sort(doc)
	if sort == nil {
		return nil
	}
	at := syncstore.IndexPlace(sort, doc.ID, 0)
	if w.after != nil && w.before(at, w.after) <= 0 || !w.within(sort) {
		return nil
	}
	if w.own.within++; w.limits.Documents > 0 && w.stats.Documents+w.own.within > w.limits.Documents {
		return errManyOwn
	}
	ok, err := w.matches(doc)
	if err != nil || !ok {
		return err
	}
	w.own.found = append(w.own.found, &syncstore.IndexEntry{ID: doc.ID, At: at})
	if n := len(w.own.found); n >= manyRows && n/2 >= w.wanted() {
		w.sortOwn()
	}
	return nil
}

// within reports whether one of the ranges that are left has a row.
func (w *walk) within(sort []byte) bool {
	return slices.ContainsFunc(w.ranges, func(r Range) bool {
		return bytes.Compare(sort, r.Low) >= 0 && (r.High == nil || bytes.Compare(sort, r.High) < 0)
	})
}

// before compares places in the order of the walk.
func (w *walk) before(a, b []byte) int {
	if w.q.plan.Descending {
		a, b = b, a
	}
	return bytes.Compare(a, b)
}

// sortOwn puts what was found in order, and leaves out what is more than wanted.
func (w *walk) sortOwn() {
	slices.SortFunc(w.own.found, func(a, b *syncstore.IndexEntry) int { return w.before(a.At, b.At) })
	if wanted := w.wanted(); len(w.own.found) > wanted {
		clear(w.own.found[wanted:])
		w.own.found = w.own.found[:wanted]
	}
}

// wanted is how many documents that match the answer needs at most.
func (w *walk) wanted() int {
	const most = 1 << 30
	return min(w.skip, most) + min(w.left, most)
}
