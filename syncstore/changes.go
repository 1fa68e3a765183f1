package syncstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// ChangesOptions bound one read of the feed.
type ChangesOptions struct {
	// Since gives the changes after this sequence. Above the current sequence it is read
	// as 0 (DECISIONS 35).
	Since uint64
	// Limit is the highest number of changes; <= 0: all.
	Limit int
	// Descending gives the newest first, down to Since.
	Descending bool
}

// Changes calls fn with the changes of one snapshot, in order. It returns the sequence
// to go on from: that of the last change if Limit cut the read, else the database's in
// the snapshot. An error of fn ends the read and is returned.
func (c *Collection) Changes(ctx context.Context, o ChangesOptions, fn func(*Change) error) (last uint64, err error) {
	if counts := c.db.counters.Load(); counts.Seq == o.Since && !o.Descending && c.db.live.Load() {
		// A client that has everything costs no snapshot.
		return o.Since, ctx.Err()
	}
	err = c.store.engine.View(ctx, func(r engine.Reader) error {
		counts, err := readCounters(r, c.scope)
		if err != nil {
			return err
		}
		if o.Since > counts.Seq {
			o.Since = 0
		}
		last = counts.Seq
		cut, err := c.scanChanges(ctx, r, o, fn)
		if cut != 0 {
			last = cut
		}
		return err
	})
	return last, err
}

// scanChanges returns the sequence of the change at which Limit cut the read, 0 if it
// did not.
func (c *Collection) scanChanges(
	ctx context.Context, r engine.Reader, o ChangesOptions, fn func(*Change) error,
) (cut uint64, err error) {
	scan := engine.Range{
		End: engine.PrefixEnd(c.scope.prefix(kindSeq, 0)), Reverse: o.Descending, Limit: o.Limit,
	}
	if o.Since == math.MaxUint64 {
		return 0, nil
	}
	scan.Start = c.scope.seq(o.Since + 1)
	var change Change
	n := 0
	pairs, failed := r.Scan(scan)
	for key, record := range pairs {
		if o.Limit > 0 && n == o.Limit {
			return change.Seq, nil
		}
		if n&1023 == 1023 {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
		}
		if len(key) != prefixSize+8 {
			return 0, fmt.Errorf("%w: key of a row", ErrDamaged)
		}
		if err := change.decode(binary.BigEndian.Uint64(key[prefixSize:]), record); err != nil {
			return 0, err
		}
		if err := fn(&change); err != nil {
			return 0, err
		}
		n++
	}
	if err := failed(); err != nil {
		return 0, fmt.Errorf("reading changes: %w", err)
	}
	return 0, nil
}
