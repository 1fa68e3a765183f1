package caddysync

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// streamGroups is how many groups the live feeds of a site are in. On a reload the groups
// end one after the other, so that clients do not all come back at once.
const streamGroups = 32

// streams end a configuration's long responses. A feed belongs to one group for as long
// as it is open.
type streams struct {
	groups [streamGroups]chan struct{}
	ends   [streamGroups]sync.Once

	// draining: Caddy is about to exit, and new requests had better go elsewhere.
	draining atomic.Bool

	stop  sync.Once
	now   chan struct{} // cuts a spread end short
	spent chan struct{} // every group has ended
}

func newStreams() *streams {
	s := &streams{now: make(chan struct{}), spent: make(chan struct{})}
	for i := range s.groups {
		s.groups[i] = make(chan struct{})
	}
	return s
}

func (s *streams) end(group int) {
	s.ends[group].Do(func() { close(s.groups[group]) })
}

// endNow ends all feeds at once.
func (s *streams) endNow() {
	s.stop.Do(func() { close(s.now) })
	for i := range s.groups {
		s.end(i)
	}
}

// endSpread ends the feeds spread evenly over delay, in random order.
func (s *streams) endSpread(delay time.Duration) {
	defer close(s.spent)
	defer s.endNow()
	if delay <= 0 {
		return
	}
	ticker := time.NewTicker(max(delay/streamGroups, time.Millisecond))
	defer ticker.Stop()
	for _, group := range rand.Perm(streamGroups) {
		select {
		case <-ticker.C:
			s.end(group)
		case <-s.now:
			return
		}
	}
}
