package syncstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// Write makes the edits, each by itself: a conflict of one does not stop the others. An
// edit sees those of the same document before it, and is not refused for what another one of
// them gives its writer, wherever that stands. Write returns when everything it
// acknowledges is on stable storage, with a result for each edit in its place.
//
// When ctx ends, edits that were not handed to the committer yet are answered with its
// error; those that were are finished.
func (c *Collection) Write(ctx context.Context, edits []Edit, o WriteOptions) []WriteResult {
	results := make([]WriteResult, len(edits))
	for i, edit := range edits {
		results[i].ID = edit.ID
	}
	for _, round := range rounds(edits) {
		c.writeRound(ctx, edits, round, o, results)
	}
	for i := range results {
		c.count(&results[i])
	}
	return results
}

func (c *Collection) count(result *WriteResult) {
	switch {
	case result.Err == nil && result.Seq != 0:
		c.store.stats.writes.Add(1)
	case errors.Is(result.Err, ErrConflict):
		c.store.stats.conflicts.Add(1)
	}
}

// rounds splits edits so that each round names a document once: the n-th edit of a
// document is in the n-th round.
func rounds(edits []Edit) [][]int {
	if len(edits) == 1 {
		return [][]int{{0}}
	}
	var all [][]int
	times := make(map[string]int, len(edits))
	for i := range edits {
		n := times[edits[i].ID]
		times[edits[i].ID]++
		if n == len(all) {
			all = append(all, nil)
		}
		all[n] = append(all[n], i)
	}
	return all
}

// writeRound writes edits of different documents. What was overtaken by another write
// is prepared again; after staleRounds under its key's lock. What was refused is judged again when one
// beside it gave something, however often that one was overtaken before.
func (c *Collection) writeRound(ctx context.Context, edits []Edit, round []int, o WriteOptions, results []WriteResult) {
	var refused []int
	for n := 0; len(round) > 0; n++ {
		a := attempt{collection: c, edits: edits, o: &o, results: results}
		if n < staleRounds {
			a.all(ctx, round)
		} else {
			for _, i := range round {
				a.locked(ctx, i)
			}
		}
		round, refused = a.stale, append(refused, a.refused...)
		if a.gave {
			// They were judged before: a device that was offline sends a list and its items together.
			round, refused = append(round, refused...), nil
			slices.Sort(round)
		}
		c.store.stats.retries.Add(uint64(len(round)))
	}
}

// attempt is one try to write edits of different documents.
type attempt struct {
	collection *Collection
	edits      []Edit
	o          *WriteOptions
	results    []WriteResult
	// keyLocked: the lock of the document's key is held.
	keyLocked bool
	// stale were overtaken by another write, refused were not let by the policy; gave: one of the edits that were
	// written changed what somebody has.
	stale, refused []int
	gave           bool
}

// all tries some edits.
func (a *attempt) all(ctx context.Context, indexes []int) {
	for len(indexes) > 0 {
		indexes = indexes[a.some(ctx, indexes):]
	}
}

// locked tries one edit under its key's lock until no other is before it.
func (a *attempt) locked(ctx context.Context, i int) {
	unlock := a.collection.store.locks.lock(string(a.collection.scope.head(a.edits[i].ID)))
	defer unlock()
	a.keyLocked = true
	defer func() { a.keyLocked = false }()
	for before := len(a.stale); ; a.stale = a.stale[:before] {
		// Writes that were prepared before the lock was taken can still come first, each once.
		if a.some(ctx, []int{i}); len(a.stale) == before {
			return
		}
	}
}

// stateBytes is about how much of documents is read at once to write them: a request may delete thousands.
const stateBytes = 8 << 20

// treesAtOnce is how many ancestries are read at once: some 20 KB each, of a document of a thousand generations.
const treesAtOnce = 100

// some writes the first of the edits that are left, from one state of the store, and returns how many.
func (a *attempt) some(ctx context.Context, indexes []int) int {
	c, edits, results := a.collection, a.edits, a.results
	states, err := c.loadStates(ctx, edits, indexes, a.keyLocked, stateBytes)
	if errors.Is(err, ErrDamagedDocument) && len(indexes) > 1 { // the others are not to blame
		return a.some(ctx, indexes[:len(indexes)/2])
	}
	if err != nil {
		for _, i := range indexes {
			results[i].Err = err
		}
		return len(indexes)
	}
	indexes = indexes[:len(states)]
	sets := make([]*changeSet, 0, len(indexes))
	owners := make([]int, 0, len(indexes))
	for n, i := range indexes {
		p := preparation{ctx: ctx, collection: c, edit: &edits[i], options: a.o, state: states[n]}
		set, rev, err := p.prepare()
		results[i].Rev, results[i].Err = rev, err
		switch {
		case errors.Is(err, errStale), err != nil && states[n].guessed:
			// What the committer does not see it cannot find stale.
			a.stale = append(a.stale, i)
			continue
		case errors.Is(err, ErrRejected):
			a.refused = append(a.refused, i)
			continue
		case err != nil:
			continue
		case set == nil:
			// The revision is here already. The committer says whether that is beyond doubt.
			set = &changeSet{db: c.db}
		}
		sets = append(sets, set)
		owners = append(owners, i)
	}
	c.store.committer.commit(sets...)
	for n, set := range sets {
		i := owners[n]
		a.gave = a.gave || set.err == nil && len(set.principals)+len(set.given) > 0
		if errors.Is(set.err, errStale) {
			a.stale = append(a.stale, i)
			continue
		}
		results[i].Seq, results[i].Err = set.seq, set.err
	}
	return len(indexes)
}

