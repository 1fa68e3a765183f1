package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore"
)

// maxLookups is how many documents a filter may name for them to be looked up one by
// one; for more, reading the whole feed is cheaper.
const maxLookups = 100

// lookupTries is how often a lookup is begun again because a document changed under it.
const lookupTries = 3

// changesFilter says which documents a feed shows. The zero filter shows all.
type changesFilter struct {
	ids     map[string]struct{} // only these
	designs bool                // only design documents
	// selector: only documents that it matches; they have to be read for that.
	selector *query.Selector
	// function: only documents that it lets pass; as with selector.
	function *functionFilter
}

func (f *changesFilter) active() bool { return f.ids != nil || f.designs || f.reads() }

// reads reports whether the documents have to be read.
func (f *changesFilter) reads() bool { return f.selector != nil || f.function != nil }

// matches reports whether a row passes, as far as its ID tells.
func (f *changesFilter) matches(id []byte) bool {
	if f.ids != nil {
		_, ok := f.ids[string(id)]
		return ok
	}
	return !f.designs || bytes.HasPrefix(id, []byte("_design/"))
}

// parseFilter reads filter, doc_ids and selector. doc_ids without a filter mean _doc_ids,
// and a selector _selector: a client that names documents does not want the others.
func parseFilter(p params) (changesFilter, error) {
	name, err := p.text("filter")
	if err != nil {
		return changesFilter{}, err
	}
	ids, given, err := p.strings("doc_ids")
	if err != nil {
		return changesFilter{}, err
	}
	switch {
	case name == "_doc_ids" && !given:
		return changesFilter{}, badRequest("The filter _doc_ids needs the option doc_ids.")
	case name == "_doc_ids", name == "" && given:
		f := changesFilter{ids: make(map[string]struct{}, len(ids))}
		for _, id := range ids {
			f.ids[id] = struct{}{}
		}
		return f, nil
	case name == "_selector", name == "" && p.raw("selector") != nil:
		selector, err := parseSelector(p)
		return changesFilter{selector: selector}, err
	case name == "", name == byChannel: // the store knows who is in which channel
		return changesFilter{}, nil
	case name == "_design":
		return changesFilter{designs: true}, nil
	case name == "_view" && p.raw("view") == nil:
		return changesFilter{}, badRequest("The filter _view needs the option view.")
	case name == "_view":
		view, err := p.text("view")
		if err != nil {
			return changesFilter{}, err
		}
		return parseFunction("view", view, true)
	case strings.Contains(name, "/") && name[0] != '_':
		return parseFunction("filter", name, false)
	}
	return changesFilter{}, badRequest("Unknown filter; try sync_gateway/bychannel, _doc_ids, _selector, _design, _view or designname/filtername.")
}

// lookUp reads the rows of the named documents without reading the feed. It returns
// them in the feed's order, and the sequence up to which they are complete. It reports
// false if the documents change too quickly for that.
func lookUp(ctx context.Context, source changeSource, viewer *syncstore.Viewer, ids map[string]struct{}) ([]syncstore.Change, uint64, bool, error) {
	for range lookupTries {
		last := source.Info().Seq
		rows, err := lookUpOnce(ctx, source, viewer, ids)
		if err != nil {
			return nil, 0, false, err
		}
		if len(rows) == 0 || rows[len(rows)-1].Seq <= last {
			return rows, last, true, nil
		}
		// A row beyond last: another of the documents may have changed in between
		// without our having seen it, and the client would take the row as its cursor.
	}
	return nil, 0, false, nil
}

func lookUpOnce(ctx context.Context, source changeSource, viewer *syncstore.Viewer, ids map[string]struct{}) ([]syncstore.Change, error) {
	rows := make([]syncstore.Change, 0, len(ids))
	for id := range ids {
		leaves, err := source.GetRevs(ctx, id, nil, syncstore.GetOptions{Bare: true, Viewer: viewer})
		if errors.Is(err, syncstore.ErrNotFound) || errors.Is(err, syncstore.ErrBadID) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking up a document: %w", err)
		}
		if row, ok := rowOf(id, leaves); ok {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b syncstore.Change) int {
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	})
	return rows, nil
}

// rowOf makes a document's row of its leaves, which begin with the winner.
func rowOf(id string, leaves []syncstore.RevResult) (syncstore.Change, bool) {
	if len(leaves) == 0 || leaves[0].Doc == nil {
		return syncstore.Change{}, false
	}
	winner := leaves[0].Doc
	row := syncstore.Change{
		Seq: winner.Seq, ID: []byte(id), Deleted: winner.Deleted, Version: winner.Version,
		Leaves: make([]syncstore.ChangeLeaf, len(leaves)),
	}
	for i, leaf := range leaves {
		row.Leaves[i].Rev = leaf.Rev.Append(nil)
		row.Leaves[i].Deleted = leaf.Doc != nil && leaf.Doc.Deleted
	}
	return row, true
}
