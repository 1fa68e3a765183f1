package syncstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// FeedOptions say who reads a feed and what of it.
type FeedOptions struct {
	// Viewer is who reads; nil sees everything.
	Viewer *Viewer
	// Channels, if not nil, limits the feed to documents of these channels, as far as the
	// viewer may see them. AllChannel stands for all that the viewer may see.
	Channels []string
	// Revocations adds rows for documents that the viewer cannot see any more because a
	// channel or a role was lost.
	Revocations bool
	// ActiveOnly leaves out tombstones, and documents that the viewer lost.
	ActiveOnly bool
}

// ChangesOptions bound one read of the feed.
type ChangesOptions struct {
	FeedOptions
	// Since gives the changes after this position. Above the current sequence it is read
	// as the beginning (DECISIONS 35).
	Since Cursor
	// Limit is the highest number of changes; <= 0: all.
	Limit int
	// Descending gives the newest first, down to Since.
	Descending bool
}

// Changes calls fn with the changes of one snapshot, in order. It returns the sequence
// to go on from: that of the last change if Limit cut the read, else the database's in
// the snapshot. An error of fn ends the read and is returned.
func (c *Collection) Changes(ctx context.Context, o ChangesOptions, fn func(*Change) error) (last Cursor, err error) {
	since := o.Since.Seq
	if o.Since.Event != 0 {
		since = o.Since.Event - 1
	}
	if counts := c.db.counters.Load(); counts.Seq == since && !o.Descending && c.db.live.Load() {
		// A client that has everything costs no snapshot.
		return At(since), ctx.Err()
	}
	err = c.store.engine.View(ctx, func(r engine.Reader) error {
		counts, err := readCounters(r, c.scope)
		if err != nil {
			return err
		}
		if since > counts.Seq {
			since = 0
		}
		last = At(counts.Seq)
		cut, err := c.scanChanges(ctx, r, since, o, fn)
		if cut != 0 {
			last = At(cut)
		}
		return err
	})
	return last, err
}

// scanChanges returns the sequence of the change at which Limit cut the read, 0 if it
// did not.
func (c *Collection) scanChanges(
	ctx context.Context, r engine.Reader, since uint64, o ChangesOptions, fn func(*Change) error,
) (cut uint64, err error) {
	scan := engine.Range{
		End: engine.PrefixEnd(c.scope.prefix(kindSeq, 0)), Reverse: o.Descending, Limit: o.Limit,
	}
	if since == math.MaxUint64 {
		return 0, nil
	}
	scan.Start = c.scope.seq(since + 1)
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
