// Package view answers queries of views: map functions whose rows are kept in an index that
// follows the collection, and reduce functions over them. It knows no HTTP.
//
// The index is kept by syncstore. A reduction is computed when it is asked for; what blocks of rows
// came to is kept in memory until one of their rows changes.
package view

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/query/mango"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// Views opens views. One is enough for a server; it may be used by many goroutines at once.
type Views struct {
	functions *design.Functions
	collation *query.Collation
	logger    *zap.Logger
	tasks     tasks
	mango     *mango.Mango

	maxTimeouts int
}

// New returns a place to open views. A nil logger drops what functions say and do wrong.
func New(functions *design.Functions, logger *zap.Logger) *Views {
	if logger == nil {
		logger = zap.NewNop()
	}
	v := &Views{functions: functions, collation: query.NewCollation(), logger: logger, mango: mango.New(logger), maxTimeouts: maxTimeouts}
	v.mango.Building = v.tasks.note
	return v
}

// View is a view of a collection.
type View struct {
	views      *Views
	collection *syncstore.Collection
	index      *syncstore.Index
	mapper     *mapper
	builtIn    string         // the name of a reduce that is built in
	reduce     *design.Reduce // nil: none in JavaScript
	design     string
}

// rowsVersion is part of what names an index: it changes when the same function makes other
// rows, or puts them elsewhere.
const rowsVersion = 1

// indexID names the index of a map function. Views of the same function share one.
func indexID(d *design.Document, view string) syncstore.IndexID {
	return d.Kept("index of "+view, func() any { return hashOf(d, view) }).(syncstore.IndexID) //nolint:forcetypeassert // see above
}

func hashOf(d *design.Document, view string) syncstore.IndexID {
	text, err := json.Marshal([]any{rowsVersion, d.Language, d.Views[view].Map, d.Options, d.Lib.Text()})
	if err != nil {
		panic(err) // texts and flags have always JSON
	}
	sum := sha256.Sum256(text)
	return syncstore.IndexID(sum[:16])
}

// opened is what came of opening a view.
type opened struct {
	view *View
	err  error
}

// Open opens a view of a design document. The error is a *design.Error. What comes of it is kept
// with the document; a name that no view has is not, since clients may ask for any.
func (v *Views) Open(c *syncstore.Collection, d *design.Document, name string) (*View, error) {
	if _, ok := d.Views[name]; !ok {
		return nil, &design.Error{Name: design.ErrorMissing, Reason: "missing_named_view"}
	}
	of := func() any {
		view, err := v.open(c, d, name)
		return opened{view, err}
	}
	kept := d.Kept("view "+name, of).(opened) //nolint:forcetypeassert // see above
	if kept.err == nil && (kept.view.views != v || kept.view.collection != c) {
		return v.open(c, d, name)
	}
	return kept.view, kept.err
}

func (v *Views) open(c *syncstore.Collection, d *design.Document, name string) (*View, error) {
	definition := d.Views[name]
	m, err := v.mapper(c, d, name)
	if err != nil {
		return nil, err
	}
	view := &View{views: v, collection: c, index: c.Index(indexID(d, name)), mapper: m, design: d.ID}
	if definition.Reduce == "" {
		return view, nil
	}
	if builtIn, ok := design.BuiltIn(definition.Reduce); ok {
		view.builtIn = builtIn
		return view, nil
	}
	view.reduce, err = v.functions.Reduce(d, name)
	return view, err
}

// Reduces reports whether the view has a reduce function.
func (v *View) Reduces() bool { return v.builtIn != "" || v.reduce != nil }

// update has the index cover the collection as it is now, up to the sequence that it returns.
func (v *View) update(ctx context.Context) (until uint64, err error) {
	until = v.collection.Info().Seq
	if covered, _, err := v.index.Covers(ctx); err != nil || covered >= until {
		return until, err
	}
	v.views.tasks.note(ctx, v.collection, v.index, v.design)
	if err := v.index.Update(ctx, v.mapper, until); err != nil {
		return until, fmt.Errorf("building the index of %s: %w", v.design, err)
	}
	return until, nil
}
