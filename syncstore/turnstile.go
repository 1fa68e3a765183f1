package syncstore

import (
	"context"
	"runtime"
)

// turnstile lets a few at a time read for viewers, in the order in which they came. When ten
// thousand feeds have a hundred thousand rows to read, because a role was given a channel,
// the others must not stand in the scheduler's queue before the writers.
type turnstile chan struct{}

// newTurnstile leaves a core to the rest of the server.
func newTurnstile() turnstile { return make(turnstile, max(1, runtime.GOMAXPROCS(0)-1)) }

func (t turnstile) enter(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turnstile) leave() { <-t }
