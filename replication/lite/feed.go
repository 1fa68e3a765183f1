package lite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

const (
	// maxUnanswered is how many messages with changes a client may leave unanswered before it
	// is sent more; maxWaiting how many answered ones wait for their revisions to be sent.
	maxUnanswered, maxWaiting = 2, 2
	// maxReplies is how many revisions with attachments, or sent as deltas, a client may leave
	// unanswered.
	maxReplies = 200
	// maxAttached is how many attachments these may have, if they are more than one: what is known of
	// each takes as much as a small document.
	maxAttached = 10_000
	// wholeBody is how many bytes of changes go into one frame for certain.
	wholeBody = 3 << 10
)

// feed tells a client of the changes of a collection, and sends the revisions that it then
// asks for. One goroutine does it all, in the order: announce what is there, send what was
// asked for, wait. While it waits it holds nothing but its place.
type feed struct {
	ks *keyspace
	o  subscription
	// began is the sequence at which the feed began: when that is reached, it has caught up.
	began uint64

	// For the goroutine alone.
	live *syncstore.Feed
	// found are changes that were looked up, and not announced yet.
	found []row
	// more: there may be something to read.
	more bool
	// caught: everything that was there is announced. told: and the client knows.
	caught, told bool

	wake chan struct{}

	mu sync.Mutex
	// over: nothing more is announced.
	over bool
	// failed is why the feed cannot go on.
	failed error
	// unanswered counts messages with changes, replies revisions, and attached their attachments.
	unanswered, replies, attached int
	// sending: a message with changes is not sent completely yet.
	sending  bool
	answered []*batch
	// again are revisions that the client did not take as deltas.
	again []*wanted
	// open are the rows that the client is not done with, by document. held is the document whose
	// next row waits for that.
	open map[string]*openRow
	held string
	// purging are the documents that the client purges.
	purging purges
}

// errClient: a feed fails by what the client does.
var errClient = errors.New("the client does not go on")

// batch is a message with changes.
type batch struct {
	rows   []row
	answer *blip.Response
}

func newFeed(ks *keyspace, o subscription) *feed {
	f := &feed{ks: ks, o: o, wake: make(chan struct{}, 1), more: true, began: ks.coll.Info().Seq}
	if o.now {
		f.o.since = syncstore.At(f.began)
	}
	return f
}

func (f *feed) start() { go f.run() }

func (f *feed) run() {
	r := f.ks.r
	defer f.ks.ended(f)
	defer r.recovered()
	err := f.follow(r.ctx)
	if err == nil || r.ctx.Err() != nil || errors.Is(err, blip.ErrClosed) {
		return
	}
	select {
	case <-r.peer.Database.Done():
		return // that ends the connection by itself
	case <-r.peer.Gone:
		return
	default:
	}
	level := zap.ErrorLevel
	if errors.Is(err, errClient) {
		level = zap.InfoLevel
	}
	r.logger.Log(level, "replication feed failed", zap.Error(err))
	// The client would take a feed that stops for one that has nothing to say.
	r.drop(fmt.Errorf("following changes: %w", err))
}

func (f *feed) follow(ctx context.Context) error {
	from, err := f.lookUp(ctx)
	if err != nil {
		return fmt.Errorf("looking up documents: %w", err)
	}
	f.live = f.ks.coll.Follow(from, syncstore.FeedOptions{
		Viewer: f.ks.r.peer.Viewer, Channels: f.o.channels, Revocations: f.o.revocations,
		// It notes its position after some seconds, and says so where it has nothing (blip.md 3.4, 4).
		Lags: !f.o.activeOnly,
	})
	defer f.live.Close()
	return f.loop(ctx)
}

// unsubscribe ends the feed. What the client is told of already it may still ask for.
func (f *feed) unsubscribe() {
	f.mu.Lock()
	f.over = true
	f.mu.Unlock()
	f.signal()
}

