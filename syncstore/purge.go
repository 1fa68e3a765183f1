package syncstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// Purging says which revisions of a document go as if they had never been.
type Purging struct {
	ID string
	// Revs are leaves; nil means all there are.
	Revs []Rev
}

// Purge removes leaves of documents with their branches, without leaving a tombstone: of a
// document that has no leaf after that, nothing is left. Feeds do not tell of it, unless
// another leaf surfaces, and whoever has the document may write it again. It returns those
// leaves that were there, by document. What is purged stays so if Purge fails in between.
func (c *Collection) Purge(ctx context.Context, purges []Purging) ([][]Rev, error) {
	purged := make([][]Rev, len(purges))
	for i := range purges {
		var err error
		if purged[i], err = c.purge(ctx, purges[i]); err != nil {
			return nil, fmt.Errorf("purging a document: %w", err)
		}
	}
	return purged, nil
}

// Purges counts how often something was purged in the collection: what was computed from its
// documents before that may have something in it that is gone.
func (c *Collection) Purges(ctx context.Context) (n uint64, err error) {
	err = c.store.engine.View(ctx, func(r engine.Reader) error {
		n, err = readPurges(r.Get, c.scope.purges())
		return err
	})
	return n, err
}

func readPurges(get func(key []byte) ([]byte, error), key []byte) (uint64, error) {
	record, err := get(key)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("reading how often was purged: %w", err)
	case len(record) != 8:
		return 0, fmt.Errorf("%w: number of purges", ErrDamaged)
	}
	return binary.BigEndian.Uint64(record), nil
}

// purge removes leaves of one document. Writes of it are held up meanwhile, since what is
// read for it would be outdated.
func (c *Collection) purge(ctx context.Context, what Purging) ([]Rev, error) {
	if err := CheckID(what.ID); err != nil {
		return nil, err
	}
	key := c.scope.head(what.ID)
	unlock := c.store.locks.lock(string(key))
	defer unlock()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p := purger{collection: c, what: what}
		set, err := p.prepare(ctx)
		if errors.Is(err, errStale) {
			continue
		}
		if err != nil || set == nil {
			return nil, err
		}
		c.store.committer.commit(set)
		if !errors.Is(set.err, errStale) && (set.err != nil || !p.partly) {
			return p.gone, set.err
		}
	}
}

// purger prepares the purge of one document.
type purger struct {
	collection *Collection
	what       Purging
	state      docState
	// gone and left are the leaves that go and those that stay.
	gone []Rev
	left []leaf
	tree *tree // what stays of the ancestry; nil if nothing does
	set  *changeSet
	// partly: the set only drops some of the old bodies, and the purge is prepared anew after it.
	partly bool
}

// prepare returns the change set, nil if none of the leaves is there.
func (p *purger) prepare(ctx context.Context) (*changeSet, error) {
	c := p.collection
	edits := []Edit{{ID: p.what.ID}}
	states, err := c.loadStates(ctx, edits, []int{0}, true, 0)
	if err != nil || states[0].head == nil {
		return nil, err
	}
	p.state = states[0]
	for i := range p.state.head.Leaves {
		l := p.state.head.Leaves[i]
		if p.what.Revs == nil || slices.Contains(p.what.Revs, l.Rev) {
			p.gone = append(p.gone, l.Rev)
		} else {
			p.left = append(p.left, l)
		}
	}
	if len(p.gone) == 0 {
		return nil, nil
	}
	p.set = &changeSet{db: c.db, collection: c.scope.collection, key: string(p.state.key), base: p.state.base, counted: true}
	p.set.apply = func(tx *overlay) error {
		if len(p.left) == 0 {
			if err := c.unindex(tx, p.what.ID); err != nil {
				return err
			}
		}
		return p.count(tx)
	}
	p.set.after = c.rereadIndexes
	if IsDesign(p.what.ID) {
		p.set.designs = c
	}
	work := &preparation{ctx: ctx, collection: c, edit: &edits[0], options: &WriteOptions{}, state: p.state, set: p.set}
	if len(p.left) == 0 {
		p.removeAll(work)
	} else if err := p.keepLeft(work); err != nil {
		return nil, err
	}
	err = c.store.engine.View(ctx, func(r engine.Reader) error {
		if err := p.removeBodies(r); err != nil {
			return err
		}
		if errors.Is(p.set.checkSizes(), ErrTooLarge) {
			return p.dropSome(r)
		}
		if len(p.left) > 0 {
			return nil
		}
		return p.weigh(r)
	})
	return p.set, err
}

// count notes that something was purged.
func (p *purger) count(tx *overlay) error {
	key := p.collection.scope.purges()
	n, err := readPurges(tx.get, key)
	if err != nil {
		return err
	}
	tx.put(key, binary.BigEndian.AppendUint64(nil, n+1))
	return nil
}

// removeAll removes the document but for its bodies.
func (p *purger) removeAll(work *preparation) {
	s, h := p.collection.scope, p.state.head
	p.set.delete(p.state.key)
	p.set.delete(s.tree(p.what.ID))
	p.set.delete(s.seq(h.Seq))
	winner := h.winner()
	for _, name := range winner.Channels {
		p.set.delete(s.channel(name, h.Seq))
		p.set.gone = append(p.set.gone, name)
	}
	for _, span := range h.Spans {
		if span.To != 0 { // where the channel's index says that the document left
			p.set.delete(s.channel(span.Channel, span.To))
			p.set.gone = append(p.set.gone, span.Channel)
		}
	}
	changes := newGrantChanges(p.set, p.collection.store.options.Now().Unix())
	for i := range winner.Grants {
		changes.end(s, s.madeBy(p.what.ID, winner.Grants[i].Grant), winner.Grants[i].From)
	}
	if winner.Deleted {
		work.set.deleted--
	} else {
		work.set.docs--
	}
}

// keepLeft makes the document one of the leaves that are left.
func (p *purger) keepLeft(work *preparation) error {
	if err := work.loadTree(); err != nil {
		return err
	}
	p.tree = newTree()
	for i := range p.left {
		p.tree.graft(work.tree.history(p.left[i].Rev, 0))
	}
	p.tree.sort()
	key := p.collection.scope.tree(p.what.ID)
	if p.tree.trivial() {
		p.set.delete(key)
	} else {
		p.set.put(key, p.tree.encode())
	}
	old := p.state.head
	next := &head{
		Creator: old.Creator, Created: old.Created, Vector: old.Vector, Spans: slices.Clone(old.Spans),
		Leaves: slices.Clone(p.left), Body: old.Body,
	}
	sortLeaves(next.Leaves)
	if surfaced := next.winner().Rev; surfaced != old.winner().Rev {
		stored, err := work.storedBody(surfaced)
		if err != nil {
			return err
		}
		next.Body = stored.body
		p.set.delete(p.collection.scope.body(p.what.ID, surfaced))
	}
	work.advance(next, Rev{})
	work.writeChannels(next)
	if err := work.writeGrants(next); err != nil {
		return err
	}
	work.writeRow(next)
	work.writeExpiry(next.winner())
	p.set.add(op{key: p.state.key, value: next.encode(), keySeq: noSeq, valueSeq: headSeqAt})
	p.set.cached = next
	work.count(next)
	return nil
}
