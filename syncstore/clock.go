package syncstore

import (
	"crypto/rand"
	"sync"
	"time"
)

const (
	// clockTolerance is how far two clocks may be apart (DECISIONS 24).
	clockTolerance = 60 * time.Second
	// counterBits of a version's time count; the rest is nanoseconds since 1970
	// (reference/blip.md 5.4).
	counterBits = 16
)

// clock makes the versions of one database: a hybrid logical clock that never runs
// backwards, and the source that its times belong to.
type clock struct {
	mu     sync.Mutex
	now    func() time.Time
	source SourceID
	last   uint64
}

// next returns a version that is higher than all before it, and than what is said of its
// source in the vector that it is to cover. If the wall clock has fallen far behind what was
// handed out, a new source begins instead of times that run ahead of everybody's clock.
func (c *clock) next(seen Vector) Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall := uint64(c.now().UnixNano())
	c.last = max(c.last, seen.time(c.source))
	c.renew(wall)
	c.last = max(wall&^(1<<counterBits-1), c.last+1)
	return Version{Time: c.last, Source: c.source}
}

// ahead reports whether a version lies too far in the future to be taken now (DECISIONS 24).
// Encoded tree IDs are no times.
func (c *clock) ahead(v Version) bool {
	return v.Source != treeSource && v.Time > uint64(c.now().UnixNano())+uint64(clockTolerance)
}

// state returns the source and the last time, to be stored.
func (c *clock) state() Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Version{Time: c.last, Source: c.source}
}

// restore continues from a stored state.
func (c *clock) restore(state Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.source == state.Source && c.last > state.Time {
		return
	}
	c.source, c.last = state.Source, state.Time
	c.renew(uint64(c.now().UnixNano()))
}

func (c *clock) renew(wall uint64) {
	if c.source == (SourceID{}) || wall+uint64(clockTolerance) < c.last {
		c.source, c.last = newSourceID(), 0
	}
}

func newSourceID() SourceID {
	var id SourceID
	_, _ = rand.Read(id[:]) // never fails since Go 1.24
	return id
}
