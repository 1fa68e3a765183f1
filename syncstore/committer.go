package syncstore

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// A group is what one transaction commits (DECISIONS 31).
	maxGroupBytes = 512 << 10
	maxGroupKeys  = 2000
	// maxGivenKeys is how many keys one change of what principals were given may write, and maxGivenBytes
	// how much: with a full group it is still what every engine takes.
	maxGivenKeys  = 5000
	maxGivenBytes = 3 << 20
	// recentKeys is how many written keys the committer remembers to judge freshness: some
	// seconds at full speed. What was prepared before that is prepared again.
	recentKeys = 32_768

	// maxGather bounds how long a group waits for more. It waits at most a quarter of what
	// the last commit took: the writers that it released are about to come back, and a
	// group that leaves without them costs a sync for a few of them, and they another.
	maxGather = time.Millisecond

	// backgroundWait is how long background work waits for a group to go with, if others wrote as
	// lately: a group of its own costs a sync for which these would have to wait.
	backgroundWait = 20 * time.Millisecond
	// maxPassedOver is how many groups may have no room for background work that waits. Of the next one it has half.
	maxPassedOver = 8

	recoverWait    = 100 * time.Millisecond
	maxRecoverWait = 10 * time.Second
)

// errStale says that a document was written since its change set was prepared.
var errStale = errors.New("prepared from an outdated state")

// committer is the only writer of a store. Requests hand it change sets; it takes those
// that wait, in turn over the requests, as one group, gives out sequences, and commits
// the group in one transaction with one sync to disk. Sequences are therefore without
// gaps and become visible in order.
type committer struct {
	store *Store

	mu         sync.Mutex
	arrived    chan struct{} // receives a value when something came to wait
	foreground []*commitRequest
	background []*commitRequest
	waiting    int // change sets in foreground
	closed     bool
	doubtful   bool

	// Of run's goroutine:
	recent   *recent
	lastSets int // foreground change sets of the last group
	lastTook time.Duration
	passed   int  // how many groups had no room for background work that waited
	full     bool // the last group found no room on the disk
	// asked is how many foreground change sets were taken.
	asked atomic.Uint64
	// lastAsked is when that was last, in nanoseconds since 1970.
	lastAsked atomic.Int64
	// committed is the number of the last group that is visible to snapshots.
	committed atomic.Uint64
}

// commitRequest is what one caller hands in: several change sets, each answered by
// itself.
type commitRequest struct {
	sets     []*changeSet
	taken    int
	answered int
	done     chan struct{}
}

func newCommitter(s *Store) *committer {
	return &committer{store: s, recent: newRecent(recentKeys), arrived: make(chan struct{}, 1)}
}

// commit hands in change sets and waits for the answers, which are in them.
func (c *committer) commit(sets ...*changeSet) { c.submit(sets, false) }

// commitBackground is commit at the lowest priority.
func (c *committer) commitBackground(sets ...*changeSet) { c.submit(sets, true) }

func (c *committer) submit(sets []*changeSet, background bool) {
	if len(sets) == 0 {
		return
	}
	request := &commitRequest{sets: sets, done: make(chan struct{})}
	c.mu.Lock()
	if c.closed || c.doubtful {
		c.mu.Unlock()
		fail(sets, ErrUnavailable)
		return
	}
	if background {
		c.background = append(c.background, request)
	} else {
		c.foreground = append(c.foreground, request)
		c.waiting += len(sets)
	}
	c.mu.Unlock()
	c.signal()
	<-request.done
}

func (c *committer) signal() {
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

func fail(sets []*changeSet, err error) {
	for _, set := range sets {
		set.err = err
	}
}

// close refuses what comes from now on and ends run when what waits is committed.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.signal()
}

// run commits until close.
func (c *committer) run() {
	for {
		group, ok := c.take()
		if !ok {
			return
		}
		if len(group.sets) > 0 {
			began := time.Now()
			c.commitGroup(group)
			c.lastTook = time.Since(began)
		}
		c.answer(group)
	}
}

// take waits for change sets and makes a group of them.
func (c *committer) take() (*group, bool) {
	if !c.await() {
		return nil, false
	}
	c.gather()
	c.mu.Lock()
	defer c.mu.Unlock()
	g := &group{number: c.committed.Load() + 1, moved: make(map[string]struct{})}
	c.recent.begin(g.number)
	if c.passed >= maxPassedOver {
		c.background = c.takeFrom(c.background, g, maxBackgroundKeys)
	}
	before := len(g.members)
	c.foreground = c.takeFrom(c.foreground, g, maxGroupKeys)
	c.lastSets = len(g.members) - before
	if c.lastSets > 0 {
		c.asked.Add(uint64(c.lastSets))
		c.lastAsked.Store(time.Now().UnixNano())
	}
	c.waiting -= c.lastSets
	c.background = c.takeFrom(c.background, g, maxGroupKeys)
	if c.passed++; len(c.background) == 0 || len(g.members) > c.lastSets {
		c.passed = 0
	}
	return g, true
}

