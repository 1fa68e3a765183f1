package syncstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// AllDocsOptions bound a listing by document ID. IDs are in the order of their bytes.
type AllDocsOptions struct {
	// Start and End are the first and the last ID, "" for an open end. With Descending,
	// Start is the higher one.
	Start, End string
	// ExcludeEnd leaves out a document whose ID is End.
	ExcludeEnd bool
	Descending bool
	// Skip leaves out that many documents first. Limit is the highest number of
	// documents; <= 0: all.
	Skip, Limit int
	// Conflicts fills Document.Conflicts and DeletedConflicts.
	Conflicts bool
	// Viewer is who reads; nil sees everything. Documents that a viewer may not see are
	// neither given nor skipped.
	Viewer *Viewer
	// Found, if not nil, is one of the listing's pieces: each begins where the one before ended.
	Found *FoundIDs
}

// FoundIDs are IDs that a piece of a listing has found in the channels of a viewer who sees little,
// for the pieces that follow. Without them each would read all of the channels again. The zero value
// has none.
type FoundIDs struct {
	ids []string // in the listing's order
	// more: there are others behind them.
	more bool
}

// from are the IDs that are not before a place in the listing.
func (f *FoundIDs) from(start string, descending bool) []string {
	n, _ := slices.BinarySearchFunc(f.ids, start, func(id, start string) int {
		if descending {
			return strings.Compare(start, id)
		}
		return strings.Compare(id, start)
	})
	return f.ids[n:]
}

const (
	// sparseAfter is how many documents are looked at before a listing asks whether the
	// viewer sees enough of them.
	sparseAfter = 2000
	// sparseShare: where the viewer sees less than one of so many, the viewer's channels are
	// read instead.
	sparseShare = 4
	// mostFound is how many IDs FoundIDs keeps.
	mostFound = 10_000
)

var (
	errListed = errors.New("the listing is at its limit")
	errSparse = errors.New("the viewer sees few of the documents")
)

// AllDocs calls fn with the winners of live documents from one snapshot. An error of fn
// ends the listing and is returned, unless the database is deleted by then. ErrNoDatabase: some may be missing, before the
// last one too.
func (c *Collection) AllDocs(ctx context.Context, o AllDocsOptions, fn func(*Document) error) error {
	err := c.store.engine.View(ctx, func(r engine.Reader) error {
		sight, err := c.sightIn(r, o.Viewer)
		if err != nil {
			return err
		}
		l := &listing{ctx: ctx, collection: c, reader: r, sight: sight, o: o, fn: fn}
		if o.Found != nil && o.Skip == 0 && sight != nil && !sight.channels.everything() {
			if ids := o.Found.from(o.Start, o.Descending); len(ids) > 0 {
				return l.ofChannels(ids, o.Found.more)
			}
		}
		if err := l.scan(o.scan(c.scope)); !errors.Is(err, errSparse) {
			return err
		}
		return l.ofChannels(nil, true)
	})
	if errors.Is(err, errListed) {
		err = nil
	}
	return cmp.Or(c.gone(), err)
}

// listing is one call of AllDocs.
type listing struct {
	ctx        context.Context //nolint:containedctx // lives for one call
	collection *Collection
	reader     engine.Reader
	sight      *sight
	o          AllDocsOptions
	fn         func(*Document) error
	seen       int // documents looked at
	shown      int // of them such as the viewer sees
	given      int
	last       string // the last that was looked at
}

// scan goes through the documents by ID. errSparse: few of them are the viewer's.
func (l *listing) scan(in engine.Range) error {
	pairs, failed := l.reader.Scan(in)
	for key, record := range pairs {
		l.seen++
		if l.seen&1023 == 0 && l.ctx.Err() != nil {
			return l.ctx.Err()
		}
		l.last = string(key[prefixSize:])
		// What is given out must outlive the iteration.
		if err := l.take(l.last, append([]byte(nil), record...)); err != nil {
			return err
		}
		if l.seen == sparseAfter && l.sight.sparse(l.shown, l.seen) {
			return errSparse
		}
	}
	if err := failed(); err != nil {
		return fmt.Errorf("listing documents: %w", err)
	}
	return nil
}

