package caddysync

import (
	"context"
	"time"
)

const (
	// againFirst is how long it takes until something is tried again that failed, againMost how long at most.
	againFirst = time.Second
	againMost  = time.Minute
)

// again calls try now and then, later each time, until it reports that it is done or ctx ends.
func again(ctx context.Context, try func() (done bool)) {
	for delay := againFirst; ; delay = min(2*delay, againMost) {
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if try() {
			return
		}
	}
}