// await returns when something waits, or false when the committer is closed and nothing
// does.
func (c *committer) await() bool {
	var alone <-chan time.Time // when background work goes alone
	for {
		c.mu.Lock()
		foreground, background, closed := len(c.foreground), len(c.background), c.closed
		c.mu.Unlock()
		if foreground > 0 || closed {
			return foreground+background > 0
		}
		if background > 0 && alone == nil {
			if !c.askedLately() {
				return true
			}
			timer := time.NewTimer(backgroundWait)
			defer timer.Stop()
			alone = timer.C
		}
		select {
		case <-c.arrived:
		case <-alone:
			return true
		}
	}
}

// askedLately reports whether somebody writes.
func (c *committer) askedLately() bool {
	return time.Since(time.Unix(0, c.lastAsked.Load())) <= backgroundWait
}

// gather gives the writers of the last group a moment to come back.
func (c *committer) gather() {
	if c.lastSets < 2 {
		return
	}
	timer := time.NewTimer(min(c.lastTook/4, maxGather))
	defer timer.Stop()
	for {
		c.mu.Lock()
		enough := c.waiting >= c.lastSets || c.closed
		c.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-c.arrived:
		case <-timer.C:
			return
		}
	}
}

// takeFrom moves change sets into the group, one of each request in turn, until it has so many keys or is full, and
// returns the requests that have some left, beginning with the one that is next in turn.
func (c *committer) takeFrom(queue []*commitRequest, g *group, keys int) []*commitRequest {
	for len(queue) > 0 && g.keys < keys && !g.full() {
		request := queue[0]
		set := request.sets[request.taken]
		if !g.fits(set) {
			break
		}
		request.taken++
		g.members = append(g.members, groupMember{request, set})
		if set.err = c.check(set); set.err == nil {
			if set.key != "" {
				c.recent.write(set.key)
			}
			for _, key := range set.principals {
				c.recent.write(key)
			}
			g.sets = append(g.sets, set)
			bytes, keys := set.weight()
			g.bytes += bytes
			g.keys += keys
		}
		queue[0] = nil
		queue = queue[1:]
		if request.taken < len(request.sets) {
			queue = append(queue, request)
		}
	}
	return queue
}

func (c *committer) check(set *changeSet) error {
	switch {
	case set.db != nil && !set.clears && !set.db.live.Load():
		return ErrNoDatabase
	case set.key != "" && !c.recent.fresh(set.key, set.base), set.policy.outdated():
		return errStale
	case slices.ContainsFunc(set.reads, func(key []byte) bool { return !c.recent.fresh(string(key), set.base) }):
		return errStale
	default:
		return set.checkSizes()
	}
}

// refuse turns away what waits and what comes, or stops doing so.
func (c *committer) refuse(refuse bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubtful = refuse
	if !refuse {
		return
	}
	for _, queue := range [][]*commitRequest{c.foreground, c.background} {
		for _, request := range queue {
			fail(request.sets[request.taken:], ErrUnavailable)
			request.answered += len(request.sets) - request.taken
			if request.answered == len(request.sets) {
				close(request.done)
			}
		}
	}
	c.foreground, c.background, c.waiting = nil, nil, 0
}

func (c *committer) recover() {
	var made []*Database
	for wait := recoverWait; ; wait = min(2*wait, maxRecoverWait) {
		var err error
		if made, err = c.store.recover(); err == nil {
			break
		}
		c.store.logger.Error("recovering the store failed; trying again", zap.Error(err), zap.Duration("in", wait))
		select {
		case <-time.After(wait):
		case <-c.store.ctx.Done():
			return
		}
	}
	// What was prepared before may rest on the group in doubt.
	number := c.committed.Add(1)
	c.recent.reset(number)
	c.refuse(false)
	for _, db := range made {
		c.store.publish(db) // only now, since it has something written
		c.store.options.Recovered(db)
	}
	c.store.logger.Info("the store is recovered; accepting writes")
}

// answer tells the requests whose change sets are all dealt with.
func (c *committer) answer(g *group) {
	for _, m := range g.members {
		m.request.answered++
		if m.request.answered == len(m.request.sets) {
			close(m.request.done)
		}
	}
}
