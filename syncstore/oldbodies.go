package syncstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// bodiesAtOnce is how many bodies of a document are dropped together: of one that is written all the time a page has
// hundreds, and each alone would take a commit, and a look at all the others for what they have attached.
const bodiesAtOnce = 250

// dropBodies has the set remove bodies of superseded revisions of one document, those that the first of some due keys are
// of, and the references to attachments that only these revisions named.
func (s *Store) dropBodies(ctx context.Context, db *Database, keys [][]byte, set *changeSet) error {
	c, id, _, err := db.parseBodyKey(dueTarget(keys[0]))
	if err != nil {
		return err
	}
	set.key, set.base = string(c.scope.head(id)), s.committer.committed.Load()
	return s.engine.View(ctx, func(r engine.Reader) error {
		h, err := headIn(r, []byte(set.key))
		if err != nil {
			return err
		}
		d := bodyDrop{collection: c, id: id, head: h, set: set, gone: sums{}}
		for some := range slices.Chunk(keys, readsAtOnce) {
			if err := d.take(r, some); err != nil {
				return err
			}
		}
		return d.dropReferences(r)
	})
}

// dropBodiesFirst does so for a document that is written again and again, before the next write of it.
func (s *Store) dropBodiesFirst(ctx context.Context, db *Database, keys [][]byte) error {
	c, id, _, err := db.parseBodyKey(dueTarget(keys[0]))
	if err != nil {
		return err
	}
	defer s.locks.lock(string(c.scope.head(id)))()
	for len(keys) > 0 {
		set := &changeSet{db: db}
		if err := s.dropBodies(ctx, db, keys, set); err != nil {
			return err
		}
		switch s.committer.commitBackground(set); {
		case set.err == nil:
			keys = keys[set.bodies:]
		case !errors.Is(set.err, errStale): // as a write can be that was prepared before the lock was taken, each once
			return set.err
		}
	}
	return nil
}

// bodyDrop drops bodies of superseded revisions of one document.
type bodyDrop struct {
	collection *Collection
	id         string
	head       *head // nil: the document is gone
	set        *changeSet
	gone       sums // what they have attached
}

// take has the set remove due keys, and the bodies that they are of, until it is large enough.
func (d *bodyDrop) take(r engine.Reader, keys [][]byte) error {
	targets := make([][]byte, len(keys))
	for i, key := range keys {
		targets[i] = dueTarget(key)
	}
	records, err := r.GetMany(targets)
	if err != nil {
		return fmt.Errorf("reading bodies: %w", err)
	}
	for i, record := range records {
		if len(d.gone) >= maxBackgroundKeys {
			return nil
		}
		d.set.bodies++
		d.set.delete(keys[i])
		if record == nil {
			continue
		}
		stored, err := decodeStoredBody(record)
		if err != nil {
			return err
		}
		if d.head == nil || d.head.leaf(stored.leaf.Rev) == nil {
			d.set.delete(targets[i])
			d.gone.note(&stored.leaf)
		}
	}
	return nil
}

// dropReferences removes the references of what goes that neither a leaf nor another kept body of the document shares.
func (d *bodyDrop) dropReferences(r engine.Reader) error {
	if d.head != nil {
		for i := range d.head.Leaves {
			d.gone.forget(&d.head.Leaves[i])
		}
	}
	if len(d.gone) == 0 {
		return nil // as a rule: it has its attachments still
	}
	dropped := make(map[string]bool, len(d.set.ops))
	for i := range d.set.ops {
		dropped[string(d.set.ops[i].key)] = true
	}
	pairs, failed := r.Scan(engine.PrefixRange(d.collection.scope.bodies(d.id)))
	for key, value := range pairs {
		if dropped[string(key)] {
			continue
		}
		stored, err := decodeStoredBody(value)
		if err != nil {
			return err
		}
		if d.gone.forget(&stored.leaf); len(d.gone) == 0 {
			return nil
		}
	}
	if err := failed(); err != nil {
		return fmt.Errorf("reading bodies: %w", err)
	}
	d.gone.removeReferences(d.collection, d.id, d.set)
	return nil
}

// dueTarget is what a due key is about.
func dueTarget(key []byte) []byte { return key[prefixSize+8:] }

// documentOfBody is the part of a due key of an old body that says which document's it is.
func documentOfBody(key []byte) (string, bool) {
	if len(key) <= 2*prefixSize+8 || dueTarget(key)[0] != kindBody {
		return "", false
	}
	target := dueTarget(key)
	_, rest, ok := cutTerminated(target[prefixSize:])
	return string(target[:len(target)-len(rest)]), ok
}

// parseBodyKey reads what scope.body wrote.
func (d *Database) parseBodyKey(key []byte) (c *Collection, id string, rev Rev, err error) {
	id, rest, ok := cutTerminated(key[min(prefixSize, len(key)):])
	if !ok || len(rest) < 9 {
		return nil, "", Rev{}, fmt.Errorf("%w: key of a body", ErrDamaged)
	}
	rev.Gen = binary.BigEndian.Uint64(rest)
	if rev.Digest, err = unpackDigest(rest[8:]); err != nil {
		return nil, "", Rev{}, err
	}
	c, err = d.byNumber(binary.BigEndian.Uint32(key[5:]))
	return c, id, rev, err
}
