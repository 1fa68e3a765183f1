package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
)

const (
	calmStep = 500 * time.Millisecond
	calmMost = calmStep / 20 // CPU of one process in a step
	calmWait = 20 * time.Second
)

// calm waits until neither the server nor the bench works any more, at most calmWait: what one
// side of a ratio left to do, tables to write and merge, must not be taken from the other's time.
func (b *bench) calm(ctx context.Context) error {
	used := func() ([2]time.Duration, error) {
		var all [2]time.Duration
		for i, pid := range []int{b.server.PID(), os.Getpid()} {
			t, err := harness.CPUTime(pid)
			if err != nil {
				return all, fmt.Errorf("waiting for the machine to be calm: %w", err)
			}
			all[i] = t
		}
		return all, nil
	}
	before, err := used()
	if err != nil {
		return err
	}
	for end := time.Now().Add(calmWait); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the machine to be calm: %w", ctx.Err())
		case <-time.After(calmStep):
		}
		after, err := used()
		if err != nil {
			return err
		}
		if after[0]-before[0] <= calmMost && after[1]-before[1] <= calmMost {
			return nil
		}
		before = after
	}
	b.say("the machine was not calm within %s", calmWait)
	return nil
}
