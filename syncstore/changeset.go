package syncstore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const (
	// maxBackgroundKeys bounds a change set of background work (DECISIONS 30).
	maxBackgroundKeys = 1000
	noSeq             = -1
	// usualOps is how many keys most documents write at most.
	usualOps = 4
)

// changeSet is what one document, or one record, wants written: everything or
// nothing. It is prepared outside the committer, which checks it, gives it a sequence
// if it asks for one, and commits it together with others.
type changeSet struct {
	db *Database // nil: of the store as a whole
	// key is what freshness is judged by: the set is stale if a commit after base wrote
	// it. "" is never stale.
	key  string
	base uint64
	ops  []op
	size int

	// row asks for a sequence: it is the feed's row of the change.
	row []byte
	// collection, channels and left say whom the row concerns: where the document is, the
	// channels that it is in, and those that it left. Of those in gone, rows go for good.
	collection           uint32
	channels, left, gone []string
	// principals are those whose access the set changes, by their keys of kindAccess. Without
	// a row, they ask for a sequence too.
	principals []string

	// counted asks for a sequence without a row.
	counted bool

	// policy and reads are what the set was judged under: it is stale if the collection has
	// another policy, or if a commit after base changed the access of one of reads
	// (DECISIONS 33).
	policy *judgement
	reads  [][]byte
	// designs, if set, is the collection of which the set changes a design document.
	designs *Collection
	// docs and deleted are added to the database's counts of documents.
	docs, deleted int64
	// cached is the document as it will be, for the cache; nil removes it.
	cached *head

	// apply, if set, reads and writes in the transaction, for what depends on the
	// state at the time of the commit. An error drops this set alone.
	apply func(tx *overlay) error
	// applied is about what apply writes, beside what every one is taken to.
	applied struct{ bytes, keys int }
	// given are the sets that apply turned out to need, for what was given to principals.
	given []*changeSet
	// clears lets the set write to a database that is being deleted.
	clears bool

	// after, if set, runs when the set is committed, before anybody is told.
	after func()

	// The committer's answer.
	seq uint64
	err error
}

// judgement is the policy that a write was judged by, and of when the design documents are.
type judgement struct {
	collection *Collection
	policy     *Policy
	designs    uint64
}

// outdated reports whether the collection has another policy by now, or other design
// documents.
func (j *judgement) outdated() bool {
	return j != nil && (j.collection.policy.Load() != j.policy || j.collection.designVersion.Load() != j.designs)
}

// op writes one key. keySeq and valueSeq say where the committer puts the sequence of
// the change into the key and the value; noSeq: nowhere.
type op struct {
	key, value       []byte
	deletes          bool
	keySeq, valueSeq int
}

func (c *changeSet) put(key, value []byte) {
	c.add(op{key: key, value: value, keySeq: noSeq, valueSeq: noSeq})
}

func (c *changeSet) delete(key []byte) {
	c.add(op{key: key, deletes: true, keySeq: noSeq, valueSeq: noSeq})
}

func (c *changeSet) add(o op) {
	c.ops = append(c.ops, o)
	c.size += len(o.key) + len(o.value)
}

// What an apply is taken to write, beside what its set says: it is not known before.
const (
	applyBytes = 4 << 10
	applyKeys  = 16
)

// weight is what the set adds to a group.
func (c *changeSet) weight() (bytes, keys int) {
	bytes, keys = c.size, len(c.ops)
	if c.apply != nil {
		bytes += applyBytes + c.applied.bytes
		keys += applyKeys + c.applied.keys
	}
	return bytes, keys
}

// What a set may write at most: every engine takes it, beside what else its group has.
const (
	maxSetKeys  = maxGroupKeys + maxGivenKeys
	maxSetBytes = 3584 << 10
	// apart are values that do not count: engines keep them apart.
	apart = 64 << 10
)

// checkSizes refuses what no engine has to take: it would fail the whole group, and be told as a failure of the
// store.
func (c *changeSet) checkSizes() error {
	size := 0
	for i := range c.ops {
		o := &c.ops[i]
		if len(o.key) > engine.MaxKeySize || len(o.value) > engine.MaxValueSize {
			return fmt.Errorf("record: %w", ErrTooLarge)
		}
		if size += len(o.key); len(o.value) < apart {
			size += len(o.value)
		}
	}
	if len(c.ops) > maxSetKeys || size > maxSetBytes {
		return fmt.Errorf("channels and grants: %w: they take %d records of %d bytes in all, and a change may have %d of %d",
			ErrTooLarge, len(c.ops), size, maxSetKeys, maxSetBytes)
	}
	return nil
}

// stamp writes the sequence into the ops that wait for it.
func (c *changeSet) stamp(seq uint64) {
	c.seq = seq
	for i := range c.ops {
		o := &c.ops[i]
		if o.keySeq != noSeq {
			binary.BigEndian.PutUint64(o.key[o.keySeq:], seq)
		}
		if o.valueSeq != noSeq {
			binary.BigEndian.PutUint64(o.value[o.valueSeq:], seq)
		}
	}
}

func (c *changeSet) writeTo(tx engine.Txn) error {
	for i := range c.ops {
		var err error
		if o := &c.ops[i]; o.deletes {
			err = tx.Delete(o.key)
		} else {
			err = tx.Put(o.key, o.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// overlay is the view of a transaction that one change set's apply gets: it reads what
// the transaction has, and its own writes, which reach the transaction only if apply
// returns no error.
type overlay struct {
	tx     engine.Txn
	writes map[string]*op
	order  []*op
	// given is what principals are to have from administrators and tokens.
	given map[givenKey][]Given
}

func newOverlay(tx engine.Txn) *overlay {
	return &overlay{tx: tx, writes: make(map[string]*op)}
}

// get returns a value, or engine.ErrNotFound.
func (o *overlay) get(key []byte) ([]byte, error) {
	if w, ok := o.writes[string(key)]; ok {
		if w.deletes {
			return nil, engine.ErrNotFound
		}
		return w.value, nil
	}
	return o.tx.Get(key)
}

func (o *overlay) put(key, value []byte) { o.write(&op{key: key, value: value}) }
func (o *overlay) delete(key []byte)     { o.write(&op{key: key, deletes: true}) }

func (o *overlay) write(w *op) {
	if old, ok := o.writes[string(w.key)]; ok {
		*old = *w
		return
	}
	o.writes[string(w.key)] = w
	o.order = append(o.order, w)
}

func (o *overlay) flush() error {
	for _, w := range o.order {
		var err error
		if w.deletes {
			err = o.tx.Delete(w.key)
		} else {
			err = o.tx.Put(w.key, w.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// next advances a counter of the store and returns its new value.
func (o *overlay) next(counter string) (uint64, error) {
	var n uint64
	switch value, err := o.get(storeKey(counter)); {
	case err == nil && len(value) == 8:
		n = binary.BigEndian.Uint64(value)
	case err != nil && !errors.Is(err, engine.ErrNotFound):
		return 0, err
	}
	n++
	o.put(storeKey(counter), binary.BigEndian.AppendUint64(nil, n))
	return n, nil
}
