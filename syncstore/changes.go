package syncstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

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
	// Lags says that the client may have received more than its position tells, also where that is the
	// beginning: it notes how far it came now and then, and its connection may have broken before. Else
	// what it never had is not taken from it, and at the beginning it has nothing.
	Lags bool
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

// Changes calls fn with the changes of one snapshot, in order; where a viewer is shown little of
// much that there is, of several snapshots, one after the other. It returns the position
// to go on from: that of the last change if Limit cut the read, else the database's in
// the snapshot. An error of fn ends the read and is returned.
func (c *Collection) Changes(ctx context.Context, o ChangesOptions, fn func(*Change) error) (last Cursor, err error) {
	if o.Descending && !c.showsAll(o.FeedOptions) {
		if o.Limit > 0 && o.Limit <= viewedPage {
			return c.lastChanges(ctx, o, fn)
		}
		return c.changesBackwards(ctx, o, fn)
	}
	return c.changesSince(ctx, o, o.Since, fn)
}

// changesSince is Changes for a client whose position is had.
func (c *Collection) changesSince(ctx context.Context, o ChangesOptions, had Cursor, fn func(*Change) error) (last Cursor, err error) {
	limit, n := o.Limit, 0
	for {
		before := n
		last, seen, err := c.changes(ctx, o, had, turn{at: &c.store.viewers.first}, func(change *Change) error {
			n++
			return fn(change)
		})
		if err != nil || seen == nil || !seen.early || limit > 0 && n == limit {
			return last, err
		}
		if n > before {
			had = last // what was shown may be lost before the next turn
		}
		o.Since, o.Limit = last, limit-n
	}
}

// changes is Changes in one turn, at the end of which there may be more for a viewer, from last on
// (early). It also returns what the viewer had in the snapshot, nil if that was not looked at. had is
// the position of the client.
func (c *Collection) changes(
	ctx context.Context, o ChangesOptions, had Cursor, t turn, fn func(*Change) error,
) (last Cursor, seen *viewedFeed, err error) {
	if counts := c.db.counters.Load(); At(counts.Seq) == o.Since && !o.Descending && c.db.live.Load() {
		// A client that has everything costs no snapshot.
		return o.Since, nil, ctx.Err()
	}
	view := func(r engine.Reader) error {
		counts, err := readCounters(r, c.scope)
		if err != nil {
			return err
		}
		if o.Since.major() > counts.Seq {
			o.Since, had = Cursor{}, Cursor{}
		}
		last = At(counts.Seq)
		var cut Cursor
		if c.showsAll(o.FeedOptions) {
			cut, err = c.scanChanges(ctx, r, o, fn)
		} else if seen, err = c.newViewedFeed(r, &counts, o.FeedOptions, had); err == nil {
			cut, err = seen.read(ctx, o.Since, o.Limit, fn)
		}
		if cut != (Cursor{}) {
			last = cut
		}
		return err
	}
	err = c.inTurn(ctx, o.FeedOptions, t, view)
	if gone := c.gone(); gone != nil {
		return last, seen, gone
	}
	return last, seen, err
}

// gone is ErrNoDatabase if the database is deleted. It is cleared kind by kind: what was read before this is
// asked may lack any part.
func (c *Collection) gone() error {
	if c.db.live.Load() {
		return nil
	}
	return ErrNoDatabase
}

// showsAll reports whether a feed shows all documents of the collection, so that it needs
// no look at channels.
func (c *Collection) showsAll(o FeedOptions) bool { return c.seesAll(o.Viewer) && o.Channels == nil }

// inTurn reads from a snapshot; feeds of viewers a few at a time.
func (c *Collection) inTurn(ctx context.Context, o FeedOptions, t turn, view func(engine.Reader) error) error {
	if !c.showsAll(o) {
		in, err := t.enter(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		defer func() { in.leave(time.Since(began)) }()
	}
	return c.store.engine.View(ctx, view)
}

// scanChanges returns the position of the change at which Limit cut the read, the zero
// Cursor if it did not.
func (c *Collection) scanChanges(
	ctx context.Context, r engine.Reader, o ChangesOptions, fn func(*Change) error,
) (cut Cursor, err error) {
	since := o.Since.Seq
	if o.Since.Event != 0 {
		since = o.Since.Event - 1 // the rows of an event are nothing special to who sees all
	}
	scan := engine.Range{
		End: engine.PrefixEnd(c.scope.prefix(kindSeq, 0)), Reverse: o.Descending, Limit: o.Limit,
	}
	if since == math.MaxUint64 {
		return Cursor{}, nil
	}
	scan.Start = c.scope.seq(since + 1)
	var change Change
	n := 0
	pairs, failed := r.Scan(scan)
	for key, record := range pairs {
		if o.Limit > 0 && n == o.Limit {
			return change.Cursor(), nil
		}
		if n&1023 == 1023 {
			if err := ctx.Err(); err != nil {
				return Cursor{}, err
			}
		}
		if len(key) != prefixSize+8 {
			return Cursor{}, fmt.Errorf("%w: key of a row", ErrDamaged)
		}
		if err := change.decode(binary.BigEndian.Uint64(key[prefixSize:]), record); err != nil {
			return Cursor{}, err
		}
		if o.ActiveOnly && change.Deleted {
			continue
		}
		if err := fn(&change); err != nil {
			return Cursor{}, err
		}
		n++
	}
	if err := failed(); err != nil {
		return Cursor{}, fmt.Errorf("reading changes: %w", err)
	}
	return Cursor{}, nil
}
