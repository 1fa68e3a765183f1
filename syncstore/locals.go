package syncstore

import (
	"context"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// LocalsOptions say which local documents to list.
type LocalsOptions struct {
	// Start and End bound the IDs, Start first in the order of the listing; "" for an open end.
	Start, End string
	// ExcludeEnd leaves out End itself.
	ExcludeEnd bool
	Descending bool
	// After goes on behind an ID that was listed.
	After string
}

const (
	// localRows and localBytes bound how many local documents are read at a time.
	localRows  = 100
	localBytes = 1 << 20
)

// Locals lists the first local documents of owner, by the bytes of their IDs. There are more as long as any
// come: they follow After the last one.
func (c *Collection) Locals(ctx context.Context, owner string, o LocalsOptions) (docs []*LocalDocument, err error) {
	first, last := o.Start, o.End
	if o.After != "" {
		first = o.After
	}
	low, high := first, last
	if o.Descending {
		low, high = last, first
	}
	scan := engine.PrefixRange(c.scope.local(owner, ""))
	prefix := len(scan.Start)
	if low != "" {
		scan.Start = c.scope.local(owner, low)
	}
	if high != "" {
		scan.End = append(c.scope.local(owner, high), 0)
	}
	scan.Reverse = o.Descending
	err = c.store.engine.View(ctx, func(r engine.Reader) error {
		size := 0
		pairs, failed := r.Scan(scan)
		for key, record := range pairs {
			id := string(key[prefix:])
			if id == o.After || o.ExcludeEnd && id == o.End {
				continue
			}
			n, body, err := decodeLocal(record)
			if err != nil {
				return err
			}
			docs = append(docs, &LocalDocument{ID: id, Rev: localRev(n), Body: append([]byte(nil), body...)})
			if size += len(body); len(docs) == localRows || size >= localBytes {
				return nil
			}
		}
		return failed()
	})
	if err != nil {
		return nil, fmt.Errorf("listing local documents: %w", err)
	}
	return docs, nil
}

// DropLocals removes all local documents of owner, in all collections: of a user who is deleted. An
// administrator's, whose owner is "", stay.
func (d *Database) DropLocals(owner string) error {
	if owner == "" {
		return nil
	}
	for _, c := range d.Collections() {
		if err := d.store.clearRange(d, engine.PrefixRange(c.scope.local(owner, ""))); err != nil {
			return fmt.Errorf("removing local documents: %w", err)
		}
	}
	return nil
}
