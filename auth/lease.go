package auth

import (
	"cmp"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Lease is held by a response for as long as it is open. It ends by itself when its
// principal may no longer be answered.
type Lease struct {
	hub       *leaseHub
	principal *Principal
	done      chan struct{}

	// hub.mu guards the rest.
	reason string
	ended  bool
	closed bool
	end    time.Time // of the principal; zero if none
	slides bool      // keeps a session with an idle limit in use
	idle   time.Duration
	wake   time.Time // when the timer must look at the lease
	place  int       // in the heap, -1 if not there
	links  [leaseIndexes]leaseLink
}

// Done is closed when the lease has ended.
func (l *Lease) Done() <-chan struct{} { return l.done }

// Reason says why it ended; "" while it runs. It is a text for people.
func (l *Lease) Reason() string {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	return l.reason
}

// Close gives the lease back. It may be called more than once, and after Done.
func (l *Lease) Close() {
	l.hub.mu.Lock()
	already := l.closed
	l.closed = true
	if !already {
		l.hub.remove(l)
	}
	l.hub.mu.Unlock()
	if x := l.principal.session; x != nil && !already && l.Reason() == "" {
		l.hub.state.keepInUse(x, time.Now())
	}
}

// The indexes by which leases are found.
const (
	bySession = iota
	byIdentity
	bySID
	byUser
	leaseIndexes
)

// leaseIndexKey is a key of one of the indexes.
type leaseIndexKey struct {
	index int
	hash  [sha256.Size]byte // sessionKey or identityKey
	user  userRef
}

// leaseHeads are the first leases of the lists. There are some of them for each lease, so each index
// has a map with keys of its own size.
type leaseHeads struct {
	hashes [byUser]map[[sha256.Size]byte]*Lease
	users  map[userRef]*Lease
}

func newLeaseHeads() leaseHeads {
	heads := leaseHeads{users: make(map[userRef]*Lease)}
	for index := range heads.hashes {
		heads.hashes[index] = make(map[[sha256.Size]byte]*Lease)
	}
	return heads
}

func (h *leaseHeads) get(key leaseIndexKey) *Lease {
	if key.index == byUser {
		return h.users[key.user]
	}
	return h.hashes[key.index][key.hash]
}

// set makes a lease the first of its list; nil: there is none any more.
func (h *leaseHeads) set(key leaseIndexKey, l *Lease) {
	switch {
	case key.index != byUser && l != nil:
		h.hashes[key.index][key.hash] = l
	case key.index != byUser:
		delete(h.hashes[key.index], key.hash)
	case l != nil:
		h.users[key.user] = l
	default:
		delete(h.users, key.user)
	}
}

func (h *leaseHeads) len() int {
	n := len(h.users)
	for _, heads := range h.hashes {
		n += len(heads)
	}
	return n
}

// leaseLink is a lease's place in the list of one key.
type leaseLink struct {
	linked     bool
	prev, next *Lease
}

// leaseHub holds all open leases: indexed lists, and one heap with one timer for all
// ends, so that ten thousand leases cost no goroutine.
type leaseHub struct {
	state *State

	mu    sync.Mutex
	heads leaseHeads
	all   map[*Lease]struct{}
	heap  leaseHeap
	timer *time.Timer
	over  string // why new leases end at once
}

func (h *leaseHub) init(s *State) {
	h.state = s
	h.heads = newLeaseHeads()
	h.all = map[*Lease]struct{}{}
}

// add registers a lease; it does not end by time until setEnd.
func (h *leaseHub) add(p *Principal) *Lease {
	l := &Lease{hub: h, principal: p, done: make(chan struct{}), place: -1}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[l] = struct{}{}
	for index := range leaseIndexes {
		if key, ok := l.key(index); ok {
			h.link(l, key)
		}
	}
	if h.over != "" {
		h.finishLocked(l, h.over)
	}
	return l
}

// key is what the lease has in an index, from its principal, which does not change; false if it has
// nothing there.
func (l *Lease) key(index int) (key leaseIndexKey, ok bool) {
	p := l.principal
	switch index {
	case bySession:
		if p.session == nil {
			return key, false
		}
		return leaseIndexKey{index: index, hash: p.session.key}, true
	case byIdentity:
		return leaseIndexKey{index: index, hash: p.identity}, p.identity != identityKey{}
	case bySID:
		return leaseIndexKey{index: index, hash: p.sid}, p.sid != identityKey{}
	}
	name := cmp.Or(p.Name, p.user)
	return leaseIndexKey{index: index, user: userRef{p.db.ID, name}}, name != ""
}

func (h *leaseHub) link(l *Lease, key leaseIndexKey) {
	link := &l.links[key.index]
	link.linked = true
	if head := h.heads.get(key); head != nil {
		link.next = head
		head.links[key.index].prev = l
	}
	h.heads.set(key, l)
}

// remove forgets a lease. mu is held.
func (h *leaseHub) remove(l *Lease) {
	delete(h.all, l)
	for i := range l.links {
		link := &l.links[i]
		if !link.linked {
			continue
		}
		link.linked = false
		switch key, _ := l.key(i); {
		case link.prev != nil:
			link.prev.links[i].next = link.next
		case link.next != nil:
			h.heads.set(key, link.next)
		default:
			h.heads.set(key, nil)
		}
		if link.next != nil {
			link.next.links[i].prev = link.prev
		}
		link.prev, link.next = nil, nil
	}
	h.unplan(l)
}

// finish ends a lease.
func (h *leaseHub) finish(l *Lease, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.finishLocked(l, reason)
}

func (h *leaseHub) finishLocked(l *Lease, reason string) {
	if l.ended || l.closed {
		return
	}
	l.ended, l.reason = true, reason
	h.remove(l)
	close(l.done)
}

// terms are how long a principal may be answered without being judged anew.
type terms struct {
	end  time.Time     // zero: no end
	idle time.Duration // of its session; 0: no limit
}

// setTerms plans when the timer looks at the lease.
func (h *leaseHub) setTerms(l *Lease, t terms) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.ended || l.closed {
		return
	}
	l.end, l.idle = t.end, t.idle
	l.slides = l.principal.session != nil
	h.planLocked(l, time.Now())
}

