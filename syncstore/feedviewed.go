package syncstore

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// A feed that is behind reads the index in pieces, first a small one: where thousands of feeds
// have something to read, because a role was given a channel, each soon gets its first rows.
const firstPiece, livePiece = 4, 1024

// viewedLive is a live feed of a viewer. It is woken by what touches the viewer's channels,
// takes the rows from the commit's own batch, and reads the index where that does not say
// enough: when the viewer's access changed, when a document left a channel or has
// conflicts, and when the feed is behind.
type viewedLive struct {
	feed   *Feed
	o      FeedOptions
	cursor Cursor // the position reached
	behind bool   // the index has to be read
	piece  int    // how many rows of the index are read next, at most
	// idled: the last piece had nothing to show, and ended for that before the end. What the client may
	// have is still what it had at had.
	idled        bool
	had          Cursor
	subscription *subscription
	// access and shown are what the viewer had when the index was read last, and what the feed
	// shows of it. The subscription is to just that. shown is nil before the first read.
	access *access
	shown  *channelSet
	closed chan struct{}
	// byTurn: the reader waits by turn, and no read does.
	byTurn bool
	// ticket is the turn to read the index that the feed waits for, if its reader waits by turn.
	ticket *ticket
}

func newViewedLive(f *Feed, from Cursor, o FeedOptions) *viewedLive {
	v := &viewedLive{
		feed: f, o: o, cursor: from, behind: true, subscription: newSubscription(),
		closed: make(chan struct{}),
	}
	close(v.closed)
	return v
}

// ready returns a channel by which the feed is woken.
func (v *viewedLive) ready() <-chan struct{} {
	v.obey()
	v.byTurn = false
	v.giveUpTurn()
	if v.behind {
		return v.closed
	}
	return v.subscription.wake
}

// turn returns a channel by which the feed is woken when it may read without waiting for others.
func (v *viewedLive) turn() <-chan struct{} {
	v.obey()
	v.byTurn = true
	if !v.behind {
		return v.subscription.wake
	}
	if v.ticket == nil {
		v.ticket = v.nextAt().ask(v.subscription.wake)
	}
	if v.ticket.inside() {
		return v.closed
	}
	v.subscription.queued.Store(true)
	return v.subscription.wake
}

// come reports whether the turn has come that the feed waits for; a reader who does not wait by turn
// waits for it when it reads. Where its viewer's access changed meanwhile, it waits with those who
// want their first rows.
func (v *viewedLive) come() bool {
	if v.ticket == nil {
		return !v.byTurn
	}
	if at := v.nextAt(); at != v.ticket.at && !v.ticket.inside() {
		v.ticket.giveUp()
		v.ticket = at.ask(v.subscription.wake)
	}
	return v.ticket.inside()
}

// obeys reports whether what the feed shows was found under a policy of the kind that the
// collection has: one that says who sees what, or none.
func (v *viewedLive) obeys() bool {
	return v.shown == nil || (v.access == nil) == v.feed.collection.seesAll(v.o.Viewer)
}

// obey makes the feed begin anew where it does not.
func (v *viewedLive) obey() {
	if !v.obeys() {
		v.close()
		v.behind = true
	}
}

// read is Feed.Read for a viewer.
func (v *viewedLive) read(ctx context.Context, limit int, fn func(*Change) error) (n int, err error) {
	for limit <= 0 || n < limit {
		v.obey()
		if v.behind {
			if !v.come() {
				return n, nil
			}
			read, err := v.readIndex(ctx, limit-n, fn)
			n += read
			if err != nil || n > 0 && v.behind {
				return n, err // what there is so far is worth sending
			}
			continue
		}
		b := v.feed.collection.db.broadcast.concerning(v.subscription)
		select {
		case <-b.ready:
		default:
			// Nothing before b concerns the viewer.
			v.advance(b.since)
			return n, nil
		}
		read, err := v.readBatches(b, limit-n, fn)
		n += read
		if err != nil {
			return n, err
		}
	}
	// There may be more that the subscription does not tell of again.
	v.behind = true
	return n, nil
}

func (v *viewedLive) advance(seq uint64) {
	if seq >= v.cursor.major() {
		v.cursor = At(seq)
	}
}

