package main

import (
	"maps"
	"slices"
)

// positions are how far the followers are. They must be taken before the rows of an
// audit are read: a row that is still current then was current when a feed went past it.
func (c *checker) positions() map[*follower]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := make(map[*follower]uint64, len(c.followers))
	for _, f := range c.followers {
		at[f] = f.at
	}
	return at
}

// audit compares all rows of the database, from one answer, with what the feeds showed up
// to their positions. A long answer may be read in several snapshots, so that a document
// that is written meanwhile may come twice.
func (c *checker) audit(at map[*follower]uint64, rows []row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var before uint64
	for _, r := range rows {
		if r.seq <= before {
			c.find(faultBack, "all changes: %d (%s) after %d", r.seq, r.doc, before)
		}
		before = r.seq
		c.see("all changes", r)
		for f, position := range at {
			if r.seq > f.since && r.seq <= position && !f.seen.has(r.seq) {
				c.find(faultSkipped, "%s is at %d and never showed %d (%s)", f.name, position, r.seq, r.doc)
			}
		}
	}
}

// document is what the server says of a document at the end.
type document struct {
	leaves  map[string]leaf
	history map[string]struct{} // every revision of the tree, the leaves too
}

type leaf struct {
	n       int64 // the number in its body
	deleted bool
}

// state is the database at the end, when nobody writes any more.
type state struct {
	base      uint64 // the sequence before the first change
	seq       uint64
	rows      []row
	documents map[string]document
}

// conclude judges the end: with it everything that was seen before must agree. The feeds
// must have come to the last sequence.
func (c *checker) conclude(s state) {
	at := make(map[*follower]uint64)
	for f := range c.positions() {
		at[f] = s.seq
	}
	c.audit(at, s.rows)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checkWrites(s)
	c.checkSightings(s)
	c.checkRows(s)
	c.checkCount(s)
}

// checkWrites: every acknowledged write is a revision of the tree, so that it or a
// descendant is a leaf.
func (c *checker) checkWrites(s state) {
	for doc, revs := range c.acks {
		d := s.documents[doc]
		for rev, n := range revs {
			if _, ok := d.history[rev]; !ok {
				c.find(faultLost, "%s at %s; its leaves are %v", doc, rev, slices.Sorted(maps.Keys(d.leaves)))
				continue
			}
			if l, ok := d.leaves[rev]; ok && !l.deleted && l.n != n {
				c.find(faultBody, "%s at %s has number %d, %d was written", doc, rev, l.n, n)
			}
		}
	}
}

// checkSightings: what any feed showed was committed, so it must be there as well.
func (c *checker) checkSightings(s state) {
	for seq, seen := range c.ledger {
		if seq > s.seq {
			c.find(faultBack, "the database ends at %d, %d (%s) was seen", s.seq, seq, seen.doc)
		}
		d := s.documents[seen.doc]
		start := 0
		for i := 0; i <= len(seen.leaves); i++ {
			if i < len(seen.leaves) && seen.leaves[i] != ' ' {
				continue
			}
			if rev := seen.leaves[start:i]; rev != "" {
				if _, ok := d.history[rev]; !ok {
					c.find(faultVanished, "%s at %s, seen at %d", seen.doc, rev, seq)
				}
			}
			start = i + 1
		}
	}
}

// checkRows: a document has one row, which names its leaves.
func (c *checker) checkRows(s state) {
	rows := make(map[string]uint64, len(s.rows))
	for _, r := range s.rows {
		if other, ok := rows[r.doc]; ok {
			c.find(faultRow, "all changes: %s is at %d and at %d", r.doc, other, r.seq)
		}
		rows[r.doc] = r.seq
		if r.seq > s.seq {
			c.find(faultRow, "%s is at %d, the database at %d", r.doc, r.seq, s.seq)
		}
		leaves := slices.Sorted(maps.Keys(s.documents[r.doc].leaves))
		if shown := slices.Sorted(slices.Values(r.revs)); !slices.Equal(shown, leaves) {
			c.find(faultRow, "%d shows %s with %v, it has %v", r.seq, r.doc, shown, leaves)
		}
	}
	for doc := range s.documents {
		if rows[doc] == 0 {
			c.find(faultSkipped, "all changes have no row of %s", doc)
		}
	}
}

// checkCount: each revision was made by one commit with one sequence, apart from those
// that came only as ancestors. More sequences than revisions is a gap, fewer means that
// one was given twice.
func (c *checker) checkCount(s state) {
	var commits uint64
	for doc, d := range s.documents {
		for rev := range d.history {
			if _, ancestor := c.planted[doc][rev]; !ancestor {
				commits++
			}
		}
	}
	switch given := s.seq - s.base; {
	case given > commits:
		c.find(faultGap, "%d sequences for %d revisions", given, commits)
	case given < commits:
		c.find(faultTwice, "%d sequences for %d revisions", given, commits)
	}
}
