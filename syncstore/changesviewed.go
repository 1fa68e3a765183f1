package syncstore

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// viewedPage is how many rows of a viewer's feed are gathered at once, firstPage how many at
// first: where thousands of feeds have something to read at once, each gets something soon.
// It is not less for a feed that is limited: many of the rows may be none for the viewer.
//
// pageCost is what gathering a page costs, in rows that are looked at. So many as lookedForOne may be
// looked at in a turn for each that is shown.
const viewedPage, firstPage, pageCost, lookedForOne = 512, firstPiece + 1, 8, 16

// viewedFeed reads the feed of a viewer from one snapshot. Each document that the viewer
// sees has one place in it, and so has each that the viewer could see and lost
// (DECISIONS 34):
//
// A document is seen since T, the lowest sequence at which one of its channels was given to
// the viewer. Its place is its own sequence S if S >= T, else T:S: among what the grant
// at T brought. A document that was lost is where that happened last: at S if it left
// the channel there, at E:S if the viewer lost the channel at E.
//
// Between two events, which are the sequences at which channels were given or lost, the feed
// is therefore the rows of the channels that were held by then, in order.
type viewedFeed struct {
	collection *Collection
	reader     engine.Reader
	access     *access     // nil: a filter of somebody who sees everything
	all        *channelSet // what the viewer has
	feed       *channelSet // of it what the feed shows
	o          FeedOptions
	seq        uint64 // the database's in the snapshot
	// had is the sequence up to which the client has what it could see, if it does not lag: what it
	// never had is not taken from it. fresh: it has nothing.
	had   uint64
	fresh bool
	// held are the channels of feed as they are read, given those of the event whose rows are
	// being read, givenAt. nil: not begun.
	held, given *channelQueue
	givenAt     uint64
	known       map[string]uint64 // next rows of channels whose backfill was read
	scratch     *viewedScratch    // while it reads
	// early: a read ended before its limit and before the end, for it had looked at much for little.
	early bool
}

// newViewedFeed prepares a read for a viewer. had is the position of the client when it
// began to read.
func (c *Collection) newViewedFeed(r engine.Reader, counts *counters, o FeedOptions, had Cursor) (*viewedFeed, error) {
	f := &viewedFeed{
		collection: c, reader: r, o: o, seq: counts.Seq, had: had.major(), fresh: had.major() == 0 && !o.Lags,
		known: map[string]uint64{},
	}
	if c.seesAll(o.Viewer) {
		f.all = everyChannel()
	} else {
		if err := c.closedTo(o.Viewer); err != nil {
			return nil, err
		}
		a, err := c.db.accessIn(r, counts, *o.Viewer)
		if err != nil {
			return nil, err
		}
		f.access, f.all = a, a.in(c.scope.collection)
	}
	f.feed = f.all
	if o.Channels != nil {
		f.feed = f.all.only(o.Channels)
	}
	return f, nil
}

// place is a position between rows: everything before the change of sequence next was
// read, and the events up to done.
type place struct {
	next, done uint64
	// in is the event whose rows are being read, after that of sequence seq; 0: none.
	in, seq uint64
}

func (f *viewedFeed) placeAfter(c Cursor) place {
	if c.Event != 0 {
		if c.Seq >= f.seq {
			return place{next: c.Event, done: c.Event}
		}
		return place{next: c.Event, done: c.Event, in: c.Event, seq: c.Seq}
	}
	next := c.Seq + 1
	if c.Seq == math.MaxUint64 {
		next = c.Seq
	}
	return place{next: next, done: c.Seq}
}

// cursor is a position at which a feed that was read in a snapshot of sequence seq goes on at p.
func (p place) cursor(seq uint64) Cursor {
	switch {
	case p.in != 0:
		return Cursor{Event: p.in, Seq: p.seq}
	case p.next == p.done:
		// After all rows of an event. What comes to have a later one is looked at again.
		return Cursor{Event: p.done, Seq: seq}
	default:
		return At(p.next - 1)
	}
}

// tellsLosses reports whether the feed shows what its viewer lost.
func (f *viewedFeed) tellsLosses() bool { return f.o.Revocations && !f.o.ActiveOnly }

// nextEvent returns the first event after p, 0 if there is none.
func (f *viewedFeed) nextEvent(p place) uint64 {
	next := f.feed.nextGain(p.done)
	if f.tellsLosses() {
		next = earlier(next, f.feed.nextLoss(p.done))
	}
	return next
}

// read calls fn with the rows after a position, at most limit of them (<= 0: all). It
// returns the position to go on from if limit or the store's bound of what a turn looks at
// (early) ended the read, else the zero Cursor.
func (f *viewedFeed) read(ctx context.Context, after Cursor, limit int, fn func(*Change) error) (cut Cursor, err error) {
	f.scratch = f.collection.store.takeScratch()
	defer func() {
		f.scratch.gathered.reader = nil
		f.collection.store.scratch.Put(f.scratch)
		f.scratch = nil
	}()
	left, page, looked, may := limit, firstPage, 0, f.collection.store.viewers.idle
	change := &f.scratch.shown
	for p, more, fruitless := f.placeAfter(after), true, false; more; {
		if err := ctx.Err(); err != nil {
			return Cursor{}, err
		}
		if f.early = looked >= may; f.early {
			return p.cursor(f.seq), nil
		}
		size := page
		if page = min(2*page, viewedPage); limit > 0 && !fruitless {
			size = min(size, max(left+1, firstPage))
		}
		var rows []viewedRow
		if rows, p, more, err = f.page(p, size); err != nil {
			return Cursor{}, err
		}
		gathered := len(f.scratch.gathered.rows)
		looked, may = looked+pageCost+gathered, may+lookedForOne*len(rows)
		fruitless = gathered > 0 && len(rows) == 0
		for _, row := range rows {
			if limit > 0 && left == 0 {
				return change.Cursor(), nil
			}
			if err := row.fill(change); err != nil {
				return Cursor{}, err
			}
			if err := fn(change); err != nil {
				return Cursor{}, err
			}
			left--
		}
	}
	return Cursor{}, nil
}

