package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// docRows is how many rows are gathered before their documents are read, so that no
// snapshot of the store stays open while a client takes its time with them.
const docRows = 100

// scanRows is how many rows are read between two looks at the lease, for filters that
// let few of them pass.
const scanRows = 20_000

var (
	// errPieceFull pauses a read of the store: the row is given again.
	errPieceFull = errors.New("piece is full")
	// errEnough ends a read of the store: the client asked for no more rows.
	errEnough = errors.New("enough rows")
	// errNothingShown cuts the answer of a page that ends before its first row, though heartbeats were sent: to
	// PouchDB a page without rows says that there are no more.
	errNothingShown = &answerError{
		status: http.StatusServiceUnavailable, name: "service_unavailable", reason: "The page ended before its first row.", expected: true,
	}
)

// changeFeed is one answer of _changes.
type changeFeed struct {
	o      changesOptions
	source changeSource
	out    *feedWriter
	lease  *feedLease
	docs   *docWriter // nil without include_docs
	seqs   sequences

	at    syncstore.Cursor // where reading goes on
	shown syncstore.Cursor // everything up to it is in the answer, or was filtered out
	left  int              // rows that may still be sent, -1 for any number
	sent  int              // rows sent
	// scanned counts the rows that were read since the lease was looked at.
	scanned int
	rows    []docRow
	// complete: all that was there when it was read is in the answer.
	complete bool
	// plain: the feed shows every change, to anybody.
	plain bool
}

// docRow is a row that waits for its document.
type docRow struct {
	at   syncstore.Cursor
	id   string
	rev  string
	lost bool // the reader cannot see the document any more
	text []byte
	// change and leaves are kept for a function that is asked about all leaves.
	change *syncstore.Change
	leaves []string
}

func (h *Handler) newChangeFeed(rq *request, source changeSource, o changesOptions) *changeFeed {
	lease := newFeedLease(rq, func() (heldLease, error) { return h.take(rq) })
	if o.live() {
		lease.stopping, lease.gone = h.Streams, source.Done()
	}
	return newFeed(h, rq, source, lease, o)
}

func newFeed(h *Handler, rq *request, source changeSource, lease *feedLease, o changesOptions) *changeFeed {
	o.access.Viewer = rq.viewer()
	info := source.Info()
	seqs := sequencesOf(&info)
	f := &changeFeed{
		o: o, source: source, lease: lease, seqs: seqs, at: seqs.resolve(o.since), left: o.limit,
		out:   &feedWriter{h: h, rq: rq, lease: lease, sent: time.Now()},
		plain: plain(o.access.Viewer, source.Policy(), &o.access),
	}
	if o.now {
		f.at = syncstore.At(info.Seq)
	}
	if o.docs.include {
		f.docs = &docWriter{source: source, viewer: rq.viewer(), out: f.out, o: o.docs, oneLine: o.feed.lines()}
	}
	return f
}

func (f *changeFeed) close() {
	f.lease.close()
	f.out.rest()
}

// run answers. A feed that has to end in between ends with a complete body, so that the
// client comes back and learns why (DECISIONS 38).
func (f *changeFeed) run(ctx context.Context) error {
	f.o.feed.setHeaders(f.out.rq)
	var err error
	switch {
	case f.o.feed.lines():
		err = f.continuous(ctx)
	case f.o.feed == feedLongpoll:
		err = f.longpoll(ctx)
	default:
		f.begin()
		err = f.page(ctx)
	}
	if err != nil && (!errors.Is(err, errFeedEnded) || ctx.Err() != nil) {
		return err
	}
	if err != nil && f.o.feed == feedNormal && f.sent == 0 {
		return errNothingShown
	}
	last, pending, known := f.end()
	f.out.keep(f.o.feed.appendEnd(f.out.held(), string(f.seqs.append(nil, last)), pending, known))
	return f.out.finish()
}

// begin puts into the answer what stands before the first row.
func (f *changeFeed) begin() {
	f.out.keep(f.o.feed.appendOpening(f.out.held()))
}

// page shows the changes that are there now.
func (f *changeFeed) page(ctx context.Context) error {
	if ids := f.o.filter.ids; ids != nil && len(ids) <= maxLookups && f.plain {
		if done, err := f.lookedUp(ctx, ids); done || err != nil {
			return err
		}
	}
	for {
		last, err := f.source.Changes(ctx, syncstore.ChangesOptions{
			FeedOptions: f.o.access, Since: f.at, Limit: f.storeLimit(), Descending: f.o.descending,
		}, func(c *syncstore.Change) error { return f.take(ctx, c) })
		switch {
		case errors.Is(err, errPieceFull), errors.Is(err, errEnough):
		case err != nil:
			return fmt.Errorf("reading changes: %w", err)
		default:
			f.at = last
			f.complete = f.left != 0
		}
		if drained := f.drain(ctx); drained != nil {
			f.complete = false
			return drained
		}
		if !errors.Is(err, errPieceFull) || f.left == 0 {
			return nil
		}
		f.scanned = 0
		if err := f.checkAndBeat(); err != nil {
			return err
		}
	}
}

// storeLimit is the limit that the store can apply: it knows no filter.
func (f *changeFeed) storeLimit() int {
	if f.o.filter.active() {
		return 0
	}
	return max(f.left, 0)
}