// docState is a document as a write found it.
type docState struct {
	key []byte
	// name is key as the store's maps have it.
	name string
	// base is the last commit that the state surely includes.
	base uint64
	// guessed: that there was no document was said some time ago.
	guessed bool
	head    *head // nil: there is no such document
	// tree is the stored ancestry, nil if there is none.
	tree []byte
}

// loadStates reads the documents of edits, from the cache where it has them: those of the first edits, if all are
// more than about most bytes, of all if most is 0.
func (c *Collection) loadStates(ctx context.Context, edits []Edit, indexes []int, locked bool, most int) ([]docState, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	base := c.store.committer.committed.Load()
	states := make([]docState, len(indexes))
	var missing []int
	epochs := make([]uint64, len(indexes))
	for n, i := range indexes {
		state := &states[n]
		state.key, state.base = c.scope.head(edits[i].ID), base
		state.name = string(state.key)
		if !locked {
			c.store.locks.wait(state.name)
		}
		if state.head, epochs[n] = c.store.cache.get(state.key); state.head != nil {
			continue
		}
		if seen, ok := c.store.absent.take(state.name); ok && !locked {
			state.base, state.guessed = seen, true
			continue
		}
		missing = append(missing, n)
	}
	if !c.needsRead(states, missing) {
		return states, nil
	}
	n := len(states)
	err := c.store.engine.View(ctx, func(r engine.Reader) error {
		var err error
		if n, err = c.readHeads(r, states, missing, epochs, most); err != nil {
			return err
		}
		n, err = c.readTrees(r, edits, indexes[:n], states[:n], most)
		return err
	})
	return states[:n], err
}

// needsRead reports whether something of the states is in storage only.
func (c *Collection) needsRead(states []docState, missing []int) bool {
	if len(missing) > 0 {
		return true
	}
	for i := range states {
		if h := states[i].head; h != nil && h.hasTree() {
			return true
		}
	}
	return false
}

// hasTree reports whether the document's ancestry may be stored: a first revision has
// none.
func (h *head) hasTree() bool { return len(h.Leaves) > 1 || h.winner().Rev.Gen > 1 }

// readHeads reads what is missing, and returns how many of the states are whole then.
func (c *Collection) readHeads(r engine.Reader, states []docState, missing []int, epochs []uint64, most int) (n int, err error) {
	size := 0
	for at := 0; at < len(missing); at += readsAtOnce {
		if most > 0 && size >= most {
			return missing[at], nil
		}
		page := missing[at:min(at+readsAtOnce, len(missing))]
		keys := make([][]byte, len(page))
		for k, n := range page {
			keys[k] = states[n].key
		}
		records, err := r.GetMany(keys)
		if err != nil {
			return 0, fmt.Errorf("reading documents: %w", err)
		}
		for k, n := range page {
			if records[k] == nil {
				continue
			}
			size += len(records[k])
			h, err := decodeHead(records[k])
			if err != nil {
				return 0, err
			}
			states[n].head = h
			c.store.cache.offer(states[n].key, h, epochs[n])
		}
	}
	return len(states), nil
}

// readTrees reads the ancestries of documents that have one, and returns how many of the states are whole then.
func (c *Collection) readTrees(r engine.Reader, edits []Edit, indexes []int, states []docState, most int) (n int, err error) {
	var keys [][]byte
	var owners []int
	for n, i := range indexes {
		if h := states[n].head; h != nil && h.hasTree() {
			keys = append(keys, c.scope.tree(edits[i].ID))
			owners = append(owners, n)
		}
	}
	size := 0
	for at := 0; at < len(keys); at += treesAtOnce {
		if most > 0 && size >= most {
			return owners[at], nil
		}
		end := min(at+treesAtOnce, len(keys))
		records, err := r.GetMany(keys[at:end])
		if err != nil {
			return 0, fmt.Errorf("reading ancestries: %w", err)
		}
		for k, n := range owners[at:end] {
			states[n].tree = records[k]
			size += len(records[k])
		}
	}
	return len(states), nil
}
