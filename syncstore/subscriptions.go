package syncstore

import "sync/atomic"

// interest is what a feed waits for: a channel of a collection, or a change of what a
// principal has (its key of kindAccess; the collection is 0).
type interest struct {
	collection uint32
	name       string
	principal  bool
}

// subscription is a feed that waits for what concerns its viewer. Of ten thousand feeds a
// commit wakes those whose channels it touched.
type subscription struct {
	wake  chan struct{} // receives a value when there is something
	moved chan struct{} // likewise, when what its viewer has changed
	// first is the first batch that concerns the feed since it looked last.
	first atomic.Pointer[batch]
	// queued: the feed waits for its turn to read the index, where it will find what is committed
	// meanwhile. It is woken only when what its viewer has changed.
	queued atomic.Bool
}

func newSubscription() *subscription {
	return &subscription{wake: make(chan struct{}, 1), moved: make(chan struct{}, 1)}
}

// subscriptions are kept under the broadcast's lock.
type subscriptions map[interest]map[*subscription]struct{}

// subscribe makes s wait for more, and for some things not any more.
func (b *broadcast) subscribe(s *subscription, more, less []interest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subscriptions.drop(s, less)
	for _, i := range more {
		if b.subscriptions[i] == nil {
			b.subscriptions[i] = make(map[*subscription]struct{}, 1)
		}
		b.subscriptions[i][s] = struct{}{}
	}
}

func (all subscriptions) drop(s *subscription, interests []interest) {
	for _, i := range interests {
		delete(all[i], s)
		if len(all[i]) == 0 {
			delete(all, i)
		}
	}
}

// tell wakes those whom a batch concerns.
func (all subscriptions) tell(filled *batch) {
	if len(all) == 0 {
		return
	}
	mark := func(i interest) {
		for s := range all[i] {
			s.mark(filled)
			if i.principal {
				wake(s.moved)
				wake(s.wake)
			}
		}
	}
	for n := range filled.rows {
		r := &filled.rows[n]
		for _, name := range r.channels {
			mark(interest{collection: r.collection, name: name})
		}
		for _, name := range r.left {
			mark(interest{collection: r.collection, name: name})
		}
		if r.record != nil {
			mark(interest{collection: r.collection, name: AllChannel})
		}
		for _, key := range r.principals {
			mark(interest{name: key, principal: true})
		}
	}
}

// tellAll wakes everybody.
func (all subscriptions) tellAll(filled *batch) {
	for _, waiting := range all {
		for s := range waiting {
			s.mark(filled)
			wake(s.wake)
		}
	}
}

// mark wakes the feed, unless it waits for its turn.
func (s *subscription) mark(b *batch) {
	s.first.CompareAndSwap(nil, b)
	if !s.queued.Load() {
		wake(s.wake)
	}
}

func wake(waiting chan<- struct{}) {
	select {
	case waiting <- struct{}{}:
	default:
	}
}

// concerning returns the batch from which on a subscriber has to look, and forgets it. Where
// nothing concerned it, that is the one to be filled in next. It takes no lock: ten thousand feeds
// ask at once when a role changes.
func (b *broadcast) concerning(s *subscription) *batch {
	// First the tail: of what came before it s is marked by now, if it concerns s. What comes later
	// marks s again, so that at worst the subscriber looks at a batch twice.
	tail := b.tail.Load()
	if first := s.first.Swap(nil); first != nil {
		return first
	}
	return tail
}
