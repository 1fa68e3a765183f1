package syncstore

import (
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// removeBodies removes the bodies of what goes, and the references to content that nothing
// of what stays names.
func (p *purger) removeBodies(r engine.Reader) error {
	named, kept := sums{}, sums{}
	for i := range p.state.head.Leaves {
		if l := &p.state.head.Leaves[i]; slices.Contains(p.gone, l.Rev) {
			named.note(l)
		} else {
			kept.note(l)
		}
	}
	err := p.eachBody(r, func(key []byte, l *leaf) {
		if p.tree != nil && p.tree.find(l.Rev) >= 0 {
			kept.note(l)
			return
		}
		named.note(l)
		p.set.delete(slices.Clone(key))
	})
	if err == nil {
		named.without(kept).removeReferences(p.collection, p.what.ID, p.set)
	}
	return err
}

// dropSome makes the set one that drops old bodies alone, as many as background work writes at once: a document that is
// written all the time has more of them than a transaction takes. Where there are none, the set stays as it is.
func (p *purger) dropSome(r engine.Reader) error {
	some := &changeSet{db: p.set.db, key: p.set.key, base: p.set.base}
	named, kept := sums{}, sums{}
	for i := range p.state.head.Leaves {
		kept.note(&p.state.head.Leaves[i])
	}
	err := p.eachBody(r, func(key []byte, l *leaf) {
		stays := p.state.head.leaf(l.Rev) != nil || p.tree != nil && p.tree.find(l.Rev) >= 0
		if stays || len(some.ops)+2*len(named) >= maxBackgroundKeys {
			kept.note(l)
			return
		}
		named.note(l)
		some.delete(slices.Clone(key))
	})
	if err != nil || len(some.ops) == 0 {
		return err
	}
	p.set, p.partly = some, true
	named.without(kept).removeReferences(p.collection, p.what.ID, p.set)
	return nil
}

// eachBody calls fn with the bodies that the document has beside its head, by their keys.
func (p *purger) eachBody(r engine.Reader, fn func(key []byte, l *leaf)) error {
	pairs, failed := r.Scan(engine.PrefixRange(p.collection.scope.bodies(p.what.ID)))
	for key, value := range pairs {
		stored, err := decodeStoredBody(value)
		if err != nil {
			return err
		}
		fn(key, &stored.leaf)
	}
	if err := failed(); err != nil {
		return fmt.Errorf("reading bodies: %w", err)
	}
	return nil
}