func (f *feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// todo is what a feed may do next.
type todo struct {
	announce, tell, end bool
	deliver             *batch
	again               *wanted
}

// next takes what is to be done next.
func (f *feed) next() (t todo, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.caught = f.caught || f.over
	f.told = f.told || f.over
	following := !f.over && (f.o.continuous || !f.caught)
	switch {
	case f.failed != nil:
		return t, f.failed
	case f.caught && !f.told && f.unanswered == 0:
		// Before that, nothing new: else a busy collection would never have been caught up with.
		t.tell = true
	case following && f.readable() && f.caught == f.told && f.unanswered < maxUnanswered && len(f.answered) < maxWaiting:
		t.announce = true
	case len(f.again) > 0:
		t.again, f.again = f.again[0], f.again[1:]
	case len(f.answered) > 0:
		t.deliver, f.answered = f.answered[0], f.answered[1:]
		if len(f.answered) == 0 {
			f.answered = nil
		}
	case f.told && !following && f.unanswered == 0 && f.replies == 0:
		t.end = true
	}
	return t, nil
}

// readable reports whether there may be changes to tell of now. f.mu is held.
func (f *feed) readable() bool {
	return (f.more || len(f.found) > 0) && f.held == "" && !f.sending
}

func (f *feed) loop(ctx context.Context) error {
	for {
		t, err := f.next()
		switch {
		case err != nil:
		case t.end:
			return nil
		case t.tell:
			err = f.tell(ctx)
		case t.announce:
			err = f.announce(ctx)
		case t.again != nil:
			err = f.send(ctx, t.again)
		case t.deliver != nil:
			err = f.deliver(ctx, t.deliver)
		default:
			err = f.wait(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// wait waits for a change, or an answer.
func (f *feed) wait(ctx context.Context) error {
	var ready <-chan struct{}
	if f.told && f.o.continuous && !f.more {
		ready = f.live.Ready()
	}
	select {
	case <-ready:
		f.more = true
	case <-f.wake:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// announce tells the client of the changes that are there, as many as go into one message.
func (f *feed) announce(ctx context.Context) error {
	rows, err := f.gather(ctx)
	if err != nil {
		return fmt.Errorf("reading changes: %w", err)
	}
	rows, later := f.admit(ctx, rows)
	if len(later) > 0 {
		f.found = slices.Concat(later, f.found)
	}
	if len(f.found) == 0 && (!f.more || f.live.Cursor().Compare(syncstore.At(f.began)) >= 0) {
		f.caught = true
	}
	if len(rows) == 0 {
		return nil
	}
	b := &batch{rows: rows}
	m := f.changes(f.ks.r.version.appendRows(nil, rows))
	f.mu.Lock()
	f.unanswered++
	if f.sending = len(m.Body) > wholeBody; f.sending {
		m.Body, m.Stream = nil, &changesBody{bytes.NewReader(m.Body), f}
	}
	f.mu.Unlock()
	return f.ks.r.conn.Start(ctx, m, func(answer *blip.Response, err error) { f.answer(b, answer, err) })
}

// changesBody is the body of a message with changes that may be sent in several frames. Those
// of a second, shorter message would come between them: that would be complete first, and a
// client that then lost the connection would believe that it knows the changes before.
type changesBody struct {
	*bytes.Reader
	f *feed
}

// Close is called when the message was sent.
func (b *changesBody) Close() error {
	b.f.mu.Lock()
	b.f.sending = false
	b.f.mu.Unlock()
	b.f.signal()
	return nil
}

func (f *feed) changes(body []byte) *blip.Message {
	p := f.ks.properties("changes", blip.Property{Name: "Content-Type", Value: "application/json"})
	return &blip.Message{Properties: p, Body: body, Compressed: true}
}

// tell says, once, that the client knows of everything that was there.
func (f *feed) tell(ctx context.Context) error {
	f.told = true
	if !f.o.continuous {
		f.o.ids = nil // may be many, and nothing more is announced
		f.ks.release(f)
	}
	f.ks.r.server.counters.CaughtUp.Add(1)
	f.ks.r.peer.Activity.CaughtUp()
	m := f.changes([]byte("null"))
	m.NoReply = true
	return f.ks.r.conn.Send(ctx, m)
}

// answer takes the client's answer to a message with changes.
func (f *feed) answer(b *batch, answer *blip.Response, err error) {
	f.mu.Lock()
	f.unanswered--
	if err != nil {
		f.failed = fmt.Errorf("%w: it refuses changes: %w", errClient, err)
	} else {
		b.answer = answer
		f.answered = append(f.answered, b)
	}
	f.mu.Unlock()
	f.signal()
}

// deliver sends what the client asks for in its answer: of each, the revision or why not.
func (f *feed) deliver(ctx context.Context, b *batch) error {
	answer, err := f.ks.parseAnswer(b.answer, len(b.rows))
	if err != nil {
		return err
	}
	f.willPurge(b.rows)
	for i := range b.rows {
		if i >= len(answer.known) || answer.known[i] == nil {
			f.done(b.rows[i].id)
			continue
		}
		w := &wanted{
			row: b.rows[i], known: answer.known[i], history: answer.history,
			replace: answer.replacements || f.o.replacements, full: !f.ks.takesDeltas(),
		}
		if err := f.send(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// begins counts a revision that the client has to answer, with so many attachments, and waits while too
// many are open.
func (f *feed) begins(ctx context.Context, attachments int) error {
	for {
		f.mu.Lock()
		room, failed := f.replies < maxReplies && (f.replies == 0 || f.attached+attachments <= maxAttached), f.failed
		if room {
			f.replies++
			f.attached += attachments
		}
		f.mu.Unlock()
		if room || failed != nil {
			return failed
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// replied takes the client's answer to a revision. One that could not be taken as a delta is
// sent again as a whole (reference/blip.md 3.7).
func (f *feed) replied(w *wanted, attachments int, delta bool, err error) {
	var again bool
	if refusal, ok := errors.AsType[*blip.PeerError](err); ok {
		again = delta && refusal.Domain == domainHTTP &&
			(refusal.Code == http.StatusUnprocessableEntity || refusal.Code == http.StatusNotFound)
		f.ks.r.logger.Debug("the client refused a revision", zap.String("domain", refusal.Domain), zap.Int("code", refusal.Code),
			zap.Bool("delta", delta))
	}
	f.mu.Lock()
	f.replies--
	f.attached -= attachments
	if again {
		w.full = true
		f.again = append(f.again, w)
	}
	f.mu.Unlock()
	if !again {
		f.done(w.id)
	}
	f.signal()
}