// readBatches shows what the batches from b on have for the viewer.
func (v *viewedLive) readBatches(b *batch, limit int, fn func(*Change) error) (n int, err error) {
	v.advance(min(b.since, b.until))
	for {
		rows, next := b.kept()
		if rows == nil || !v.obeys() || !v.enough(rows) {
			v.behind = true
			return n, nil
		}
		for i := range rows {
			if limit > 0 && n == limit {
				v.behind = true
				return n, nil
			}
			shown, err := v.show(&rows[i], fn)
			if err != nil {
				v.behind = true
				return n, err
			}
			if shown {
				n++
			}
		}
		v.advance(b.until)
		b = next
		select {
		case <-b.ready:
		default:
			return n, nil
		}
	}
}

// enough reports whether rows say all that the feed needs: nothing of them changes the
// viewer's access, and no document that the viewer sees leaves a channel.
func (v *viewedLive) enough(rows []row) bool {
	for i := range rows {
		r := &rows[i]
		if v.access != nil && slices.ContainsFunc(r.principals, v.access.concerns) {
			return false
		}
		if r.collection != v.feed.collection.scope.collection {
			continue
		}
		for _, name := range r.left {
			if _, held := v.shown.heldSince(name); held {
				return false
			}
		}
	}
	return true
}

// show gives a row to fn if the viewer sees it.
func (v *viewedLive) show(r *row, fn func(*Change) error) (bool, error) {
	if r.seq <= v.cursor.major() || r.record == nil || r.collection != v.feed.collection.scope.collection {
		return false, nil
	}
	if _, ok := v.shown.sees(r.channels); !ok {
		return false, nil
	}
	var change Change
	if err := change.decode(r.seq, r.record); err != nil {
		return false, err
	}
	if v.o.ActiveOnly && change.Deleted {
		return false, nil
	}
	if ok, err := v.readable(&change); err != nil || !ok {
		return false, err
	}
	if err := fn(&change); err != nil {
		return false, err
	}
	v.cursor = change.Cursor()
	return true, nil
}

// readable leaves in a row of a document with conflicts the leaves that the viewer may see. It
// reports false if the row's winner is none any more: another row will tell.
func (v *viewedLive) readable(change *Change) (bool, error) {
	if len(change.Leaves) == 1 || v.access == nil {
		return true, nil
	}
	c := v.feed.collection
	h, err := c.readHead(context.Background(), c.scope.head(string(change.ID)))
	if errors.Is(err, ErrDamagedDocument) {
		change.Leaves = change.Leaves[:1] // as viewedRow.unread
		return true, nil
	}
	if errors.Is(err, ErrNotFound) {
		return false, nil // purged meanwhile
	}
	if err != nil {
		return false, err
	}
	winner := change.Leaves[0].Rev
	change.Leaves = slices.DeleteFunc(change.Leaves, func(l ChangeLeaf) bool {
		rev, err := ParseRev(string(l.Rev))
		if err != nil {
			return true
		}
		known := h.leaf(rev)
		if known == nil {
			return true // superseded meanwhile
		}
		_, ok := v.access.in(c.scope.collection).sees(known.Channels)
		return !ok
	})
	return len(change.Leaves) > 0 && bytes.Equal(change.Leaves[0].Rev, winner), nil
}

// readIndex reads on from the cursor.
func (v *viewedLive) readIndex(ctx context.Context, limit int, fn func(*Change) error) (n int, err error) {
	if n, err = v.readPiece(ctx, v.nextPiece(), limit, fn); errors.Is(err, errSooner) {
		v.piece = 0
		return v.readPiece(ctx, v.nextPiece(), limit, fn)
	}
	return n, err
}

// nextAt says where the feed has to wait for its turn to read the next piece: with its first rows,
// and where its viewer's access changed, before those that go on.
func (v *viewedLive) nextAt() *turnstile {
	select {
	case <-v.subscription.moved:
		v.piece = 0
	default:
	}
	viewers := &v.feed.collection.store.viewers
	if v.piece == 0 {
		return &viewers.first
	}
	return &viewers.more
}

