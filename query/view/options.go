package view

import (
	"bytes"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
)

// Update says whether an index is brought up to date for a query.
type Update int

// When an index is brought up to date.
const (
	UpdateBefore Update = iota // the answer covers the collection as of the query
	UpdateNever                // what is there is answered
	UpdateAfter                // what is there is answered, and the index follows then
)

// Options say what of a view is asked for. Keys are JSON values that were checked, with nothing
// around them. The zero value asks for all rows, or for the reduction of all.
type Options struct {
	// Keys, if not nil, are the keys whose rows are meant, in this order.
	Keys [][]byte
	// Start and End bound the keys, nil for an open end. With Descending, Start is the higher
	// one. StartDoc and EndDoc go on with the documents' IDs where the keys are equal.
	Start, End       []byte
	StartDoc, EndDoc string
	ExcludeEnd       bool
	Descending       bool
	// Skip leaves out rows first; Limit is how many there are at most, -1 for all.
	Skip, Limit int
	// MapOnly gives the rows although there is a reduce function, MustReduce wants one.
	MapOnly, MustReduce bool
	// GroupLevel is of how many elements of its key, if that is an array, a group has the same;
	// GroupExact: all, GroupNone: all rows are one group.
	GroupLevel int
	Update     Update
	// Viewer is who asks; nil sees everything.
	Viewer *syncstore.Viewer
}

// Special values of Options.GroupLevel.
const (
	GroupNone  = 0
	GroupExact = -1
)

func parseError(reason string) *design.Error {
	return &design.Error{Name: design.ErrorParse, Reason: reason}
}

// reduces reports whether the query is for a reduction, or what is wrong with it.
func (v *View) reduces(o *Options) (bool, error) {
	reduces := v.Reduces() && !o.MapOnly
	switch {
	case o.MustReduce && !v.Reduces():
		return false, parseError("Reduce is invalid for map-only views.")
	case o.GroupLevel != GroupNone && !reduces:
		return false, parseError("Invalid use of grouping on a map view.")
	case reduces && o.Keys != nil && o.GroupLevel != GroupExact:
		return false, parseError("Multi-key fetchs for reduce views must use `group=true`")
	}
	return reduces, o.check(v)
}

// check refuses a range in which no key can be.
func (o *Options) check(v *View) error {
	if o.Start == nil || o.End == nil || bytes.Equal(o.Start, o.End) {
		return nil
	}
	order := bytes.Compare(v.sort(o.Start), v.sort(o.End))
	if o.Descending {
		order = -order
	}
	if order > 0 {
		return parseError("No rows can match your key range, reverse your start_key and end_key or set descending=true")
	}
	return nil
}

// rangeOf are the rows of a key.
func (v *View) rangeOf(key []byte, o *Options) syncstore.IndexRange {
	only := syncstore.IndexBound{Sort: v.sort(key)}
	return syncstore.IndexRange{Low: only, High: only, Reverse: o.Descending}
}

// ranges are the rows that are meant, but for those of Keys.
func (v *View) ranges(o *Options) []syncstore.IndexRange {
	if o.Keys != nil {
		return nil
	}
	start := syncstore.IndexBound{Sort: v.sort(o.Start)}
	end := syncstore.IndexBound{Sort: v.sort(o.End), Exclude: o.ExcludeEnd}
	if start.Sort != nil {
		start.DocID = o.StartDoc
	}
	if end.Sort != nil {
		end.DocID = o.EndDoc
	}
	if o.Descending {
		start, end = end, start
	}
	return []syncstore.IndexRange{{Low: start, High: end, Reverse: o.Descending}}
}

func (v *View) sort(key []byte) []byte {
	if key == nil {
		return nil
	}
	return v.mapper.sort(key)
}
