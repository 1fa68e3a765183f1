package lite

import (
	"context"
	"sync"
	"time"
)

// jobs runs a connection's requests, a few at once and the others in their order. It has
// goroutines only while there is something to do: an idle replication costs none.
type jobs struct {
	mu      sync.Mutex
	waiting []func()
	running int
	// unwanted is what the requests take that want no answer, and whose job is not over.
	unwanted int
	// freed has a member when there may be room for more of those, made by who waits for it.
	freed  chan struct{}
	most   int
	closed bool
	all    sync.WaitGroup
	// recovered is deferred around each job.
	recovered func()
}

const (
	// maxUnwantedJobs bounds what requests take that want no answer, in bytes: the connection
	// forgets of them as soon as they are here, and would take in any number.
	maxUnwantedJobs = 8 << 20
	// jobCost is what one is counted as besides its memory.
	jobCost = 512
	// roomPatience is how long the connection reads no further while there is no room for them: a
	// machine that is busy does not take long to make some.
	roomPatience = 5 * time.Second
)

// doUnwanted is do for a request that wants no answer, of so many bytes. It waits for room, not for
// long: what those before do may need an answer of the peer, which nobody reads meanwhile. It returns
// false, and does not do it, if too many of them wait then. Only one goroutine may call it.
func (j *jobs) doUnwanted(ctx context.Context, bytes int, job func()) bool {
	bytes += jobCost
	if !j.reserve(bytes) && !j.awaitRoom(ctx, bytes) {
		return false
	}
	j.do(func() {
		defer j.release(bytes)
		job()
	})
	return true
}

func (j *jobs) awaitRoom(ctx context.Context, bytes int) bool {
	if bytes > maxUnwantedJobs {
		return false
	}
	j.mu.Lock()
	freed := make(chan struct{}, 1)
	j.freed = freed
	j.mu.Unlock()
	timer := time.NewTimer(roomPatience)
	defer timer.Stop()
	for !j.reserve(bytes) {
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		case <-timer.C:
			return false
		}
	}
	return true
}

func (j *jobs) reserve(bytes int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unwanted+bytes > maxUnwantedJobs {
		return false
	}
	j.unwanted += bytes
	return true
}

func (j *jobs) release(bytes int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unwanted -= bytes
	select {
	case j.freed <- struct{}{}:
	default: // nobody waits, or knows already
	}
}

// do runs job soon. It does not wait; how many can be waiting is bounded by how many requests
// a peer may have open.
func (j *jobs) do(job func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return
	}
	if j.running == j.most {
		j.waiting = append(j.waiting, job)
		return
	}
	j.running++
	j.all.Add(1)
	go j.run(job)
}

func (j *jobs) run(job func()) {
	defer j.all.Done()
	for job != nil {
		j.one(job)
		job = j.next()
	}
}

func (j *jobs) one(job func()) {
	defer j.recovered()
	job()
}

func (j *jobs) next() (job func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting) == 0 || j.closed {
		j.running--
		return nil
	}
	job, j.waiting = j.waiting[0], j.waiting[1:]
	if len(j.waiting) == 0 {
		j.waiting = nil
	}
	return job
}

// line has jobs done one after the other, though they run beside each other.
type line struct {
	// last is closed when the last job is over, nil if there was none.
	last chan struct{}
}

// behind is job, to be begun in this order, which waits for those before.
func (l *line) behind(ctx context.Context, job func()) func() {
	before, over := l.last, make(chan struct{})
	l.last = over
	return func() {
		defer close(over)
		if before != nil {
			select {
			case <-before:
			case <-ctx.Done():
				return
			}
		}
		job()
	}
}

// close drops what waits and waits for what runs.
func (j *jobs) close() {
	j.mu.Lock()
	j.closed, j.waiting = true, nil
	j.mu.Unlock()
	j.all.Wait()
}
