package syncstore

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// moreRest is how many times as long as a piece took nobody goes on with another one while
	// somebody writes: the processors are wanted by the writers, and sending a piece is as much
	// work again. moreLongest is how long that is at most, and while somebody waits for first rows.
	moreRest    = 4
	moreLongest = 50 * time.Millisecond
)

// errSooner says that a feed which was waiting for its turn has something to read that is not to
// wait.
var errSooner = errors.New("the feed is to read sooner")

// turnstile lets some at a time read for viewers, in the order in which they came. When ten
// thousand feeds have a hundred thousand rows to read, because a role was given a channel,
// they must not stand in the scheduler's queue before the writers.
type turnstile struct {
	slots chan struct{}
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
}

func (t *turnstiles) init(writing func() bool) {
	cores := runtime.GOMAXPROCS(0)
	t.first.slots = make(chan struct{}, 8*cores)
	t.more.slots = make(chan struct{}, max(1, cores/2))
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

// turn is one reader's at a turnstile. sooner, if not nil, receives a value when the reader must
// not wait any longer: enter returns errSooner.
type turn struct {
	at     *turnstile
	sooner <-chan struct{}
}

func (t turn) enter(ctx context.Context) error {
	select {
	case t.at.slots <- struct{}{}:
		return nil
	default:
	}
	t.at.waiting.Add(1)
	defer t.at.waiting.Add(-1)
	select {
	case t.at.slots <- struct{}{}:
		return nil
	case <-t.sooner:
		return errSooner
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave lets the next one in, now or after a rest, by how long the turn took. The reader itself
// does not wait.
func (t turn) leave(took time.Duration) {
	leave := func() { <-t.at.slots }
	if t.at.rest != nil {
		if rest := t.at.rest(took); rest > 0 {
			time.AfterFunc(rest, leave)
			return
		}
	}
	leave()
}
