package syncstore

import (
	"bytes"
	"context"
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
	var page []*dueWork
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
			work, err := s.dueSet(ctx, db, keys)
			if err == nil && work.set.key != "" && documents[work.set.key] {
				// It was prepared beside another of its document: again, from what that one leaves.
				if err := flush(); err != nil {
					return done, err
				}
				work, err = s.dueSet(ctx, db, keys)
			}
			if stopsSweep(err) {
				return done, err
			}
			if err != nil {
				s.noteUndone(err)
				break
			}
			documents[work.set.key] = true
			page = append(page, work)
			keys = keys[len(work.keys):]
		}
	}
	return done, flush()
}

// dueWork is a change set that does what due keys ask for, and removes them.
type dueWork struct {
	keys [][]byte
	set  *changeSet
	// bodies is how many bodies of superseded revisions it drops, kept how many of the keys it leaves for another time.
	bodies, kept int
}

// flushDue commits a page of work, and returns how many things were done.
func (s *Store) flushDue(ctx context.Context, db *Database, page []*dueWork) (done int, err error) {
	sets := make([]*changeSet, len(page))
	for i, work := range page {
		sets[i] = work.set
	}
	s.committer.commitBackground(sets...)
	for _, work := range page {
		err := work.set.err
		if errors.Is(err, errStale) && work.bodies > 0 {
			err = s.dropBodiesFirst(ctx, db, work.keys)
		}
		switch {
		case err == nil:
			done += len(work.keys) - work.kept
			s.stats.bodiesDropped.Add(uint64(work.bodies))
		case stopsSweep(err):
			return done, err
		default:
			s.noteUndone(err)
		}
	}
	return done, nil
}

// noteUndone tells why something that is due was not done, unless a document was written meanwhile, or the database deleted.
func (s *Store) noteUndone(err error) {
	if !errors.Is(err, errStale) && !errors.Is(err, ErrNoDatabase) {
		s.logger.Error("background work on the store failed; it is tried again", zap.Error(err))
	}
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

// stopsSweep reports whether it makes no sense to go on with other things.
func stopsSweep(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrInsufficientStorage) || errors.Is(err, context.Canceled)
}

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

func hasKey(r engine.Reader, in engine.Range) (bool, error) {
	in.KeysOnly, in.Limit = true, 1
	pairs, failed := r.Scan(in)
	for range pairs {
		return true, nil
	}
	return false, failed()
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
