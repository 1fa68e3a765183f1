package badger

import (
	"slices"
	"sync"
)

// snapshots gives out what Badger calls timestamps, in its place: Badger's own snapshot waits
// for the commit that is under way, and for goroutines that keep account of it, so that a read
// would take as long as a sync of the disk. Here a view sees what has returned from Update, which
// is all that it was promised, and waits for nothing.
type snapshots struct {
	mu   sync.Mutex
	last uint64 // the newest commit that is on stable storage
	open []snapshot
}

// snapshot is a commit and how many views see it as the newest, one at least. They are in order.
type snapshot struct {
	ts    uint64
	views int
}

// begin returns the newest commit, which a view is going to read. end must be told.
func (s *snapshots) begin() (ts uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beginNewest()
}

// beginOldest returns the oldest commit that a view reads, and has it read until end is told.
func (s *snapshots) beginOldest() (ts uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) == 0 {
		return s.beginNewest()
	}
	s.open[0].views++
	return s.open[0].ts
}

// beginNewest is begin. mu is held.
func (s *snapshots) beginNewest() uint64 {
	if n := len(s.open); n > 0 && s.open[n-1].ts == s.last {
		s.open[n-1].views++
	} else {
		s.open = append(s.open, snapshot{ts: s.last, views: 1})
	}
	return s.last
}

// end is told that a view is over.
func (s *snapshots) end(ts uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.open) - 1; i >= 0; i-- {
		if s.open[i].ts != ts {
			continue
		}
		if s.open[i].views--; s.open[i].views == 0 {
			s.open = slices.Delete(s.open, i, i+1)
		}
		return
	}
}

// commit makes a commit the newest, and returns the oldest that is still read: what newer ones
// replaced before it nobody needs.
func (s *snapshots) commit(ts uint64) (oldest uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = ts
	if len(s.open) > 0 {
		return s.open[0].ts
	}
	return ts
}

// newest returns the newest commit. It is for the only writer.
func (s *snapshots) newest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}
