package syncstore

import (
	"container/list"
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// moreRest is how many times as long as a piece took nobody goes on with another one while
	// somebody writes: the processors are wanted by the writers, and sending a piece is as much
	// work again. moreLongest is how long that is at most, and while somebody waits for first rows.
	moreRest    = 4
	moreLongest = 50 * time.Millisecond

	maxIdle = 4096
)

// errSooner says that a feed which was waiting for its turn has something to read that is not to
// wait.
var errSooner = errors.New("the feed is to read sooner")

// turnstile lets some at a time read for viewers, in the order in which they came. When ten
// thousand feeds have a hundred thousand rows to read, because a role was given a channel,
// they must not stand in the scheduler's queue before the writers.
type turnstile struct {
	mu    sync.Mutex
	free  int       // how many may be let in at once
	queue list.List // of tickets that wait or stepped aside, in order
	// waiting is how many wait to be let in.
	waiting atomic.Int32
	// rest is how long nobody is let in after somebody who took so long; nil: not at all.
	rest func(took time.Duration) time.Duration
}

// turnstiles are two, so that feeds that go on with much do not hold up those that want their
// first rows.
type turnstiles struct {
	// first is for pages that somebody asks for, and for the first rows of a feed. It lets in so
	// many because a snapshot had to wait for the commit under way when that was measured, which
	// it has not any more.
	first turnstile
	// more is for feeds that are behind and go on. It leaves the processors to the others.
	more turnstile
	// idle is how many rows a turn looks at, more or less, before it shows one: of a channel that was
	// given and taken often, each time has all its rows looked at.
	idle int
}

func (t *turnstiles) init(writing func() bool) {
	cores := runtime.GOMAXPROCS(0)
	t.idle = maxIdle
	t.first.free = 8 * cores
	t.more.free = max(1, cores/2)
	t.more.rest = func(took time.Duration) time.Duration {
		switch {
		case t.first.waiting.Load() > 0:
			return moreLongest
		case writing():
			return min(moreRest*took, moreLongest)
		default:
			return 0
		}
	}
}

// ticket is a place in the queue of a turnstile, and then the turn. All but at and told is under at.mu.
type ticket struct {
	at    *turnstile
	told  chan<- struct{} // receives a value when the ticket is let in
	state ticketState
	place *list.Element // while it waits
}

type ticketState int

const (
	ticketWaits ticketState = iota
	ticketAside             // it keeps its place, and others are let in before it
	ticketInside
	ticketOver
)

// ask queues up. told receives a value when the ticket is let in, unless it is at once.
func (t *turnstile) ask(told chan<- struct{}) *ticket {
	k := &ticket{at: t, told: told}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free > 0 {
		t.free--
		k.state = ticketInside
		return k
	}
	k.place = t.queue.PushBack(k)
	t.waiting.Add(1)
	return k
}

func (k *ticket) inside() bool {
	k.at.mu.Lock()
	defer k.at.mu.Unlock()
	return k.state == ticketInside
}

// leave ends a turn, and lets the next one in, now or after a rest, by how long the turn took. The
// reader itself does not wait.
func (k *ticket) leave(took time.Duration) {
	t := k.at
	var rest time.Duration
	if t.rest != nil {
		rest = t.rest(took)
	}
	if rest <= 0 {
		k.giveUp()
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k.state = ticketOver
	time.AfterFunc(rest, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.letIn()
	})
}

// giveUp ends a turn that was not used, or the waiting for it. It does nothing to one that is over.
func (k *ticket) giveUp() {
	t := k.at
	t.mu.Lock()
	defer t.mu.Unlock()
	switch k.state {
	case ticketWaits:
		t.waiting.Add(-1)
		t.queue.Remove(k.place)
	case ticketAside:
		t.queue.Remove(k.place)
	case ticketInside:
		t.letIn()
	case ticketOver:
	}
	k.state, k.place = ticketOver, nil
}

// stepAside lets others in before the ticket, whose holder has something else to do that may take
// long, until it comes back.
func (k *ticket) stepAside() {
	t := k.at
	t.mu.Lock()
	defer t.mu.Unlock()
	switch k.state {
	case ticketWaits:
		t.waiting.Add(-1)
	case ticketInside:
		t.letIn()
		k.place = t.queue.PushFront(k)
	case ticketAside, ticketOver:
		return
	}
	k.state = ticketAside
}

func (k *ticket) comeBack() {
	t := k.at
	t.mu.Lock()
	defer t.mu.Unlock()
	if k.state != ticketAside {
		return
	}
	k.state = ticketWaits
	t.waiting.Add(1)
	if t.free > 0 {
		t.free--
		t.letIn()
	}
}

// letIn lets in who waits first. t.mu is held.
func (t *turnstile) letIn() {
	for place := t.queue.Front(); place != nil; place = place.Next() {
		if k := place.Value.(*ticket); k.state == ticketWaits {
			t.queue.Remove(place)
			k.state, k.place = ticketInside, nil
			t.waiting.Add(-1)
			wake(k.told)
			return
		}
	}
	t.free++
}

// turn is one reader's at a turnstile.
type turn struct {
	at *turnstile
	// held, if not nil, is the turn itself: the reader has waited for it.
	held *ticket
	// sooner, if not nil, receives a value when the reader must not wait any longer: enter returns
	// errSooner.
	sooner <-chan struct{}
}

func (t turn) enter(ctx context.Context) (*ticket, error) {
	if t.held != nil {
		return t.held, nil
	}
	told := make(chan struct{}, 1)
	k := t.at.ask(told)
	if k.inside() {
		return k, nil
	}
	select {
	case <-told:
		return k, nil
	case <-t.sooner:
		k.giveUp()
		return nil, errSooner
	case <-ctx.Done():
		k.giveUp()
		return nil, ctx.Err()
	}
}