// page gathers the rows after p, up to an event or to size rows, and returns where to go
// on. more is false at the end of the feed. The rows are good until the next page.
func (f *viewedFeed) page(p place, size int) (rows []viewedRow, next place, more bool, err error) {
	if p.in == 0 {
		return f.changesPage(p, size)
	}
	gathered := f.gathering(size)
	gathered.shared = true
	if err := f.givenQueue(p.in).gather(gathered, p.seq+1, math.MaxUint64, nil); err != nil {
		return nil, p, false, err
	}
	next = place{next: p.in, done: p.in}
	if gathered.full() {
		next = p
		next.seq = gathered.last()
	}
	rows, err = f.eventRows(p.in, gathered.rows)
	return rows, next, true, err
}

// gathering returns what gathers so many rows, where the last page was gathered.
func (f *viewedFeed) gathering(size int) *channelRows {
	g := &f.scratch.gathered
	*g = channelRows{
		collection: f.collection, reader: f.reader, limit: size, seq: f.seq,
		rows: g.rows[:0], given: g.given[:0], used: g.used,
	}
	return g
}

// givenQueue are the channels that were given at an event, and those that were lost there if
// that is told. Of what was given, the rows from the event on are no backfill.
func (f *viewedFeed) givenQueue(event uint64) *channelQueue {
	if f.given != nil && f.givenAt == event {
		return f.given
	}
	f.given, f.givenAt = &channelQueue{}, event
	for _, name := range f.feed.gainedAt(event) {
		f.given.put(&queuedChannel{name: name, to: event, ended: f.known})
	}
	if f.tellsLosses() && !f.fresh {
		for _, name := range f.feed.lostAt(event) {
			f.given.put(&queuedChannel{name: name, to: math.MaxUint64})
		}
	}
	return f.given
}

// heldQueue are the channels that the feed shows, each since it is held, but for those that have
// nothing from a sequence on, where the feed goes on.
func (f *viewedFeed) heldQueue(from uint64) *channelQueue {
	if f.held == nil {
		f.held = &channelQueue{}
		f.collection.db.tops.having(f.collection.scope.collection, f.feed, from, func(name string, since uint64) {
			*f.held = append(*f.held, &queuedChannel{name: name, next: since, to: math.MaxUint64})
		})
		heap.Init(f.held)
	}
	return f.held
}

// changesPage gathers the rows from p to the next event.
func (f *viewedFeed) changesPage(p place, size int) (rows []viewedRow, next place, more bool, err error) {
	event := f.nextEvent(p)
	to := event
	if event == 0 {
		to = math.MaxUint64
	}
	gathered := f.gathering(size)
	if err := f.heldQueue(p.next).gather(gathered, p.next, to, f.known); err != nil {
		return nil, p, false, err
	}
	switch {
	case gathered.full():
		next, more = p, true
		next.next = gathered.last() + 1
	case event != 0:
		next, more = place{next: event, done: event, in: event}, true
	}
	rows, err = f.changeRows(gathered.rows)
	return rows, next, more, err
}

// heads reads the documents of rows. The row of one that is damaged has none.
func (f *viewedFeed) heads(rows []*viewedRow) error {
	unknown := rows[:0:0]
	for _, row := range rows {
		if row.shared != nil {
			row.head = row.shared.Load()
		}
		if row.head == nil {
			unknown = append(unknown, row)
		}
	}
	for page := range slices.Chunk(unknown, readsAtOnce) {
		if err := f.readHeads(page); err != nil {
			return err
		}
	}
	return nil
}

// keptBody is up to which size a body is kept until its page is done with, though nobody needs it: most documents are
// no larger, and to let go of it costs a copy of what is needed.
const keptBody = 16 << 10

func (f *viewedFeed) readHeads(unknown []*viewedRow) error {
	keys := make([][]byte, len(unknown))
	for i, row := range unknown {
		keys[i] = f.collection.scope.head(string(row.id))
	}
	records, err := f.reader.GetMany(keys)
	if err != nil {
		return fmt.Errorf("reading documents: %w", err)
	}
	for i, row := range unknown {
		if records[i] == nil {
			return fmt.Errorf("%w: row %d of a document that is not there", ErrDamaged, row.seq)
		}
		switch row.head, err = decodeHead(records[i]); {
		case errors.Is(err, ErrDamagedDocument):
			f.collection.store.logger.Error("a document cannot be judged by a feed", zap.Uint64("sequence", row.seq), zap.Error(err))
			continue
		case err != nil:
			return err
		}
		if len(row.head.Body) > keptBody {
			row.head = row.head.bare()
		}
		if row.shared != nil {
			row.shared.Store(row.head.bare())
		}
	}
	return nil
}
