package lite

import (
	"hash/maphash"
	"slices"
	"time"
)

const (
	// purgeTime is how long a client may take to purge what it was told that its user has lost. LiteCore answers
	// at once and purges later, some 20 ms as a rule. If the user is given the document again in between, it says
	// that it has the revision, purges it, and is never told of it again (seen with 3.2.4, 4.0.3 and 4.1).
	purgeTime = 2 * time.Second
	// maxPurging is of how many documents it is known that they were lost lately.
	maxPurging = 4096
)

// purges are the documents that a client may be purging, as hashes: many may be lost at once, by many clients. One
// that is taken for another only waits in vain.
type purges struct {
	seed    maphash.Seed
	batches []purgeBatch
	count   int // of documents
}

type purgeBatch struct {
	until time.Time
	ids   []uint64
}

// purged reports whether a client purges what a row tells of. A tombstone that left the channels it takes as one.
func (r *row) purged() bool { return r.flags&rowLost != 0 && r.flags != rowDeleted|rowRemoved }

// add takes up the lost documents of rows that a client has just answered, and reports whether there are any.
func (p *purges) add(rows []row, until time.Time) bool {
	b := purgeBatch{until: until}
	for i := range rows {
		if !rows[i].purged() {
			continue
		}
		if p.seed == (maphash.Seed{}) {
			p.seed = maphash.MakeSeed()
		}
		b.ids = append(b.ids, maphash.String(p.seed, rows[i].id))
	}
	if len(b.ids) == 0 {
		return false
	}
	p.batches = append(p.batches, b)
	p.count += len(b.ids)
	for p.count > maxPurging && len(p.batches) > 1 { // the oldest are purged first
		p.count -= len(p.batches[0].ids)
		p.batches = p.batches[1:]
	}
	return true
}

// until is when a document may be told of again, the zero time if it may be now.
func (p *purges) until(id string, now time.Time) time.Time {
	if len(p.batches) == 0 {
		return time.Time{}
	}
	hash := maphash.String(p.seed, id)
	for _, b := range slices.Backward(p.batches) {
		if b.until.After(now) && slices.Contains(b.ids, hash) {
			return b.until
		}
	}
	return time.Time{}
}

// forget drops what is purged.
func (p *purges) forget(now time.Time) {
	for len(p.batches) > 0 && !p.batches[0].until.After(now) {
		p.count -= len(p.batches[0].ids)
		p.batches = p.batches[1:]
	}
	if len(p.batches) == 0 {
		p.batches = nil // an idle feed keeps nothing
	}
}

// willPurge notes that the client purges what a message told it that it has lost.
func (f *feed) willPurge(rows []row) {
	takes := f.ks.r.server.purgeTime
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.purging.add(rows, time.Now().Add(takes)) {
		time.AfterFunc(takes, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.purging.forget(time.Now())
		})
	}
}

// heldForPurge reports whether a row has to wait for the client to purge its document, and sees to it that the feed
// then goes on. f.mu is held.
func (f *feed) heldForPurge(r *row) bool {
	if r.flags&rowLost != 0 {
		return false
	}
	now := time.Now()
	until := f.purging.until(r.id, now)
	if until.IsZero() {
		return false
	}
	f.held = r.id
	time.AfterFunc(until.Sub(now), func() {
		f.mu.Lock()
		f.held = ""
		f.mu.Unlock()
		f.signal()
	})
	return true
}
