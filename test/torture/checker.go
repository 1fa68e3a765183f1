package main

import (
	"fmt"
	"strings"
	"sync"
)

const (
	// keptFindings bounds what a run that goes wrong from top to bottom remembers.
	keptFindings = 200
	// maxSequence is what a database can reach here; above it a sequence is nonsense, and
	// would be expensive to remember.
	maxSequence = 1 << 32
)

// row is a change as a feed with style=all_docs shows it.
type row struct {
	seq  uint64
	doc  string
	revs []string // the winner first
}

func (r row) leaves() string { return strings.Join(r.revs, " ") }

// checker collects what clients saw of one database and judges it. It knows nothing of
// HTTP: what it finds is tested with histories that never happened.
type checker struct {
	mu sync.Mutex
	// acks are the acknowledged writes by document, then revision; the number is the one in the body.
	acks map[string]map[string]int64
	// planted are revisions, by document, that came only as ancestors of a written one.
	planted map[string]map[string]struct{}
	// ledger is what was seen at each sequence.
	ledger    map[uint64]sighting
	followers []*follower
	high      uint64
	acked     int
	findings  []finding
	found     int
}

// sighting is the change that somebody saw at a sequence.
type sighting struct{ doc, leaves string }

func newChecker() *checker {
	return &checker{
		acks: map[string]map[string]int64{}, planted: map[string]map[string]struct{}{}, ledger: map[uint64]sighting{},
	}
}

// acknowledge notes a write that the server confirmed; n is the number in its body.
func (c *checker) acknowledge(doc, rev string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.acks[doc] == nil {
		c.acks[doc] = map[string]int64{}
	}
	c.acks[doc][rev] = n
	c.acked++
}

// plant notes a revision that is sent only as another one's ancestor, before it is sent.
func (c *checker) plant(doc, rev string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.planted[doc] == nil {
		c.planted[doc] = map[string]struct{}{}
	}
	c.planted[doc][rev] = struct{}{}
}

// floor is the highest sequence that anybody has seen so far.
func (c *checker) floor() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.high
}

// current notes the database's sequence, from a request sent after floor was read.
func (c *checker) current(floor, seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seq < floor {
		c.find(faultBack, "the database says %d, %d was seen before", seq, floor)
	}
	c.high = max(c.high, seq)
}

// report notes a fault that a client saw itself.
func (c *checker) report(f fault, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.find(f, format, args...)
}

// find is report with c.mu held.
func (c *checker) find(f fault, format string, args ...any) {
	c.found++
	if len(c.findings) < keptFindings {
		c.findings = append(c.findings, finding{f, fmt.Sprintf(format, args...)})
	}
}

// result is the faults found, of which at most keptFindings are kept, and their number.
func (c *checker) result() ([]finding, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]finding(nil), c.findings...), c.found
}

// see compares a row with what others saw at its sequence, with c.mu held.
func (c *checker) see(who string, r row) {
	seen, ok := c.ledger[r.seq]
	switch {
	case !ok:
		c.ledger[r.seq] = sighting{r.doc, r.leaves()}
		c.high = max(c.high, r.seq)
	case seen.doc != r.doc || seen.leaves != r.leaves():
		c.find(faultTwice, "%d is %s at %s, and %s at %s in %s", r.seq, seen.doc, seen.leaves, r.doc, r.leaves(), who)
	}
}

// follower is one feed, over all its connections: each goes on where the one before ended.
type follower struct {
	checker *checker
	name    string
	since   uint64 // where it began
	at      uint64 // how far it came
	rows    int
	seen    bitset
}

// follow begins a feed after a sequence.
func (c *checker) follow(name string, since uint64) *follower {
	f := &follower{checker: c, name: name, since: since, at: since}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.followers = append(c.followers, f)
	return f
}

// row notes a change that the feed showed.
func (f *follower) row(r row) {
	f.checker.mu.Lock()
	defer f.checker.mu.Unlock()
	if r.seq > maxSequence {
		f.checker.find(faultRow, "%s showed sequence %d", f.name, r.seq)
		return
	}
	if r.seq <= f.at {
		f.checker.find(faultBack, "%s showed %d (%s) after %d", f.name, r.seq, r.doc, f.at)
	}
	f.at = max(f.at, r.seq)
	f.rows++
	f.seen.set(r.seq)
	f.checker.see(f.name, r)
}

// reached notes that the feed says that it is at a sequence (last_seq).
func (f *follower) reached(seq uint64) {
	f.checker.mu.Lock()
	defer f.checker.mu.Unlock()
	if seq < f.at {
		f.checker.find(faultBack, "%s ended at %d after %d", f.name, seq, f.at)
	}
	f.at = max(f.at, seq)
	f.checker.high = max(f.checker.high, seq)
}

// position is how far the feed came.
func (f *follower) position() uint64 {
	f.checker.mu.Lock()
	defer f.checker.mu.Unlock()
	return f.at
}

// shown is how many rows the feed showed.
func (f *follower) shown() int {
	f.checker.mu.Lock()
	defer f.checker.mu.Unlock()
	return f.rows
}

// bitset is a set of small numbers.
type bitset []uint64

func (b *bitset) set(n uint64) {
	for uint64(len(*b)) <= n/64 {
		*b = append(*b, make([]uint64, 1+len(*b)/4)...)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b bitset) has(n uint64) bool { return n/64 < uint64(len(b)) && b[n/64]&(1<<(n%64)) != 0 }
