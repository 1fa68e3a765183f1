package syncstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// expiredAtOnce is how many documents expire together: one by one they would take a commit each, and come to an end later
// and later where more of them are written in a second than the disk is synced.
const expiredAtOnce = 100

// expireDocuments makes tombstones of documents of a collection whose time has come, by their due keys, and of the branches
// behind them that come up and have had theirs, and prepares to remove the keys.
func (s *Store) expireDocuments(ctx context.Context, db *Database, keys [][]byte, work *dueWork) error {
	c, err := db.byNumber(binary.BigEndian.Uint32(dueTarget(keys[0])[5:]))
	if err != nil {
		return err
	}
	e := expiring{collection: c, work: work, settled: make(map[string]bool)}
	for left := keys; len(left) > 0; {
		if left, err = e.expire(ctx, left); err != nil {
			return err
		}
	}
	work.keys = keys
	work.set.applied.keys = len(keys)
	work.set.apply = func(tx *overlay) error {
		for _, key := range keys {
			if e.settled[string(key)] {
				continue
			}
			if err := forgetExpiry(tx, key, dueTarget(key)); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// expiring are documents of a collection whose time has come.
type expiring struct {
	collection *Collection
	work       *dueWork
	settled    map[string]bool // due keys of which it is known what becomes of them
}

// expire makes tombstones of the winners whose time has come, and returns the keys of those documents.
func (e *expiring) expire(ctx context.Context, keys [][]byte) (expired [][]byte, err error) {
	var edits []Edit
	var owners [][]byte
	for _, key := range keys {
		edit, due, err := e.tombstone(ctx, dueTarget(key))
		if err != nil {
			if stopsSweep(err) {
				return nil, err
			}
			e.keep(key, err)
		}
		if due {
			edits, owners = append(edits, edit), append(owners, key)
		}
	}
	if len(edits) == 0 {
		return nil, nil
	}
	for i, r := range e.collection.Write(ctx, edits, WriteOptions{expires: true}) {
		switch {
		case r.Err == nil:
			expired = append(expired, owners[i])
		case errors.Is(r.Err, ErrConflict), errors.Is(r.Err, ErrNotFound): // it was written meanwhile
		case stopsSweep(r.Err), errors.Is(r.Err, ErrNoDatabase):
			return nil, r.Err
		case errors.Is(r.Err, ErrBadRevision):
			// No generation is left for a tombstone: trying again would not help.
			e.collection.store.logger.Warn("a document cannot expire", zap.Error(r.Err))
			e.settled[string(owners[i])] = true
			e.work.set.delete(owners[i])
		default:
			e.keep(owners[i], r.Err)
		}
	}
	return expired, nil
}

// tombstone is the edit that ends a document, if its time has come.
func (e *expiring) tombstone(ctx context.Context, key []byte) (edit Edit, due bool, err error) {
	h, err := e.collection.readHead(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return Edit{}, false, nil
	}
	if err != nil {
		return Edit{}, false, err
	}
	winner := h.winner()
	if winner.Deleted || winner.Expires.IsZero() || winner.Expires.After(e.collection.store.options.Now()) {
		return Edit{}, false, nil
	}
	return Edit{ID: string(key[prefixSize:]), Parent: winner.Rev, Deleted: true}, true, nil
}

// keep leaves a document for another time.
func (e *expiring) keep(key []byte, err error) {
	e.settled[string(key)] = true
	e.work.kept++
	e.collection.store.logger.Error("a document could not expire; it is tried again", zap.Error(err))
}

// forgetExpiry removes a due key of a document unless it is that of the winner: one that surfaced with the same
// time, or that was written meanwhile.
func forgetExpiry(tx *overlay, key, target []byte) error {
	record, err := tx.get(target)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return fmt.Errorf("reading a document: %w", err)
	}
	if err == nil {
		h, err := decodeHead(record)
		if err != nil {
			return err
		}
		winner := h.winner()
		if !winner.Deleted && !winner.Expires.IsZero() && winner.Expires.Unix() == int64(binary.BigEndian.Uint64(key[prefixSize:])) {
			return nil
		}
	}
	tx.delete(key)
	return nil
}
