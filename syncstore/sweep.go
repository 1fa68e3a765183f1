package syncstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// sweepInterval is how often the store looks for what is due.
const sweepInterval = 30 * time.Second

// sweep does what is due, until the store closes: it drops old bodies, collects
// attachments that nothing names, and removes what has expired. All of it goes through
// the committer at the lowest priority, and what a stop interrupts is found again.
func (s *Store) sweep() {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	var clock clockWatch
	s.mayDrop(&clock)
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wakeSweep:
		case <-ticker.C:
		}
		if !s.mayDrop(&clock) {
			continue
		}
		if _, err := s.sweepDue(s.ctx); err != nil && s.ctx.Err() == nil {
			s.logger.Warn("background work on the store stopped; it is tried again", zap.Error(err))
		}
	}
}

// sweepSoon asks for a sweep before the next is due.
func (s *Store) sweepSoon() {
	select {
	case s.wakeSweep <- struct{}{}:
	default:
	}
}

// sweepDue does everything that is due now and returns how many things it did.
func (s *Store) sweepDue(ctx context.Context) (int, error) {
	done, err := s.sweepScope(ctx, nil)
	for _, name := range s.Databases() {
		if err != nil {
			break
		}
		db, missing := s.Database(name)
		if missing != nil {
			continue
		}
		var n int
		n, err = s.sweepScope(ctx, db)
		done += n
	}
	return done, err
}

// sweepScope does what is due in a database, or in the store as a whole (nil). What is
// not done, because a document was written meanwhile or something failed, stays due.
func (s *Store) sweepScope(ctx context.Context, db *Database) (int, error) {
	var where scope
	if db != nil {
		where = db.scope
	}
	scan := engine.Range{
		Start: where.prefix(kindDue, 0), End: where.due(s.options.Now().Unix()+1, nil), KeysOnly: true,
		Limit: maxBackgroundKeys,
	}
	done, _, err := s.sweepRange(ctx, db, scan, nil)
	return done, err
}

// sweepRange does what the due keys of a range ask for, page by page; of those keys only
// that want has, unless it is nil. It returns how many things it did, and how many keys it
// found.
func (s *Store) sweepRange(ctx context.Context, db *Database, scan engine.Range, want func(target []byte) bool) (done, found int, err error) {
	for {
		keys, last, err := s.dueKeys(ctx, scan, want)
		if err != nil || last == nil {
			return done, found, err
		}
		n, err := s.sweepPage(ctx, db, keys)
		done += n
		found += len(keys)
		if err != nil {
			return done, found, err
		}
		scan.Start = append(last, 0)
	}
}

// dueKeys returns those of the next keys of a range that are wanted, and the last that it
// looked at, nil if there was none.
func (s *Store) dueKeys(ctx context.Context, scan engine.Range, want func(target []byte) bool) (keys [][]byte, last []byte, err error) {
	err = s.engine.View(ctx, func(r engine.Reader) error {
		pairs, failed := r.Scan(scan)
		seen := 0
		for key := range pairs {
			if seen == scan.Limit {
				break
			}
			seen++
			last = append(last[:0], key...)
			if want == nil || (len(key) > prefixSize+8 && want(key[prefixSize+8:])) {
				keys = append(keys, append([]byte(nil), key...))
			}
		}
		return failed()
	})
	if err != nil {
		return nil, nil, fmt.Errorf("looking for what is due: %w", err)
	}
	return keys, last, nil
}

// sweepPage does what some due keys ask for and returns how many it did. Things that do
// not touch the same document are committed together.
func (s *Store) sweepPage(ctx context.Context, db *Database, keys [][]byte) (done int, err error) {
	var page []dueWork
	documents := make(map[string]bool)
	flush := func() error {
		n, err := s.flushDue(ctx, db, page)
		done += n
		page = page[:0]
		clear(documents)
		return err
	}
	for _, keys := range dueTogether(db, keys) {
		for len(keys) > 0 {
			if err := ctx.Err(); err != nil {
				return done, err
			}
			set, err := s.dueSet(ctx, db, keys)
			if err == nil && set.key != "" && documents[set.key] {
				// It was prepared beside another of its document: again, from what that one leaves.
				if err := flush(); err != nil {
					return done, err
				}
				set, err = s.dueSet(ctx, db, keys)
			}
			if stopsSweep(err) {
				return done, err
			}
			if err != nil {
				s.logger.Error("background work on the store failed; it is tried again", zap.Error(err))
				break
			}
			documents[set.key] = true
			n := max(1, set.bodies)
			page = append(page, dueWork{keys[:n], set})
			keys = keys[n:]
		}
	}
	return done, flush()
}

// dueWork is a change set that does what due keys ask for.
type dueWork struct {
	keys [][]byte
	set  *changeSet
}

