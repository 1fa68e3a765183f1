package syncstore

import (
	"context"
	"fmt"

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

// AllDocs calls fn with the winners of live documents from one snapshot. An error of fn
// ends the listing and is returned.
func (c *Collection) AllDocs(ctx context.Context, o AllDocsOptions, fn func(*Document) error) error {
	return c.store.engine.View(ctx, func(r engine.Reader) error {
		sight, err := c.sightIn(r, o.Viewer)
		if err != nil {
			return err
		}
		scan := o.scan(c.scope)
		seen, given := 0, 0
		pairs, failed := r.Scan(scan)
		for key, record := range pairs {
			seen++
			if seen&1023 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			// What is given out must outlive the iteration.
			h, err := decodeHead(append([]byte(nil), record...))
			if err != nil {
				return err
			}
			if h.winner().Deleted || !sight.leaf(h.winner()) {
				continue
			}
			if o.Skip > 0 {
				o.Skip--
				continue
			}
			v := view{collection: c, reader: r, id: string(key[prefixSize:]), head: h, sight: sight}
			doc, err := v.get(GetOptions{Conflicts: o.Conflicts})
			if err != nil {
				return err
			}
			if err := fn(doc); err != nil {
				return err
			}
			if given++; given == o.Limit {
				return nil
			}
		}
		if err := failed(); err != nil {
			return fmt.Errorf("listing documents: %w", err)
		}
		return nil
	})
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
