package caddysync

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// requestShards is how many locks the requests in progress are spread over.
const requestShards = 32

// requests are those that use a store, so that it is not closed under them. They outlive
// the configuration that they came through: on a reload Caddy lets them run on.
type requests struct {
	next   atomic.Uint32
	ended  chan struct{} // something ended after close
	shards [requestShards]requestShard
}

type requestShard struct {
	mu     sync.Mutex
	closed bool
	active map[*activeRequest]struct{}
}

// activeRequest is a request that uses the store.
type activeRequest struct {
	shard  *requestShard
	owner  *requests
	cancel context.CancelFunc
	writer http.ResponseWriter
}

func newRequests() *requests {
	r := &requests{ended: make(chan struct{}, 1)}
	for i := range r.shards {
		r.shards[i].active = make(map[*activeRequest]struct{})
	}
	return r
}

// begin counts a request; cancel must end it. writer is nil if that is enough to wake what the
// request waits for. It returns false if the store is closing.
func (r *requests) begin(w http.ResponseWriter, cancel context.CancelFunc) (*activeRequest, bool) {
	s := &r.shards[r.next.Add(1)%requestShards]
	a := &activeRequest{shard: s, owner: r, cancel: cancel, writer: w}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	s.active[a] = struct{}{}
	return a, true
}

// end is called when the request is over.
func (a *activeRequest) end() {
	a.shard.mu.Lock()
	delete(a.shard.active, a)
	closed := a.shard.closed
	a.shard.mu.Unlock()
	if !closed {
		return
	}
	select {
	case a.owner.ended <- struct{}{}:
	default:
	}
}

// close lets no further request begin.
func (r *requests) close() {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
	}
}

// count returns how many requests are in progress.
func (r *requests) count() int {
	n := 0
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n += len(s.active)
		s.mu.Unlock()
	}
	return n
}

// wait waits after close until no request is left, at most for limit. It returns how many
// are.
func (r *requests) wait(limit time.Duration) int {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		n := r.count()
		if n == 0 {
			return 0
		}
		select {
		case <-r.ended:
		case <-timer.C:
			return r.count()
		}
	}
}

// cancel ends the requests that are in progress: those that wait for something, and by a
// deadline those that are stuck in a transfer with a slow client.
func (r *requests) cancel() {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for a := range s.active {
			a.cancel()
			if a.writer == nil {
				continue
			}
			control := http.NewResponseController(a.writer)
			past := time.Unix(1, 0)
			_ = control.SetReadDeadline(past) // not every writer can
			_ = control.SetWriteDeadline(past)
		}
		s.mu.Unlock()
	}
}