func (h *leaseHub) planLocked(l *Lease, now time.Time) {
	h.unplan(l)
	l.wake = l.end
	if l.slides {
		// A feed keeps its session in use for as long as it is open.
		every := maxTouchInterval
		if l.idle > 0 {
			every = min(every, l.idle/3)
		}
		if next := now.Add(every); l.wake.IsZero() || next.Before(l.wake) {
			l.wake = next
		}
	}
	if !l.wake.IsZero() {
		h.plan(l)
	}
}

// alarm is the timer's: it ends what has expired and touches sessions.
func (h *leaseHub) alarm() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for len(h.heap) > 0 && !h.heap[0].wake.After(now) {
		l := h.heap[0]
		if !l.end.IsZero() && !now.Before(l.end) {
			h.finishLocked(l, l.principal.expiry())
			continue
		}
		h.state.keepInUse(l.principal.session, now)
		h.planLocked(l, now)
	}
	h.arm()
}

// collect lists the leases of a key.
func (h *leaseHub) collect(key leaseIndexKey) []*Lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []*Lease
	for l := h.heads.get(key); l != nil; l = l.links[key.index].next {
		list = append(list, l)
	}
	return list
}

func (h *leaseHub) judgeSession(k sessionKey) {
	h.judge(h.collect(leaseIndexKey{index: bySession, hash: k}))
}

// judgeIdentity judges the leases of an identity, or of a provider's session.
func (h *leaseHub) judgeIdentity(k identityKey) {
	h.judge(h.collect(leaseIndexKey{index: byIdentity, hash: k}))
	h.judge(h.collect(leaseIndexKey{index: bySID, hash: k}))
}

func (h *leaseHub) judgeUser(u userRef) {
	h.judge(h.collect(leaseIndexKey{index: byUser, user: u}))
}

// judgeAll judges every open lease, after the configuration changed.
func (h *leaseHub) judgeAll() {
	h.mu.Lock()
	list := make([]*Lease, 0, len(h.all))
	for l := range h.all {
		list = append(list, l)
	}
	h.mu.Unlock()
	h.judge(list)
}

// judge ends those leases that the current configuration and state refuse.
func (h *leaseHub) judge(list []*Lease) {
	if len(list) == 0 {
		return
	}
	service := h.state.current.Load()
	for _, l := range list {
		if service == nil {
			return
		}
		t, refusal := service.judge(h.state.ctx, l.principal)
		if refusal != nil {
			h.finish(l, leaseReason(refusal))
			continue
		}
		h.setTerms(l, t)
	}
}

// leaseReason is the text of a refusal for people: what is true, not what strangers
// are told.
func leaseReason(e *Error) string {
	if e.Detail != "" && e.Status != http.StatusInternalServerError {
		return e.Detail
	}
	return strings.TrimPrefix(e.Reason, "Invalid login: ")
}

// endAll ends all leases, also those to come.
func (h *leaseHub) endAll(reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = reason
	for l := range h.all {
		h.finishLocked(l, reason)
	}
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}

// count is the number of open leases.
func (h *leaseHub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}
