package rest

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore"
)

// parseSelector reads the option selector of the filter _selector. CouchDB takes it from
// a body only; a browser's event source has none, and may have it in its query.
func parseSelector(p params) (*query.Selector, error) {
	raw := p.raw("selector")
	if raw == nil {
		return nil, badRequest(`The filter _selector needs the option selector, such as {"selector": {"type": "note"}} in the body of a POST.`)
	}
	selector, err := query.Parse(raw)
	if errors.Is(err, query.ErrSelector) {
		return nil, badRequest(err.Error())
	}
	if err != nil {
		return nil, fmt.Errorf("reading the option selector: %w", err)
	}
	return selector, nil
}

// sift takes the rows out of a piece whose documents the filter does not let pass, and
// what is over the limit. As with include_docs, documents are read when the store's
// snapshot is closed.
func (f *changeFeed) sift(ctx context.Context) error {
	rows := f.rows
	f.rows = f.rows[:0]
	for i := range rows {
		if err := f.checkAndBeat(); err != nil {
			return err
		}
		pass := f.selects
		if f.o.filter.function != nil {
			pass = f.passes
		}
		ok, err := pass(ctx, &rows[i])
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		f.rows = append(f.rows, rows[i])
		if f.left < 0 {
			continue
		}
		if f.left--; f.left == 0 {
			f.at, f.complete = rows[i].at, false
			return nil
		}
	}
	return nil
}

// selects reports whether the selector matches the document of a row: the winner, or its
// tombstone. A revision that is gone was replaced, and the later one has a row of its own.
// A document that the reader lost is shown whatever it was: the client may have it.
func (f *changeFeed) selects(ctx context.Context, row *docRow) (bool, error) {
	if row.lost {
		return true, nil
	}
	doc, err := f.leaf(ctx, row.id, row.rev)
	if err != nil || doc == nil {
		return false, err
	}
	ok, err := f.o.filter.selector.Match(selectable(doc, f.o.filter.selector))
	if errors.Is(err, query.ErrTooMuchWork) {
		return false, f.refuse(badRequest("Document " + row.id + ": " + err.Error() + "."))
	}
	return ok, err
}

// leaf reads a revision that a row names. It is nil if it is gone, or the reader may not see it
// any more: that has a row too.
func (f *changeFeed) leaf(ctx context.Context, id, text string) (*syncstore.Document, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("reading changes: %w", context.Cause(ctx))
	}
	rev, err := syncstore.ParseRev(text)
	if err != nil {
		return nil, fmt.Errorf("row with a bad revision: %w", err)
	}
	doc, err := f.source.Get(ctx, id, syncstore.GetOptions{Rev: rev, Viewer: f.out.rq.viewer()})
	if errors.Is(err, syncstore.ErrNotFound) || errors.Is(err, syncstore.ErrDeleted) || f.out.h.passesOver(f.out.rq, err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the document of a change: %w", err)
	}
	if doc.Removed {
		return nil, nil
	}
	return doc, nil
}

// refuse returns err if no answer has begun. Otherwise the feed ends complete before the
// row, so that the client comes back from there and gets err (DECISIONS 38).
func (f *changeFeed) refuse(err error) error {
	if f.out.rq.answered {
		return errFeedEnded
	}
	return err
}

// selectable is a document as a selector sees it.
func selectable(doc *syncstore.Document, selector *query.Selector) *query.Document {
	d := &query.Document{ID: doc.ID, Deleted: doc.Deleted, Body: doc.Body}
	if selector.Uses("_rev") {
		d.Rev = doc.Rev.String()
	}
	if len(doc.Attachments) > 0 && selector.Uses("_attachments") {
		d.Attachments = appendStubs(nil, doc, shape{})
	}
	return d
}
