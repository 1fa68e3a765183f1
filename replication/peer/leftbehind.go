package peer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
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

// size is how long it is in a checkpoint.
func (r revRef) size() int { return len(quote(r.ID)) + len(r.Rev) + len(`{"id":,"rev":""},`) }

// add remembers a revision, and reports whether there was room.
func (l *leftBehind) add(one revRef) bool {
	switch {
	case l.revs[one]:
		return true
	case len(l.revs) >= maxLeftBehind, l.bytes+one.size() > leftBehindBytes:
		return false
	case l.revs == nil:
		l.revs = make(map[revRef]bool)
	}
	l.revs[one] = true
	l.bytes += one.size()
	return true
}

// forget is the opposite of add.
func (l *leftBehind) forget(one revRef) {
	if l.revs[one] {
		delete(l.revs, one)
		l.bytes -= one.size()
	}
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
	// Whoever writes to the target may name others than it is limited to.
	if _, err := syncstore.ParseRev(rev); err != nil || checkID(id) != nil || !s.names(id) {
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

// taken forgets a revision that went after all: a session after the one that gave it up came by it again.
func (s *session) taken(id, rev string) {
	if one := (revRef{id, rev}); s.left.revs[one] {
		s.left.forget(one)
		s.dirty = true
		s.tellLeft()
	}
}

func (s *session) tellLeft() {
	n := len(s.left.revs)
	s.progress.change(func(p *Status) { p.LeftBehind = n })
}

// recall takes over what the checkpoints remember, when a replication begins, and goes back to where more was left
// behind than that.
func (s *session) recall(all ...*checkpoint) {
	if s.left.recalled {
		return
	}
	s.left.recalled = true
	for _, known := range all {
		if known == nil || known.Version != checkpointVersion {
			continue
		}
		for _, one := range known.LeftBehind {
			s.leave(one.ID, one.Rev)
		}
	}
	if s.left.from != nil {
		s.left.from = beginning()
	}
	s.left.next = time.Now()
	from := s.left.from // the lists together are too long, and which comes first is not known
	for _, known := range all {
		switch {
		case known == nil || known.Version != checkpointVersion || len(known.LeftFrom) == 0:
		case string(s.seq) == string(known.LastSeq) && (from == nil || string(from) == string(known.LeftFrom)):
			from = known.LeftFrom
		default: // positions have no order that we know
			from = beginning()
		}
	}
	if from != nil {
		s.goBack(from)
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
	before, all := len(s.left.revs), changesOf(s.left.list())
	// One that breaks whatever asks for it must not keep the same others back each time.
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var still map[revRef]bool
	again := &session{
		Replication: s.Replication, local: s.local, to: s.to, target: s.target, oneByOne: s.oneByOne, inParts: s.inParts, retakes: true,
		lost: func(id, rev string, _ error) { still[revRef{id, rev}] = true },
	}
	defer func() {
		s.record.DocsRead += again.record.DocsRead
		s.record.DocsWritten += again.record.DocsWritten
		s.tellLeft()
		s.log().Info("what was not replicated was tried again", zap.Int("revisions", before), zap.Int("left", len(s.left.revs)))
	}()
	for some := range slices.Chunk(all, s.o.Batch) {
		still = make(map[revRef]bool)
		within, err := s.within(ctx, some)
		if err == nil {
			err = again.replicate(ctx, within)
		}
		if err != nil {
			// It may be one of them that broke it. The next session begins without.
			return documentError{fmt.Errorf("trying again what was not replicated: %w", err)}
		}
		s.settle(some, still)
		s.dirty = s.dirty || again.dirty
	}
	if s.left.from != nil && len(s.left.revs) < before { // as well as these, others may go
		s.goBack(s.left.from)
	}
	return nil
}

// settle forgets what was tried again, but for what failed once more. One without a revision stands for all of its
// document.
func (s *session) settle(tried []change, still map[revRef]bool) {
	for _, one := range tried {
		for _, rev := range one.revs {
			if ref := (revRef{one.id, rev.String()}); !still[ref] && !still[revRef{ID: one.id}] {
				s.taken(ref.ID, ref.Rev)
			}
		}
	}
	for ref := range still {
		if _, err := syncstore.ParseRev(ref.Rev); err != nil || s.left.revs[ref] {
			continue
		}
		s.dirty = true // it came in place of one that was asked for
		if !s.left.add(ref) {
			s.leaveFrom(beginning())
		}
	}
}

// within leaves those out that the feed would not tell of by now: the document is in none of the channels that a push
// is limited to, by what it has become or by another policy. Should it come back, the feed tells of it.
func (s *session) within(ctx context.Context, all []change) (within []change, err error) {
	if s.o.Direction == Pull || !s.limitsChannels() {
		return slices.Clone(all), nil
	}
	for _, one := range all {
		kept, err := s.local.Collection.Inspect(ctx, one.id)
		switch {
		case errors.Is(err, syncstore.ErrNotFound):
			continue
		case errors.Is(err, syncstore.ErrDamagedDocument):
			within = append(within, one) // it is not given either, and stays
			continue
		case err != nil:
			return nil, fmt.Errorf("looking for a document's channels: %w", err)
		}
		deleted := kept.Leaves[0].Deleted // a deletion is told of to whom the document was
		one.revs = s.givable(kept, one.revs)
		if len(one.revs) > 0 && slices.ContainsFunc(kept.Spans, func(in syncstore.ChannelSpan) bool {
			return (in.To == 0 || deleted) && slices.Contains(s.o.Channels, in.Channel)
		}) {
			within = append(within, one)
		}
	}
	return within, nil
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
