package syncstore

import (
	"container/list"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

const (
	cacheShards = 32
	// cacheOverhead is what an entry takes beside the bytes of its head.
	cacheOverhead = 512
)

// cache keeps heads of documents in memory. It never gives out a head that is older
// than what a snapshot taken at the same time shows: a key is taken out before the
// commit that writes it can be seen, and put back after it.
//
// It is told by this process's committer. With an engine that other processes write
// to, it has to follow their commits too.
type cache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
	// suspended: nothing is kept, since the store is being recovered.
	suspended atomic.Bool
}

type cacheShard struct {
	mu      sync.Mutex
	budget  int64
	size    int64
	entries map[string]*list.Element
	order   *list.List // of *cacheEntry, the most recently used first
	// writing are the keys that a commit under way writes.
	writing map[string]struct{}
	// epoch changes with each write, so that a head read before it is not kept.
	epoch uint64
	asked uint64 // how often get was called
}

type cacheEntry struct {
	key  string
	head *head
	size int64
}

func newCache(budget int64) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		s := &c.shards[i]
		s.budget = budget / cacheShards
		s.entries = make(map[string]*list.Element)
		s.order = list.New()
		s.writing = make(map[string]struct{})
	}
	return c
}

func (c *cache) shard(key []byte) *cacheShard {
	return &c.shards[maphash.Bytes(c.seed, key)%cacheShards]
}

// shardOf is shard for a key that is text: the same hash.
func (c *cache) shardOf(key string) *cacheShard {
	return &c.shards[maphash.String(c.seed, key)%cacheShards]
}

// get returns the head under key. If it is not there, epoch is to be given to offer
// with what is read instead.
func (c *cache) get(key []byte) (h *head, epoch uint64) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if e, ok := s.entries[string(key)]; ok {
		s.order.MoveToFront(e)
		return e.Value.(*cacheEntry).head, 0
	}
	return nil, s.epoch
}

// asked returns how often the cache was asked for a document.
func (c *cache) asked() (n uint64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += s.asked
		s.mu.Unlock()
	}
	return n
}

// offer keeps a head that was read after get returned epoch, unless its shard was
// written since.
func (c *cache) offer(key []byte, h *head, epoch uint64) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, writing := s.writing[string(key)]; writing || s.epoch != epoch || c.suspended.Load() {
		return
	}
	s.put(string(key), h)
}

// begin takes out a key that a commit is about to write.
func (c *cache) begin(key string) {
	s := c.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
	s.writing[key] = struct{}{}
	s.epoch++
}

// end puts in what the commit wrote; nil if it wrote nothing, or nothing to keep.
func (c *cache) end(key string, h *head) {
	s := c.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.writing, key)
	s.epoch++
	if h != nil {
		s.put(key, h)
	}
}

// suspend forgets everything, and keeps nothing until resume. What a commit in doubt wrote can be read before the
// database's counters tell of it: a document that was kept then would be judged by access of before.
func (c *cache) suspend() {
	c.suspended.Store(true)
	c.clear()
}

// resume is called when the counters are those of the store again.
func (c *cache) resume() {
	c.clear() // what was read before is not kept
	c.suspended.Store(false)
}

// clear forgets everything.
func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		clear(s.entries)
		s.order.Init()
		s.size = 0
		s.epoch++
		s.mu.Unlock()
	}
}

func (s *cacheShard) put(key string, h *head) {
	size := int64(len(key) + h.size + cacheOverhead)
	if size > s.budget/8 {
		return
	}
	s.remove(key)
	s.entries[key] = s.order.PushFront(&cacheEntry{key: key, head: h, size: size})
	s.size += size
	for s.size > s.budget {
		s.remove(s.order.Back().Value.(*cacheEntry).key)
	}
}

func (s *cacheShard) remove(key string) {
	e, ok := s.entries[key]
	if !ok {
		return
	}
	s.size -= e.Value.(*cacheEntry).size
	s.order.Remove(e)
	delete(s.entries, key)
}