// lookedUp shows the page of a filter that names few documents. It reports false if
// the feed has to be read after all.
func (f *changeFeed) lookedUp(ctx context.Context, ids map[string]struct{}) (bool, error) {
	rows, last, ok, err := lookUp(ctx, f.source, f.o.access.Viewer, ids)
	if errors.Is(err, syncstore.ErrDamagedDocument) {
		return false, nil // its row is in the feed all the same
	}
	if err != nil || !ok {
		return false, err
	}
	since := f.at.Seq
	if f.at.Event != 0 {
		since = f.at.Event - 1 // of when the feed did not show everything
	}
	if since > last {
		since = 0 // DECISIONS 35
	}
	f.at = syncstore.At(since)
	for i := range rows {
		row := &rows[i]
		if f.o.descending {
			row = &rows[len(rows)-1-i]
		}
		if row.Seq <= since {
			continue
		}
		err := f.take(ctx, row)
		if errors.Is(err, errPieceFull) {
			if err = f.drain(ctx); err == nil {
				err = f.take(ctx, row)
			}
		}
		if errors.Is(err, errEnough) {
			return true, f.drain(ctx)
		}
		if err != nil {
			return true, err
		}
	}
	if f.left != 0 {
		f.at, f.complete = syncstore.At(last), true
	}
	return true, f.drain(ctx)
}

// take puts a row into the answer. It is called while the store holds a snapshot and
// does not write to the client; only a descending feed has to, since its reading cannot
// be taken up again in the middle.
func (f *changeFeed) take(ctx context.Context, c *syncstore.Change) error {
	if f.left == 0 {
		return errEnough
	}
	if f.scanned++; f.out.full() || len(f.rows) >= docRows || f.scanned > scanRows {
		if !f.o.descending {
			return errPieceFull
		}
		if err := f.drain(ctx); err != nil {
			return err
		}
		if f.left == 0 {
			return errEnough
		}
		f.scanned = 0
	}
	f.at = c.Cursor()
	if !f.o.filter.matches(c.ID) {
		return nil
	}
	selecting := f.o.filter.reads()
	if f.left > 0 && !selecting { // sift counts those that it leaves
		f.left--
	}
	if f.docs != nil || selecting {
		f.rows = append(f.rows, docRow{
			at: c.Cursor(), id: string(c.ID), rev: string(c.Leaves[0].Rev), lost: c.Revoked || len(c.Removed) > 0,
			text: f.seqs.appendChange(nil, c, f.o.allLeaves),
		})
		if f.o.filter.function != nil && f.o.allLeaves && len(c.Leaves) > 1 {
			f.rows[len(f.rows)-1].keepChange(c)
		}
		return nil
	}
	feed := f.o.feed
	b := feed.appendBefore(f.out.held(), f.sent == 0)
	b = append(f.seqs.appendChange(b, c, f.o.allLeaves), '}')
	f.out.keep(feed.appendAfter(b, &f.seqs, c.Cursor()))
	f.sent++
	return nil
}

// drain reads the documents of the rows that wait for them, and sends what is enough
// for a piece. With a selector or a function, only the rows that pass are left then.
func (f *changeFeed) drain(ctx context.Context) error {
	if f.o.filter.reads() {
		if err := f.sift(ctx); err != nil {
			f.rows = nil
			return err
		}
	}
	for i := range f.rows {
		if err := f.sendPiece(); err != nil {
			f.rows = nil
			return err
		}
		row := &f.rows[i]
		feed := f.o.feed
		b := feed.appendBefore(f.out.held(), f.sent == 0)
		f.out.keep(append(b, row.text...))
		if f.docs != nil {
			f.out.keep(append(f.out.held(), `,"doc":`...))
			if err := f.docs.write(ctx, row.id, row.rev); err != nil {
				return fmt.Errorf("reading the document of a change: %w", err)
			}
		}
		f.out.keep(feed.appendAfter(append(f.out.held(), '}'), &f.seqs, row.at))
		f.sent++
		f.shown = row.at
	}
	f.rows = nil
	f.shown = f.at
	return f.sendPiece()
}

func (f *changeFeed) sendPiece() error {
	if !f.out.full() {
		return nil
	}
	if err := f.check(); err != nil {
		return err
	}
	f.out.rq.doing.sentUpTo(f.sent)
	return f.out.send()
}

// check returns an error if the feed has to end. The refusal of a lease is the end of
// the feed, if an answer has begun; otherwise the refusal is the answer.
func (f *changeFeed) check() error {
	err := f.lease.check()
	if err != nil && f.out.rq.answered {
		return errFeedEnded
	}
	return err
}

// checkAndBeat is check while a filter looks for what it lets pass, which can take minutes: a client, or a
// proxy before it, gives up a connection that says nothing, begins anew, and would never get behind them.
func (f *changeFeed) checkAndBeat() error {
	if err := f.check(); err != nil || f.o.heartbeat == 0 || time.Since(f.out.sent) < f.o.heartbeat {
		return err
	}
	return f.out.heartbeat(f.o.feed)
}

// end returns what stands at the end of the answer. pending is how many rows are left
// after the last: 0 when none was there, otherwise the number of sequences or of
// documents, whichever is lower. That is exact when each of the documents changed once
// since, and otherwise too high. With a filter it is not known, and left out; to somebody
// who does not see everything it would tell of what they do not see.
func (f *changeFeed) end() (last syncstore.Cursor, pending uint64, known bool) {
	if f.complete && f.shown == f.at {
		return f.shown, 0, true
	}
	info := f.source.Info()
	if info.Seq <= f.shown.Seq && f.shown.Event == 0 {
		return f.shown, 0, true
	}
	if !f.plain || f.o.filter.active() || f.o.descending || f.shown.Event != 0 {
		return f.shown, 0, false
	}
	return f.shown, min(info.Seq-f.shown.Seq, info.Docs+info.DeletedDocs), true
}
