package syncstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
}

const (
	// sparseAfter is how many documents are looked at before a listing asks whether the
	// viewer sees enough of them.
	sparseAfter = 2000
	// sparseShare: where the viewer sees less than one of so many, the viewer's channels are
	// read instead.
	sparseShare = 4
	// sparsePage is how many documents of the viewer's channels are read at once.
	sparsePage = 100
)

var (
	errListed = errors.New("the listing is at its limit")
	errSparse = errors.New("the viewer sees few of the documents")
)

// AllDocs calls fn with the winners of live documents from one snapshot. An error of fn
// ends the listing and is returned.
func (c *Collection) AllDocs(ctx context.Context, o AllDocsOptions, fn func(*Document) error) error {
	err := c.store.engine.View(ctx, func(r engine.Reader) error {
		sight, err := c.sightIn(r, o.Viewer)
		if err != nil {
			return err
		}
		l := &listing{ctx: ctx, collection: c, reader: r, sight: sight, o: o, fn: fn}
		if err := l.scan(o.scan(c.scope)); !errors.Is(err, errSparse) {
			return err
		}
		return l.ofChannels()
	})
	if errors.Is(err, errListed) {
		return nil
	}
	return err
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

// ofChannels goes on after the last document that was looked at, through those of the
// viewer's channels.
func (l *listing) ofChannels() error {
	ids, err := l.channelIDs()
	if err != nil {
		return err
	}
	for page := range slices.Chunk(ids, sparsePage) {
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
			if record == nil {
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
