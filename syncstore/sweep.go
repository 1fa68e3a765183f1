package syncstore

import (
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

// stopsSweep reports whether it makes no sense to go on with other things.
func stopsSweep(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrInsufficientStorage) || errors.Is(err, context.Canceled)
}
