package peer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

const (
	// maxLeftBehind and leftBehindBytes bound what is remembered: it stands in the checkpoint.
	maxLeftBehind   = 1000
	leftBehindBytes = 256 << 10
	// retakeAfter and retakeEvery are, in Options.MaxDelay, when what was left behind is first tried again while a
	// replication goes on, and how seldom it is in the end: ten minutes and six hours.
	retakeAfter = 2
	retakeEvery = 72
)

// errRetakeDue ends the wait for changes.
var errRetakeDue = errors.New("what was left behind is tried again")

// revRef names a revision of a document.
type revRef struct {
	ID  string `json:"id"`
	Rev string `json:"rev"`
}

// leftBehind are revisions that were given up, though the position is behind them. What refused them may be
// mended, or their access policy changed, and nothing would ask for them ever after. They are tried again when a
// replication begins, after a reload, and seldom while it goes on.
type leftBehind struct {
	revs  map[revRef]bool
	bytes int
	// from is the position before the first that is not among them, nil if all are: the feed is looked through again
	// from there.
	from json.RawMessage
	// recalled: the checkpoint was asked.
	recalled bool
	// next is when they are tried again; delay is waited after that.
	next  time.Time
	delay time.Duration
}

// add remembers a revision, and reports whether there was room.
func (l *leftBehind) add(one revRef) bool {
	size := len(quote(one.ID)) + len(one.Rev) + len(`{"id":,"rev":""},`)
	switch {
	case l.revs[one]:
		return true
	case len(l.revs) >= maxLeftBehind, l.bytes+size > leftBehindBytes:
		return false
	case l.revs == nil:
		l.revs = make(map[revRef]bool)
	}
	l.revs[one] = true
	l.bytes += size
	return true
}

// list has them in order, those of a document together.
func (l *leftBehind) list() []revRef {
	return slices.SortedFunc(maps.Keys(l.revs), func(a, b revRef) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Rev, b.Rev))
	})
}

// leave remembers a revision that is given up, unless it is none that could be asked for. What would come in place of
// one that is asked for later may be outside of what a pull is limited to: there its position is remembered.
func (s *session) leave(id, rev string) {
	if _, err := syncstore.ParseRev(rev); err != nil || checkID(id) != nil {
		return
	}
	if s.o.Direction == Pull && (len(s.o.Channels) > 0 || s.o.Selector != nil) {
		s.leaveFrom(s.seq)
		return
	}
	if len(s.left.revs) == 0 {
		s.left.delay = retakeAfter * s.o.MaxDelay
		s.left.next = time.Now().Add(s.left.delay)
	}
	if !s.left.add(revRef{id, rev}) {
		s.leaveFrom(s.seq)
	}
	s.tellLeft()
}

func (s *session) leaveFrom(seq json.RawMessage) {
	if s.left.from == nil {
		s.left.from = seq
	}
}

func (s *session) tellLeft() {
	n := len(s.left.revs)
	s.progress.change(func(p *Status) { p.LeftBehind = n })
}

// recall takes over what the checkpoint remembers, when a replication begins, and goes back to where more was left
// behind than that.
func (s *session) recall(known *checkpoint) {
	if s.left.recalled {
		return
	}
	s.left.recalled = true
	if known != nil && known.Version == checkpointVersion {
		for _, one := range known.LeftBehind {
			s.leave(one.ID, one.Rev)
		}
	}
	s.left.next = time.Now()
	switch {
	case known == nil || known.Version != checkpointVersion || len(known.LeftFrom) == 0:
	case string(s.seq) == string(known.LastSeq):
		s.goBack(known.LeftFrom)
	default:
		s.goBack(beginning()) // the other side knows less, and positions have no order that we know
	}
}

// goBack has the feed looked through from a position.
func (s *session) goBack(seq json.RawMessage) {
	s.seq, s.left.from, s.dirty = seq, nil, true
}

// retake tries again what was left behind, if it is time to. What fails once more stays.
func (s *session) retake(ctx context.Context) error {
	if len(s.left.revs) == 0 || time.Now().Before(s.left.next) {
		return nil
	}
	// Whatever comes of it: what breaks a connection must not do so at every beginning.
	s.left.next = time.Now().Add(s.left.delay)
	s.left.delay = min(2*s.left.delay, retakeEvery*s.o.MaxDelay)
	before := s.left.list()
	var still leftBehind
	again := &session{
		Replication: s.Replication, local: s.local, to: s.to, target: s.target, oneByOne: s.oneByOne, inParts: s.inParts, retakes: true,
		lost: func(id, rev string, _ error) { still.add(revRef{id, rev}) },
	}
	for some := range slices.Chunk(before, s.o.Batch) {
		err := again.replicate(ctx, changesOf(some))
		if isStatus(err, http.StatusBadRequest, http.StatusNotImplemented) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	s.record.DocsRead += again.record.DocsRead
	s.record.DocsWritten += again.record.DocsWritten
	s.left.revs, s.left.bytes, s.dirty = still.revs, still.bytes, true
	s.tellLeft()
	if s.left.from != nil && len(still.revs) < len(before) { // as well as these, others may go
		s.goBack(s.left.from)
	}
	s.log().Info("what was not replicated was tried again", zap.Int("revisions", len(before)), zap.Int("left", len(still.revs)))
	return nil
}

// replicate does what is to be done of a page.
func (s *session) replicate(ctx context.Context, changes []change) error {
	if s.o.Direction == Pull {
		return s.take(ctx, changes)
	}
	return s.give(ctx, changes)
}

// changesOf are rows of a feed that would tell of revisions.
func changesOf(revs []revRef) (all []change) {
	for _, one := range revs {
		rev, err := syncstore.ParseRev(one.Rev)
		if err != nil {
			continue // leave has looked
		}
		if n := len(all); n == 0 || all[n-1].id != one.ID {
			all = append(all, change{id: one.ID})
		}
		last := &all[len(all)-1]
		last.revs = append(last.revs, rev)
	}
	return all
}

// untilRetake is a context that ends, with errRetakeDue, when something is to be tried again.
func (s *session) untilRetake(ctx context.Context) (context.Context, context.CancelFunc) {
	if len(s.left.revs) == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, s.left.next, errRetakeDue)
}
