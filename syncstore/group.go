package syncstore

import (
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// group is what one transaction commits.
type group struct {
	number  uint64
	sets    []*changeSet
	members []groupMember // every set taken, those that are not committed too
	bytes   int
	keys    int
	given   int // keys that sets turn out to write for what was given
	giving  int // bytes of these
	// moved are the principals, by key, whose access the group's sets are found to change
	// only while it is written; before those of what was committed of the same group before it.
	moved, before map[string]struct{}
}

type groupMember struct {
	request *commitRequest
	set     *changeSet
}

func (g *group) full() bool { return g.bytes >= maxGroupBytes || g.keys >= maxGroupKeys }

func (g *group) fits(set *changeSet) bool {
	bytes, keys := set.weight()
	return len(g.sets) == 0 || g.bytes+bytes <= maxGroupBytes && g.keys+keys <= maxGroupKeys
}

// write puts the group into a transaction. It may run again if the engine retries.
func (g *group) write(tx engine.Txn, changed map[*Database]*counters) error {
	for _, set := range g.sets {
		if err := g.writeSet(tx, set, changed); err != nil {
			return err
		}
	}
	g.noteChannels()
	for db, counts := range changed {
		counts.Clock = db.clock.state()
		if err := tx.Put(db.scope.counters(), counts.encode()); err != nil {
			return err
		}
	}
	return nil
}

// noteChannels tells the databases which channels have new rows, before the rows can be
// seen.
func (g *group) noteChannels() {
	for _, set := range g.sets {
		if set.err == nil && len(set.channels)+len(set.left)+len(set.gone) > 0 {
			set.db.tops.note(set)
		}
	}
}

func (g *group) writeSet(tx engine.Txn, set *changeSet, changed map[*Database]*counters) error {
	set.err, set.seq = nil, 0
	if slices.ContainsFunc(set.reads, g.hasMoved) {
		set.err = errStale
		return nil
	}
	if set.apply != nil {
		if err := g.applySet(tx, set, changed); err != nil || set.err != nil {
			return err // a set that is refused is dropped, and the group goes on
		}
	}
	return set.numbered(tx, changed)
}

func (g *group) hasMoved(principal []byte) bool {
	_, now := g.moved[string(principal)]
	_, before := g.before[string(principal)]
	return now || before
}

// applySet lets a set write what depends on the state at the time of the commit.
func (g *group) applySet(tx engine.Txn, set *changeSet, changed map[*Database]*counters) error {
	o := newOverlay(tx)
	set.err = set.apply(o)
	if set.err != nil {
		return nil //nolint:nilerr // see writeSet
	}
	given, err := o.grantSets()
	if err != nil {
		return err
	}
	set.err = g.admit(given)
	if set.err != nil {
		return nil //nolint:nilerr // see writeSet
	}
	if err := o.flush(); err != nil {
		return err
	}
	set.given = given
	for _, one := range given {
		for _, key := range one.principals {
			g.moved[key] = struct{}{}
		}
		if err := one.numbered(tx, changed); err != nil {
			return err
		}
	}
	return nil
}

// admit counts what a set turned out to write for what was given to principals. What no
// transaction may take is ErrTooLarge, what this one has no room for is errStale.
func (g *group) admit(given []*changeSet) error {
	keys, size := 0, 0
	for _, one := range given {
		if err := one.checkSizes(); err != nil {
			return err
		}
		keys += len(one.ops)
		size += one.size
	}
	switch {
	case keys > maxGivenKeys || size > maxGivenBytes:
		return fmt.Errorf("grants: %w: they change %d keys of %d bytes in all, and at most %d of %d at once",
			ErrTooLarge, keys, size, maxGivenKeys, maxGivenBytes)
	case g.given > 0 && (g.given+keys > maxGroupKeys || g.giving+size > maxGroupBytes):
		return errStale
	}
	g.given += keys
	g.giving += size
	return nil
}

// numbered writes the set, with a sequence of its database if it asks for one.
func (c *changeSet) numbered(tx engine.Txn, changed map[*Database]*counters) error {
	if c.row == nil && len(c.principals) == 0 && !c.counted {
		return c.writeTo(tx)
	}
	counts, err := countersOf(tx, c.db, changed)
	if err != nil {
		return err
	}
	counts.Seq++
	counts.add(c)
	if len(c.principals) > 0 {
		counts.Access = counts.Seq
	}
	c.stamp(counts.Seq)
	c.db.shown.Store(max(c.db.shown.Load(), counts.Seq))
	return c.writeTo(tx)
}

func countersOf(tx engine.Txn, db *Database, changed map[*Database]*counters) (*counters, error) {
	if counts, ok := changed[db]; ok {
		return counts, nil
	}
	counts, err := readCounters(tx, db.scope)
	if err != nil {
		return nil, fmt.Errorf("database %d: %w", db.scope.db, err)
	}
	changed[db] = &counts
	return &counts, nil
}
