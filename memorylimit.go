package caddysync

import (
	"context"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// memoryReserve is what the process may use beside the stores' memory before the garbage
	// collector works harder (DECISIONS 37).
	memoryReserve = 64 << 20
	// feedMemory is what it may use for each open feed beside that, which is what DESIGN section 7
	// allows one and half as much for garbage. Without it ten thousand feeds, at a memory that is
	// less than they take, would have the collector run all the time.
	feedMemory = 72 << 10
	// memoryStep is by how many bytes the limit has to change to be set anew, which stops the
	// world for a moment.
	memoryStep = 8 << 20
	// memoryInterval is how often the feeds are counted.
	memoryInterval = 500 * time.Millisecond
)

// processMemory bounds the heap of this process. The runtime has one limit for all stores, so this is
// theirs together.
var processMemory memoryKeeper

// memoryKeeper sets the memory limit by the stores that are open and the feeds that follow them,
// and gives back to the system what a quiet process does not need.
type memoryKeeper struct {
	mu     sync.Mutex
	users  map[*memoryUser]struct{}
	before int64 // the limit that was there: none, or Caddy's, which is what the container has
	limit  int64 // as it was set, 0: not
	stop   func()
}

// memoryUser is an open store.
type memoryUser struct {
	memory int64
	feeds  func() int64
}

// begin counts a store of that memory in, until end is called. An operator's GOMEMLIMIT wins.
func (k *memoryKeeper) begin(memory int64, feeds func() int64) (end func()) {
	user := &memoryUser{memory: memory, feeds: feeds}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.users) == 0 {
		k.users = make(map[*memoryUser]struct{})
		k.before = debug.SetMemoryLimit(-1)
		k.stop = every(memoryInterval, func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.set(memoryStep)
		}, new(idleMemory).look)
	}
	k.users[user] = struct{}{}
	k.set(0)
	return func() { k.end(user) }
}

func (k *memoryKeeper) end(user *memoryUser) {
	k.mu.Lock()
	delete(k.users, user)
	k.set(0)
	stop := func() {}
	if len(k.users) == 0 {
		stop = k.stop
	}
	k.mu.Unlock()
	stop() // waits for who may wait for mu
}

// set sets the limit if it would change by a step at least.
func (k *memoryKeeper) set(step int64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := k.wanted()
	if limit == k.limit || max(limit-k.limit, k.limit-limit) < step {
		return
	}
	k.limit = limit
	debug.SetMemoryLimit(limit)
}

// wanted is never more than there was before: who runs us in a container has less than that.
func (k *memoryKeeper) wanted() int64 {
	sum := int64(memoryReserve)
	for user := range k.users {
		if user.memory <= 0 {
			return k.before
		}
		sum += user.memory + user.feeds()*feedMemory
	}
	if len(k.users) == 0 {
		return k.before
	}
	return min(sum, k.before)
}

// every calls functions at intervals until stop, which waits for them.
func every(interval time.Duration, functions ...func()) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				for _, f := range functions {
					f()
				}
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
