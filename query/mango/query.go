package mango

import (
	"context"

	"github.com/caddysync/caddy-sync/syncstore"
)

// Query is a query with a plan for it.
type Query struct {
	mango      *Mango
	collection *syncstore.Collection
	request    *Request
	viewer     *syncstore.Viewer
	question   question
	plan       *Plan
}

// Prepare plans a query of a viewer; nil sees everything. To viewers an index is a part of its
// design document: of one that they may not read they are told nothing, and cannot ask for it by
// its name, though it may serve them.
func (m *Mango) Prepare(ctx context.Context, c *syncstore.Collection, r *Request, viewer *syncstore.Viewer) (*Query, error) {
	indexes, err := m.Indexes(ctx, c)
	if err != nil {
		return nil, err
	}
	q := &Query{mango: m, collection: c, request: r, viewer: viewer}
	hidden, err := q.hidden(ctx, indexes)
	if err != nil {
		return nil, err
	}
	q.question = question{
		selector: r.Selector, sort: r.Sort, useIndex: r.useIndex, allowFallback: r.allowFallback,
		hidden: func(x *Index) bool { return hidden[x] },
	}
	if r.bookmark != nil {
		q.question.only = &r.bookmark.index
	}
	q.plan, err = m.plan(indexes, &q.question)
	return q, err
}

// hidden are the indexes of design documents that the viewer may not read.
func (q *Query) hidden(ctx context.Context, indexes []*Index) (map[*Index]bool, error) {
	visible, err := q.mango.visible(ctx, q.collection, indexes, q.viewer)
	if err != nil {
		return nil, err
	}
	hidden := make(map[*Index]bool)
	for i, x := range indexes {
		hidden[x] = !visible[i]
	}
	return hidden, nil
}

// Visible are the indexes of a collection that a viewer may know of.
func (m *Mango) Visible(ctx context.Context, c *syncstore.Collection, viewer *syncstore.Viewer) ([]*Index, error) {
	indexes, err := m.Indexes(ctx, c)
	if err != nil {
		return nil, err
	}
	visible, err := m.visible(ctx, c, indexes, viewer)
	var all []*Index
	for i, ok := range visible {
		if ok {
			all = append(all, indexes[i])
		}
	}
	return all, err
}

func (m *Mango) visible(ctx context.Context, c *syncstore.Collection, indexes []*Index, viewer *syncstore.Viewer) ([]bool, error) {
	visible := make([]bool, len(indexes))
	for i, x := range indexes {
		switch {
		case viewer == nil || x.Special():
			visible[i] = true
		case i > 0 && indexes[i-1].Design == x.Design:
			visible[i] = visible[i-1]
		default:
			doc, err := c.Get(ctx, x.Design, syncstore.GetOptions{Viewer: viewer})
			if err != nil && !gone(err) {
				return nil, err
			}
			visible[i] = err == nil && doc.Rev == x.rev
		}
	}
	return visible, nil
}

// nothing reports whether there is nothing to look for. A selector of an empty $and or $or alone
// finds nothing in CouchDB, though beside others it means everything.
func (q *Query) nothing() bool {
	switch string(q.request.Selector.Normalized()) {
	case `{"$and":[]}`, `{"$or":[]}`:
		return true
	}
	return len(q.plan.Ranges) == 0
}
