package syncstore

import (
	"context"
	"runtime"
)

// turnstile lets some at a time read for viewers, in the order in which they came. When ten
// thousand feeds have a hundred thousand rows to read, because a role was given a channel,
// they must not stand in the scheduler's queue before the writers.
type turnstile chan struct{}

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

func newTurnstiles() turnstiles {
	cores := runtime.GOMAXPROCS(0)
	return turnstiles{first: make(turnstile, 8*cores), more: make(turnstile, max(1, cores/2))}
}

func (t turnstile) enter(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turnstile) leave() { <-t }