// nextPiece sets how many rows are read next, and returns the turn to read them.
func (v *viewedLive) nextPiece() turn {
	v.subscription.queued.Store(false) // before the snapshot: what comes after it is to wake the feed
	t := turn{at: v.nextAt(), held: v.ticket}
	v.ticket = nil
	if v.piece = min(2*v.piece, livePiece); v.piece == 0 {
		v.piece = firstPiece
	} else {
		t.sooner = v.subscription.moved
	}
	return t
}

func (v *viewedLive) readPiece(ctx context.Context, t turn, limit int, fn func(*Change) error) (n int, err error) {
	c := v.feed.collection
	if t.held != nil {
		defer t.held.giveUp() // where there was nothing to read
	}
	if limit <= 0 || limit > v.piece {
		limit = v.piece
	}
	// From now on commits are marked: what is not in the snapshot is told by them.
	c.db.broadcast.concerning(v.subscription)
	options := ChangesOptions{FeedOptions: v.o, Since: v.cursor, Limit: limit}
	if !v.idled {
		v.had = v.cursor
	}
	last, seen, err := c.changes(ctx, options, v.had, t, func(change *Change) error {
		if err := fn(change); err != nil {
			return err
		}
		v.cursor = change.Cursor()
		n++
		return nil
	})
	if err != nil {
		v.idled = v.idled && n == 0
		if seen != nil {
			_, _ = v.follow(ctx, seen) // it goes on, and what the viewer loses meanwhile is not to wait
		}
		return n, err
	}
	early, cut := seen != nil && seen.early, n >= limit
	v.idled = early && n == 0
	if !cut {
		v.cursor = last
	}
	if cut = cut || early; !cut {
		v.piece = 0
	}
	resubscribed, err := v.follow(ctx, seen)
	v.behind = cut || resubscribed || err != nil
	return n, err
}

// follow makes the subscription that of what the viewer has. It reports whether that is
// another one than before: what was committed since the snapshot may not have been told.
func (v *viewedLive) follow(ctx context.Context, seen *viewedFeed) (changed bool, err error) {
	if seen == nil {
		// The feed was up to date. What the viewer has by now is what it had then, or what the
		// next commit says.
		if v.shown != nil {
			return false, nil
		}
		if seen, err = v.feed.collection.sightOf(ctx, v.o); err != nil {
			return false, err
		}
	}
	if v.shown != nil && v.access == seen.access {
		return false, nil
	}
	access, shown := v.access, v.shown
	v.access, v.shown = seen.access, seen.feed
	more := v.interests(v.access, v.shown, access, shown)
	less := v.interests(access, shown, v.access, v.shown)
	v.feed.collection.db.broadcast.subscribe(v.subscription, more, less)
	return true, nil
}

// sightOf returns what a feed shows now.
func (c *Collection) sightOf(ctx context.Context, o FeedOptions) (seen *viewedFeed, err error) {
	err = c.store.engine.View(ctx, func(r engine.Reader) error {
		counts, err := readCounters(r, c.scope)
		if err == nil {
			seen, err = c.newViewedFeed(r, &counts, o, Cursor{})
		}
		return err
	})
	return seen, err
}

// close gives up the subscription. A feed that is read after it begins anew.
func (v *viewedLive) close() {
	v.giveUpTurn()
	v.feed.collection.db.broadcast.subscribe(v.subscription, nil, v.interests(v.access, v.shown, nil, nil))
	v.access, v.shown = nil, nil
}

func (v *viewedLive) giveUpTurn() {
	if v.ticket != nil {
		v.ticket.giveUp()
		v.ticket = nil
	}
}

// interests are what a feed waits for that shows some channels by some access, and would not
// wait for by another: a role that changes leaves most of it as it was.
func (v *viewedLive) interests(of *access, shown *channelSet, by *access, other *channelSet) (all []interest) {
	if shown == nil {
		return nil
	}
	in := v.feed.collection.scope.collection
	shown.beside(other, func(name string) { all = append(all, interest{collection: in, name: name}) })
	if of == nil {
		return all
	}
	for _, key := range of.principals {
		if by == nil || !by.concerns(string(key)) {
			all = append(all, interest{name: string(key), principal: true})
		}
	}
	return all
}
