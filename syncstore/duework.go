package syncstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// dueWork is a change set that does what due keys ask for, and removes them.
type dueWork struct {
	keys [][]byte
	set  *changeSet
	// bodies is how many bodies of superseded revisions it drops, kept how many of the keys it leaves for another time.
	bodies, kept int
}

// dueTogether are due keys as they are dealt with: those of documents of a collection together, and those of old bodies of a
// document, the others one by one.
func dueTogether(db *Database, keys [][]byte) (all [][][]byte) {
	groups := make(map[string]int)
	for _, key := range keys {
		group, most := dueGroup(key)
		if most == 1 || db == nil {
			all = append(all, [][]byte{key})
			continue
		}
		at, known := groups[group]
		if !known || len(all[at]) == most {
			at = len(all)
			groups[group] = at
			all = append(all, nil)
		}
		all[at] = append(all[at], key)
	}
	return all
}

// dueGroup is the part of a due key that it has in common with those that it is dealt with together, and how many these are
// at most.
func dueGroup(key []byte) (group string, most int) {
	if len(key) <= 2*prefixSize+8 {
		return "", 1
	}
	switch target := dueTarget(key); target[0] {
	case kindHead:
		return string(target[:prefixSize]), expiredAtOnce
	case kindBody:
		_, rest, ok := cutTerminated(target[prefixSize:])
		if !ok {
			return "", 1
		}
		return string(target[:len(target)-len(rest)]), bodiesAtOnce
	}
	return "", 1
}

// dueTarget is what a due key is about.
func dueTarget(key []byte) []byte { return key[prefixSize+8:] }

// dueSet returns the change set that does what the first of some due keys asks for, or the first several that are dealt with
// together.
func (s *Store) dueSet(ctx context.Context, db *Database, keys [][]byte) (*dueWork, error) {
	key := keys[0]
	if len(key) <= prefixSize+8 {
		return nil, fmt.Errorf("%w: due key", ErrDamaged)
	}
	target, set := dueTarget(key), &changeSet{db: db}
	work := &dueWork{keys: keys[:1], set: set}
	switch {
	case db == nil:
	case target[0] == kindHead:
		return work, s.expireDocuments(ctx, db, keys, work)
	case target[0] == kindBody:
		return work, s.dropBodies(ctx, db, keys, work)
	}
	set.delete(key)
	var err error
	switch kind := target[0]; {
	case kind == kindContent && db != nil:
		s.collectContent(db, target, set)
	case kind == kindChunk && db != nil:
		err = s.clearBlob(db, key, target, set)
	case kind == kindRecord:
		s.expireRecord(target, set)
	case kind == kindAuthLog, kind == kindLostGrant && db != nil:
		set.delete(target)
	default:
		err = fmt.Errorf("%w: due key of kind %d", ErrDamaged, kind)
	}
	return work, err
}

// clearBlob removes the chunks of an upload that was given up. First it takes away the
// key by which the upload knows that it lives: from then on it cannot go on or finish.
// A key with time 0 says that this has been done.
func (s *Store) clearBlob(db *Database, key, target []byte, set *changeSet) error {
	given := db.scope.due(0, target)
	if !bytes.Equal(key, given) {
		doom := &changeSet{db: db, apply: func(tx *overlay) error {
			if _, err := tx.get(key); err != nil {
				return err // it is finished, or has said that it lives
			}
			tx.delete(key)
			tx.put(given, nil)
			return nil
		}}
		s.committer.commitBackground(doom)
		if errors.Is(doom.err, engine.ErrNotFound) {
			return nil
		}
		if doom.err != nil {
			return doom.err
		}
		set.delete(given)
	}
	return s.clearRange(db, engine.PrefixRange(target))
}

// expireRecord removes a record of a package above if it has not been given more time.
func (s *Store) expireRecord(target []byte, set *changeSet) {
	set.apply = func(tx *overlay) error {
		record, err := tx.get(target)
		if errors.Is(err, engine.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a record: %w", err)
		}
		_, expires, err := decodeRecord(record)
		if err != nil {
			return err
		}
		if expired(expires, s.options.Now()) {
			tx.delete(target)
		}
		return nil
	}
}

// collectContent removes content that no document names. The committer decides: no
// reference, and nothing that may be about to make one (DECISIONS 30).
func (s *Store) collectContent(db *Database, target []byte, set *changeSet) {
	set.apply = func(tx *overlay) error {
		record, err := tx.get(target)
		if errors.Is(err, engine.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading content: %w", err)
		}
		stored, err := decodeContent(record)
		if err != nil {
			return err
		}
		sha256 := stored.content.SHA256
		referenced, err := db.referenced(tx, sha256)
		if err != nil || referenced {
			return err
		}
		now := s.options.Now()
		if until := s.touched.until(db, sha256); until.After(now) {
			tx.put(db.scope.due(until.Unix()+1, target), nil)
			return nil
		}
		tx.delete(target)
		tx.put(db.scope.due(0, db.scope.blob(stored.blob)), nil)
		return nil
	}
}
