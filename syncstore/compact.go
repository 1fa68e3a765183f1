package syncstore

import (
	"context"
	"sync"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// compactRounds is how often a compaction goes over what is left because documents were
// written meanwhile.
const compactRounds = 4

// compaction says whether a database is being compacted.
type compaction struct {
	mu      sync.Mutex
	running bool
	// again: somebody asked for another one while it was running, and may have superseded
	// bodies that it did not see.
	again bool
}

// Compact drops the bodies of all superseded revisions, and attachments that only they
// named, instead of keeping them for Options.OldBodies. It returns at once, and the work
// goes on in the background; Compacting says when it is done. A stop of the store ends it:
// what it did not come to is dropped when it is due.
func (d *Database) Compact() {
	c := &d.compaction
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		c.again = true
		return
	}
	c.running = true
	d.store.start(d.compact)
}

// Compacting reports whether a compaction is running.
func (d *Database) Compacting() bool {
	d.compaction.mu.Lock()
	defer d.compaction.mu.Unlock()
	return d.compaction.running
}

func (d *Database) compact() {
	for {
		if err := d.dropOldBodies(d.store.ctx); err != nil && d.store.ctx.Err() == nil && d.live.Load() {
			d.store.logger.Warn("compacting a database stopped", zap.String("database", d.name), zap.Error(err))
		}
		d.compaction.mu.Lock()
		again := d.compaction.again
		d.compaction.again, d.compaction.running = false, again
		d.compaction.mu.Unlock()
		if !again || d.store.ctx.Err() != nil {
			return
		}
	}
}

// dropOldBodies does what is to be done about old bodies at some time, now.
func (d *Database) dropOldBodies(ctx context.Context) error {
	all := engine.PrefixRange(d.scope.prefix(kindDue, 0))
	all.KeysOnly, all.Limit = true, maxBackgroundKeys
	for range compactRounds {
		done, found, err := d.store.sweepRange(ctx, d, all, func(target []byte) bool { return target[0] == kindBody })
		if err != nil || done == found {
			return err
		}
	}
	return nil
}
