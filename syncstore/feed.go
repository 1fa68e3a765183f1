package syncstore

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// Feed follows the changes of a collection. It is for use by one goroutine.
//
// A feed gets each change in order; where a document changes again before the feed has
// read it, it may get only the later change. While it waits it holds no snapshot and
// no buffer.
type Feed struct {
	collection *Collection
	seq        uint64
	// target is the database's sequence when the feed was opened: it may not have been
	// told to the feeds yet.
	target uint64
	at     *batch
	o      FeedOptions
	viewed *viewedLive // nil: the feed shows everything
}

// errPolicyMoved says that who sees what is decided otherwise than when a read began.
var errPolicyMoved = errors.New("the collection has another policy")

// Follow opens a live feed of what changes after since. A since above the current
// sequence is read as 0 (DECISIONS 35).
func (c *Collection) Follow(from Cursor, o FeedOptions) *Feed {
	since := from.major()
	at := c.db.broadcast.end()
	target := c.db.counters.Load().Seq
	if since > target {
		// A commit can be read a moment before it is counted here.
		target = c.visibleSeq(target)
	}
	if since > target {
		since, from = 0, Cursor{}
	}
	f := &Feed{collection: c, seq: since, target: target, at: at, o: o}
	if !c.seesAll(o.Viewer) || o.Channels != nil || o.ActiveOnly {
		f.viewed = newViewedLive(f, from, o)
	} else if from.Event != 0 {
		f.seq = from.Event - 1
	}
	return f
}

// visibleSeq returns the database's sequence as a snapshot shows it, or counted if there
// is none to be had.
func (c *Collection) visibleSeq(counted uint64) uint64 {
	seq := counted
	err := c.store.engine.View(context.Background(), func(r engine.Reader) error {
		counts, err := readCounters(r, c.scope)
		seq = max(counted, counts.Seq)
		return err
	})
	if err != nil {
		return counted
	}
	return seq
}

// obey makes a feed of everything that of its viewer once the collection has a policy that
// says who sees what.
func (f *Feed) obey() {
	if f.viewed == nil && !f.collection.seesAll(f.o.Viewer) {
		f.viewed = newViewedLive(f, At(f.seq), f.o)
	}
}

// behind reports whether the feed has to read what others were told already.
func (f *Feed) behind() bool { return f.seq < max(f.at.since, f.target) }

// Behind reports whether there may be more to Read than what the last Read gave.
func (f *Feed) Behind() bool {
	if f.viewed != nil {
		return f.viewed.behind
	}
	return f.behind()
}

// Cursor returns the position that the feed has reached.
func (f *Feed) Cursor() Cursor {
	if f.viewed != nil {
		return f.viewed.cursor
	}
	return At(f.seq)
}

// Ready returns a channel that is closed when there may be something to Read: now and
// then a Read finds nothing. It is another channel after each Read: call Ready each time
// before waiting.
func (f *Feed) Ready() <-chan struct{} {
	f.obey()
	if f.viewed != nil {
		return f.viewed.ready()
	}
	if f.behind() {
		behind := make(chan struct{})
		close(behind)
		return behind
	}
	return f.at.ready
}

// Turn is Ready for who has other things to wait for as well, the end of a session say: where feeds
// of viewers that are behind read one after the other, its channel has a value, or is closed, when
// it is this one's turn. A Read after that does not wait, and one before that gives nothing. Like
// Ready, it may be for nothing, and is to be called each time before waiting. What else takes long
// before the Read is to be done Aside: others wait for the turn.
func (f *Feed) Turn() <-chan struct{} {
	f.obey()
	if f.viewed != nil {
		return f.viewed.turn()
	}
	return f.Ready()
}

// Aside calls fn, which may take long: to write to a client, say, who does not read. Others do not
// wait meanwhile for a turn of this feed's, which does not lose its place.
func (f *Feed) Aside(fn func() error) error {
	if f.viewed != nil && f.viewed.ticket != nil {
		f.viewed.ticket.stepAside()
		defer f.viewed.ticket.comeBack()
	}
	return fn()
}

// Read calls fn with the changes that are there now, up to limit (<= 0: all, though a viewer's
// feed that is far behind may give some only, and is Ready again), without
// waiting for more, and returns how many. Unless Turn was called, it may wait until others have
// read. An error of fn ends it and is returned; the change that fn failed on is given again.
func (f *Feed) Read(ctx context.Context, limit int, fn func(*Change) error) (int, error) {
	f.obey()
	if f.viewed != nil {
		return f.viewed.read(ctx, limit, fn)
	}
	n := 0
	for limit <= 0 || n < limit {
		select {
		case <-f.at.ready:
		default:
			if !f.behind() {
				return n, nil
			}
		}
		read, done, err := f.step(ctx, limit-n, fn)
		n += read
		if err != nil || done {
			return n, err
		}
	}
	return n, nil
}

// step reads from the batch that the feed stands at, or from the index if it is behind
// it.
func (f *Feed) step(ctx context.Context, limit int, fn func(*Change) error) (n int, done bool, err error) {
	var rows []row
	var next *batch
	if !f.behind() {
		rows, next = f.at.kept()
	}
	if rows == nil {
		return f.readIndex(ctx, limit, fn)
	}
	if !f.collection.seesAll(f.o.Viewer) {
		return 0, true, nil // the rows may be of after the policy: the next read obeys it
	}
	first, _ := slices.BinarySearchFunc(rows, f.seq+1, func(r row, seq uint64) int { return cmp.Compare(r.seq, seq) })
	var change Change
	for _, r := range rows[first:] {
		if limit > 0 && n == limit {
			return n, true, nil
		}
		if r.record == nil || r.collection != f.collection.scope.collection {
			continue
		}
		if err := change.decode(r.seq, r.record); err != nil {
			return n, true, err
		}
		if err := fn(&change); err != nil {
			return n, true, err
		}
		f.seq = r.seq
		n++
	}
	f.seq = max(f.seq, f.at.until)
	f.at = next
	return n, false, nil
}

func (f *Feed) readIndex(ctx context.Context, limit int, fn func(*Change) error) (n int, done bool, err error) {
	last, err := f.collection.Changes(ctx, ChangesOptions{Since: At(f.seq), Limit: max(limit, 0)}, func(c *Change) error {
		if !f.collection.seesAll(f.o.Viewer) {
			return errPolicyMoved
		}
		if err := fn(c); err != nil {
			return err
		}
		f.seq = c.Seq
		n++
		return nil
	})
	if errors.Is(err, errPolicyMoved) {
		return n, true, nil
	}
	if err != nil {
		return n, true, err
	}
	f.seq = max(f.seq, last.Seq)
	f.skipRead()
	return n, limit > 0 && n >= limit, nil
}

// skipRead leaves behind the batches that the index has shown already.
func (f *Feed) skipRead() {
	for {
		select {
		case <-f.at.ready:
			if f.at.until > f.seq {
				return
			}
			_, next := f.at.kept()
			if next == nil {
				next = f.collection.db.broadcast.end()
			}
			f.at = next
		default:
			return
		}
	}
}

// Close releases the feed.
func (f *Feed) Close() {
	f.at = nil
	if f.viewed != nil {
		f.viewed.close()
	}
}