// sparse reports whether reading a viewer's channels is likely less work than going on.
func (s *sight) sparse(shown, seen int) bool {
	if s == nil {
		return false
	}
	return !s.channels.everything() && shown*sparseShare < seen
}

// take gives a document to fn if it is to be listed.
func (l *listing) take(id string, record []byte) error {
	h, err := decodeHead(record)
	if err != nil {
		return err
	}
	if !l.sight.leaf(h.winner()) {
		return nil
	}
	l.shown++
	if h.winner().Deleted {
		return nil
	}
	if l.o.Skip > 0 {
		l.o.Skip--
		return nil
	}
	v := view{collection: l.collection, reader: l.reader, id: id, head: h, sight: l.sight}
	doc, err := v.get(GetOptions{Conflicts: l.o.Conflicts})
	if err != nil {
		return err
	}
	if err := l.fn(doc); err != nil {
		return err
	}
	if l.given++; l.given == l.o.Limit {
		return errListed
	}
	return nil
}

// ofChannels goes through documents of the viewer's channels, those of ids first, and if there are
// more on after the last document that was looked at.
func (l *listing) ofChannels(ids []string, more bool) error {
	err := l.takeAll(ids)
	for err == nil && more {
		if ids, more, err = l.findIDs(); err == nil {
			err = l.takeAll(ids)
		}
	}
	return err
}

// findIDs finds the IDs that follow, and keeps them for the next piece.
func (l *listing) findIDs() (ids []string, more bool, err error) {
	if ids, err = l.channelIDs(); err != nil || l.o.Found == nil {
		return ids, false, err
	}
	if more = len(ids) > mostFound; more {
		ids = slices.Clone(ids[:mostFound])
	}
	*l.o.Found = FoundIDs{ids: ids, more: more}
	return ids, more, nil
}

// takeAll takes the documents of IDs.
func (l *listing) takeAll(ids []string) error {
	for page := range slices.Chunk(ids, readsAtOnce) {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		keys := make([][]byte, len(page))
		for i, id := range page {
			keys[i] = l.collection.scope.head(id)
		}
		records, err := l.reader.GetMany(keys)
		if err != nil {
			return fmt.Errorf("listing documents: %w", err)
		}
		for i, record := range records {
			if l.last = page[i]; record == nil {
				continue
			}
			if err := l.take(page[i], record); err != nil {
				return err
			}
		}
	}
	return nil
}

// channelIDs are the IDs that are left of the viewer's channels, in the listing's order.
func (l *listing) channelIDs() ([]string, error) {
	in := l.o.scan(l.collection.scope)
	low, high := string(in.Start), string(in.End)
	if at := string(l.collection.scope.head(l.last)); l.o.Descending {
		high = at
	} else {
		low = at + "\x00"
	}
	var ids []string
	var change Change
	for _, part := range l.sight.channels.parts() {
		for name := range part.held {
			prefix := l.collection.scope.channel(name, 0)
			pairs, failed := l.reader.Scan(engine.PrefixRange(prefix[:len(prefix)-8]))
			for _, record := range pairs {
				if err := change.decode(1, record); err != nil {
					return nil, err
				}
				key := string(l.collection.scope.head(string(change.ID)))
				if !change.left && !change.Deleted && key >= low && key < high {
					ids = append(ids, string(change.ID))
				}
			}
			if err := failed(); err != nil {
				return nil, fmt.Errorf("reading channel %q: %w", name, err)
			}
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if l.o.Descending {
		slices.Reverse(ids)
	}
	return ids, nil
}

func (o *AllDocsOptions) scan(s scope) engine.Range {
	all := engine.PrefixRange(s.prefix(kindHead, 0))
	low, high := o.Start, o.End
	includeLow, includeHigh := true, !o.ExcludeEnd
	if o.Descending {
		low, high = o.End, o.Start
		includeLow, includeHigh = !o.ExcludeEnd, true
	}
	if low != "" {
		all.Start = s.head(low)
		if !includeLow {
			all.Start = append(all.Start, 0)
		}
	}
	if high != "" {
		all.End = s.head(high)
		if includeHigh {
			all.End = append(all.End, 0)
		}
	}
	all.Reverse = o.Descending
	return all
}
