package auth

import (
	"hash/maphash"
	"sync"
)

// lruShards is how many locks a cache is spread over.
const lruShards = 16

// lru is a bounded cache that forgets what was not used for long: an entry that was used
// since it came to the end of the queue gets a second chance. A hit only sets a mark, and
// does not touch its neighbours in memory. Filling it from the
// store is safe against a write in between: take the epoch, read the store, then
// putIf; an invalidation meanwhile moves the epoch and the stale value is not kept.
type lru[K comparable, V any] struct {
	seed   maphash.Seed
	shards [lruShards]lruShard[K, V]
}

type lruShard[K comparable, V any] struct {
	mu    sync.Mutex
	epoch uint64
	max   int
	nodes map[K]*lruNode[K, V]
	root  lruNode[K, V] // of the ring; root.prev is next to go
	gone  func(V)       // nil: nobody is told
}

type lruNode[K comparable, V any] struct {
	prev, next *lruNode[K, V]
	key        K
	value      V
	used       bool
}

// newLRU returns a cache of about size entries.
func newLRU[K comparable, V any](size int) *lru[K, V] {
	c := &lru[K, V]{seed: maphash.MakeSeed()}
	for i := range c.shards {
		s := &c.shards[i]
		s.max = max(1, size/lruShards)
		s.nodes = make(map[K]*lruNode[K, V])
		s.root.prev, s.root.next = &s.root, &s.root
	}
	return c
}

func (c *lru[K, V]) shard(k K) *lruShard[K, V] {
	return &c.shards[maphash.Comparable(c.seed, k)%lruShards]
}

func (c *lru[K, V]) get(k K) (V, bool) {
	s := c.shard(k)
	s.mu.Lock()
	n, ok := s.nodes[k]
	if !ok {
		s.mu.Unlock()
		var zero V
		return zero, false
	}
	if !n.used {
		n.used = true
	}
	v := n.value
	s.mu.Unlock()
	return v, true
}

// epoch returns the mark for putIf.
func (c *lru[K, V]) epoch(k K) uint64 {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}

// putIf keeps v unless something of k's shard was dropped since epoch.
func (c *lru[K, V]) putIf(k K, v V, epoch uint64) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch == epoch {
		s.put(k, v)
	}
}

func (c *lru[K, V]) put(k K, v V) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(k, v)
}

// drop forgets k.
func (c *lru[K, V]) drop(k K) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	if n, ok := s.nodes[k]; ok {
		n.unlink()
		delete(s.nodes, k)
	}
}

// dropAll forgets everything.
func (c *lru[K, V]) dropAll() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.epoch++
		for len(s.nodes) > 0 {
			s.evict()
		}
		s.mu.Unlock()
	}
}

// whenGone has fn called, under the lock, with what is forgotten, but for what drop forgets. To be said before the cache
// is used.
func (c *lru[K, V]) whenGone(fn func(V)) {
	for i := range c.shards {
		c.shards[i].gone = fn
	}
}

// each calls fn, under the lock, with everything that is kept.
func (c *lru[K, V]) each(fn func(V)) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, n := range s.nodes {
			fn(n.value)
		}
		s.mu.Unlock()
	}
}

// resize changes how many entries are kept.
func (c *lru[K, V]) resize(size int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.max = max(1, size/lruShards)
		for len(s.nodes) > s.max {
			s.evict()
		}
		s.mu.Unlock()
	}
}

func (c *lru[K, V]) len() int {
	total := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		total += len(s.nodes)
		s.mu.Unlock()
	}
	return total
}

func (s *lruShard[K, V]) put(k K, v V) {
	if n, ok := s.nodes[k]; ok {
		n.value, n.used = v, true
		return
	}
	if len(s.nodes) >= s.max {
		s.evict()
	}
	n := &lruNode[K, V]{key: k, value: v}
	n.link(&s.root)
	s.nodes[k] = n
}

func (s *lruShard[K, V]) evict() {
	oldest := s.root.prev
	for oldest.used {
		oldest.used = false
		oldest.unlink()
		oldest.link(&s.root)
		oldest = s.root.prev
	}
	oldest.unlink()
	delete(s.nodes, oldest.key)
	if s.gone != nil {
		s.gone(oldest.value)
	}
}

func (n *lruNode[K, V]) unlink() {
	n.prev.next, n.next.prev = n.next, n.prev
}

func (n *lruNode[K, V]) link(root *lruNode[K, V]) {
	n.prev, n.next = root, root.next
	root.next.prev = n
	root.next = n
}
