package syncstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// bodiesAtOnce is how many bodies of a document are dropped together: of one that is written all the time a page has
// hundreds, and each alone would take a commit, and a look at all the others for what they have attached.
const bodiesAtOnce = 250

// dropBodies prepares to remove bodies of superseded revisions of one document, those that the first of some due keys are
// of, and the references to attachments that only these revisions named.
func (s *Store) dropBodies(ctx context.Context, db *Database, keys [][]byte, work *dueWork) error {
	c, id, _, err := db.parseBodyKey(dueTarget(keys[0]))
	if err != nil {
		return err
	}
	set := work.set
	set.key, set.base = string(c.scope.head(id)), s.committer.committed.Load()
	return s.engine.View(ctx, func(r engine.Reader) error {
		h, err := headIn(r, []byte(set.key))
		if err != nil {
			return err
		}
		d := bodyDrop{collection: c, id: id, head: h, work: work, gone: sums{}}
		for _, key := range keys {
			if len(d.gone) >= maxBackgroundKeys {
				break
			}
			if err := d.take(r, key); err != nil {
				return err
			}
		}
		work.keys = keys[:work.bodies]
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
		work := &dueWork{set: &changeSet{db: db}}
		if err := s.dropBodies(ctx, db, keys, work); err != nil {
			return err
		}
		switch s.committer.commitBackground(work.set); {
		case work.set.err == nil:
			keys = keys[work.bodies:]
		case !errors.Is(work.set.err, errStale): // which it is by writes that were prepared before the lock was taken, each once
			return work.set.err
		}
	}
	return nil
}

// bodyDrop drops bodies of superseded revisions of one document.
type bodyDrop struct {
	collection *Collection
	id         string
	head       *head // nil: the document is gone
	work       *dueWork
	gone       sums // what they have attached
}

// take removes a due key, and the body that it is of. Bodies may be large: they are read one by one.
func (d *bodyDrop) take(r engine.Reader, key []byte) error {
	d.work.bodies++
	target := dueTarget(key)
	_, _, rev, err := d.collection.db.parseBodyKey(target)
	if err != nil {
		return err
	}
	if d.head != nil && d.head.leaf(rev) != nil {
		d.work.set.delete(key)
		return nil
	}
	record, err := r.Get(target)
	gone := errors.Is(err, engine.ErrNotFound)
	switch {
	case stopsSweep(err):
		return fmt.Errorf("reading a body: %w", err)
	case err != nil && !gone: // those that are dropped with it are not to blame
		d.log("the body of an old revision could not be read; it is tried again", rev, err)
		d.work.kept++
		return nil
	}
	d.work.set.delete(key)
	d.work.set.delete(target)
	if gone {
		return nil
	}
	stored, err := decodeStoredBody(record)
	if err != nil { // its time is over all the same; what it had attached stays
		d.log("dropping the body of an old revision that is damaged", rev, err)
		return nil
	}
	d.gone.note(&stored.leaf)
	return nil
}

func (d *bodyDrop) log(what string, rev Rev, err error) {
	d.collection.store.logger.Error(what, zap.String("document", d.id), zap.Stringer("revision", rev), zap.Error(err))
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
	ops := d.work.set.ops
	dropped := make(map[string]bool, len(ops))
	for i := range ops {
		dropped[string(ops[i].key)] = true
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
	d.gone.removeReferences(d.collection, d.id, d.work.set)
	return nil
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
