package syncstore

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

func (c *committer) commitGroup(g *group) {
	for _, set := range g.sets {
		if set.key != "" {
			c.store.cache.begin(set.key)
		}
	}
	err := c.write(g)
	if errors.Is(err, engine.ErrTxnTooBig) && len(g.sets) > 1 {
		err = c.writeEach(g)
	}
	if errors.Is(err, engine.ErrDoubtful) {
		c.store.cache.suspend()
	}
	for key := range g.moved {
		c.recent.write(key)
	}
	// A group that failed is counted too: it wrote nothing, and its keys must not stay
	// newer than every snapshot.
	c.committed.Store(g.number)
	for _, set := range g.sets {
		if set.designs != nil && err == nil && set.err == nil {
			set.designs.designsChanged()
		}
		if set.key == "" {
			continue
		}
		if err == nil && set.err == nil {
			if set.cached != nil {
				set.cached.settle(set.seq)
			}
			c.store.cache.end(set.key, set.cached)
		} else {
			c.store.cache.end(set.key, nil)
		}
	}
	if err != nil {
		c.failed(g, err)
		return
	}
	for _, set := range g.sets {
		if set.err == nil && set.after != nil {
			set.after()
		}
	}
	c.store.notifier.publish(g.sets)
}

// write commits a group in one transaction.
func (c *committer) write(g *group) error {
	changed := make(map[*Database]*counters)
	err := c.store.engine.Update(context.Background(), func(tx engine.Txn) error {
		clear(changed)
		clear(g.moved)
		g.given, g.giving = 0, 0
		return g.write(tx, changed)
	})
	if err == nil {
		// Before anybody can read from the cache what the group wrote: it must not be judged by
		// access of before.
		for db, counts := range changed {
			db.counters.Store(counts)
		}
	}
	c.noteRoom(err)
	return err
}

// writeEach commits the sets of a group that is too big for a transaction, each in one of its own: what a set writes
// that depends on the state is only estimated before, and the others of its group must not fail for it. An error is one of
// the whole group.
func (c *committer) writeEach(g *group) error {
	moved := make(map[string]struct{})
	for i, set := range g.sets {
		one := &group{number: g.number, sets: g.sets[i : i+1], moved: make(map[string]struct{}), before: moved}
		switch err := c.write(one); {
		case errors.Is(err, engine.ErrDoubtful):
			return err
		case err != nil:
			set.err = notCommitted(err)
		}
		maps.Copy(moved, one.moved)
	}
	g.moved = moved
	return nil
}

// noteRoom logs when the disk becomes full, and when there is room again: a line for each write
// that is refused would fill what is left.
func (c *committer) noteRoom(err error) {
	switch full := errors.Is(err, engine.ErrNoSpace); {
	case full && !c.full:
		c.full = true
		c.store.logger.Error("the disk is full: refusing writes until there is room; reads go on", zap.Error(err))
	case c.full && err == nil:
		c.full = false
		c.store.logger.Info("there is room on the disk again: accepting writes")
	}
}

// failed answers a group that was not committed. After a doubtful commit it brings the
// engine back before anything else is written (DECISIONS 32): Badger reports a failed
// sync when the entries are visible already, so the group may or may not be there.
func (c *committer) failed(g *group, err error) {
	if !errors.Is(err, engine.ErrDoubtful) {
		fail(g.sets, notCommitted(err))
		return
	}
	c.store.logger.Error("a commit is in doubt; refusing writes until the store is recovered", zap.Error(err))
	fail(g.sets, fmt.Errorf("%w: a commit is in doubt", ErrUnavailable))
	c.refuse(true)
	c.answer(g)
	g.members = nil
	c.recover()
}

// notCommitted is what is answered to a set that was not committed, beyond doubt.
func notCommitted(err error) error {
	if errors.Is(err, engine.ErrNoSpace) {
		return ErrInsufficientStorage
	}
	return fmt.Errorf("committing: %w", err)
}