// flushDue commits a page of work, and returns how many things were done.
func (s *Store) flushDue(ctx context.Context, db *Database, page []dueWork) (done int, err error) {
	sets := make([]*changeSet, len(page))
	for i := range page {
		sets[i] = page[i].set
	}
	s.committer.commitBackground(sets...)
	for i := range page {
		set := page[i].set
		if errors.Is(set.err, errStale) && set.bodies > 0 {
			set.err = s.dropBodiesFirst(ctx, db, page[i].keys)
		}
		switch {
		case set.err == nil:
			done += len(page[i].keys)
			s.stats.bodiesDropped.Add(uint64(set.bodies))
		case stopsSweep(set.err):
			return done, set.err
		case !errors.Is(set.err, errStale) && !errors.Is(set.err, ErrNoDatabase):
			s.logger.Error("background work on the store failed; it is tried again", zap.Error(set.err))
		}
	}
	return done, nil
}

// dueTogether are due keys as they are dealt with: those of old bodies of a document together, the others one by one.
func dueTogether(db *Database, keys [][]byte) (all [][][]byte) {
	bodies := make(map[string]int)
	for _, key := range keys {
		document, ok := documentOfBody(key)
		if !ok || db == nil {
			all = append(all, [][]byte{key})
			continue
		}
		at, known := bodies[document]
		if !known || len(all[at]) == bodiesAtOnce {
			at = len(all)
			bodies[document] = at
			all = append(all, nil)
		}
		all[at] = append(all[at], key)
	}
	return all
}

// stopsSweep reports whether it makes no sense to go on with other things.
func stopsSweep(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrInsufficientStorage) || errors.Is(err, context.Canceled)
}

// dueSet returns the change set that does what the first of some due keys asks for, or the first several that are of old
// bodies of a document, and removes them.
func (s *Store) dueSet(ctx context.Context, db *Database, keys [][]byte) (*changeSet, error) {
	key := keys[0]
	if len(key) <= prefixSize+8 {
		return nil, fmt.Errorf("%w: due key", ErrDamaged)
	}
	target := key[prefixSize+8:]
	set := &changeSet{db: db}
	if target[0] == kindHead && db != nil {
		return set, s.expireDocument(ctx, db, key, target, set)
	}
	if target[0] == kindBody && db != nil {
		return set, s.dropBodies(ctx, db, keys, set)
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
	return set, err
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

func hasKey(r engine.Reader, in engine.Range) (bool, error) {
	in.KeysOnly, in.Limit = true, 1
	pairs, failed := r.Scan(in)
	for range pairs {
		return true, nil
	}
	return false, failed()
}

// expireDocument makes tombstones of a document whose time has come, and of the branches behind it that come up
// and have had theirs, and has the set remove the due key.
func (s *Store) expireDocument(ctx context.Context, db *Database, key, target []byte, set *changeSet) error {
	var err error
	for expired := true; expired && err == nil; {
		expired, err = s.writeExpired(ctx, db, target)
	}
	switch {
	case errors.Is(err, ErrBadRevision):
		// No generation is left for a tombstone: trying again would not help.
		s.logger.Warn("a document cannot expire", zap.Error(err))
		set.delete(key)
		return nil
	case err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrConflict):
		return err
	}
	set.apply = func(tx *overlay) error { return forgetExpiry(tx, key, target) }
	return nil
}

// writeExpired makes a tombstone of the winner if its time has come. ErrNotFound, ErrConflict.
func (s *Store) writeExpired(ctx context.Context, db *Database, target []byte) (expired bool, err error) {
	c, err := db.byNumber(binary.BigEndian.Uint32(target[5:]))
	if err != nil {
		return false, err
	}
	h, err := c.readHead(ctx, target)
	if err != nil {
		return false, err
	}
	winner := h.winner()
	if winner.Deleted || winner.Expires.IsZero() || winner.Expires.After(s.options.Now()) {
		return false, nil
	}
	results := c.Write(ctx, []Edit{{ID: string(target[prefixSize:]), Parent: winner.Rev, Deleted: true}}, WriteOptions{
		expires: true,
	})
	return true, results[0].Err
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

func (c *Collection) readHead(ctx context.Context, key []byte) (*head, error) {
	var h *head
	err := c.store.engine.View(ctx, func(r engine.Reader) (err error) {
		if h, err = headIn(r, key); err == nil && h == nil {
			err = ErrNotFound
		}
		return err
	})
	return h, err
}

// headIn reads a document, nil if there is none.
func headIn(r engine.Reader, key []byte) (*head, error) {
	record, err := r.Get(key)
	if errors.Is(err, engine.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a document: %w", err)
	}
	return decodeHead(record)
}
