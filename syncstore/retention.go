package syncstore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// Retention is for how long a database keeps what nobody may need any more.
type Retention struct {
	// OldBodies is how long the bodies of superseded revisions are kept. 0: Options.OldBodies.
	OldBodies time.Duration
	// Tombstones is after which time a document that stays deleted is purged: a client that was
	// away for longer does not learn of the deletion. 0: never.
	Tombstones time.Duration
	// LocalDocuments is after which time a local document goes that is not written, such as the
	// checkpoint of a device that is no more: one that comes back begins from the beginning. 0: never.
	LocalDocuments time.Duration
	// LostAccess is how long it is remembered that somebody had a channel or a role: a client
	// that was away for longer is not told what it lost. It holds for what is lost from now on.
	// 0: DefaultLostAccess.
	LostAccess time.Duration
}

// DefaultLostAccess is how long it is remembered that somebody had a channel or a role.
const DefaultLostAccess = 90 * 24 * time.Hour

func (r Retention) lostAccess() time.Duration {
	if r.LostAccess > 0 {
		return r.LostAccess
	}
	return DefaultLostAccess
}

const (
	// retainInterval is how often the store looks for what is kept too long.
	retainInterval = 10 * time.Minute
	// retainPage is how many documents are removed at once.
	retainPage = 100
	// maxRetainMarks bounds the times that are remembered: some two hundred for the age.
	maxRetainMarks = 400
)

// retentionKey is the record of a database in which its retentionState is.
var retentionKey = []byte("retention")

// retentionState is what has to be known across restarts: at which times the database had
// which sequence, and up to where there is no tombstone any more. A document's row has the
// sequence of its last change and no time, which only the server's own clock may tell: a
// device may have deleted long before it tells.
type retentionState struct {
	Marks []retentionMark   `json:"marks,omitempty"` // oldest first
	Done  map[uint32]uint64 `json:"done,omitempty"`  // by the collection's number
}

type retentionMark struct {
	At  int64  `json:"at"` // seconds since 1970
	Seq uint64 `json:"seq"`
}

// RetentionTask is a removal that is running.
type RetentionTask struct {
	Started time.Time
	// Processed counts what was looked at, Removed what was removed.
	Processed, Removed uint64
}

// retaining is the removal that runs in a database.
type retaining struct {
	started            time.Time
	processed, removed atomic.Uint64
}

// SetRetention says for how long the database keeps things from now on. What was superseded
// before is dropped when it was due then.
func (d *Database) SetRetention(r Retention) { d.retention.Store(&r) }

// Retention returns what SetRetention said.
func (d *Database) Retention() Retention {
	if r := d.retention.Load(); r != nil {
		return *r
	}
	return Retention{}
}

// Retaining returns the removal that is running, nil if none is.
func (d *Database) Retaining() *RetentionTask {
	r := d.retaining.Load()
	if r == nil {
		return nil
	}
	return &RetentionTask{Started: r.started, Processed: r.processed.Load(), Removed: r.removed.Load()}
}

// retain removes what is kept too long, until the store closes.
func (s *Store) retain() {
	ticker := time.NewTicker(retainInterval)
	defer ticker.Stop()
	var clock clockWatch
	s.mayDrop(&clock)
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		if s.mayDrop(&clock) {
			s.retainAll(s.ctx)
		}
	}
}

// retainAll does what is to be done now, in all databases.
func (s *Store) retainAll(ctx context.Context) {
	for _, name := range s.Databases() {
		db, err := s.Database(name)
		if err == nil {
			err = db.retainNow(ctx)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, ErrNoDatabase) {
			s.logger.Warn("removing what is kept too long stopped; it is tried again", zap.String("database", name), zap.Error(err))
		}
	}
}

func (d *Database) retainNow(ctx context.Context) error {
	r := d.Retention()
	if r.Tombstones <= 0 && r.LocalDocuments <= 0 {
		return nil
	}
	task := &retaining{started: d.store.options.Now()}
	d.retaining.Store(task)
	defer d.retaining.Store(nil)
	if r.Tombstones > 0 {
		if err := d.purgeTombstones(ctx, r.Tombstones, task); err != nil {
			return err
		}
	}
	if r.LocalDocuments > 0 {
		return d.dropLocals(ctx, r.LocalDocuments, task)
	}
	return nil
}

// purgeTombstones purges the documents that have been deleted for longer than age.
func (d *Database) purgeTombstones(ctx context.Context, age time.Duration, task *retaining) error {
	state, err := d.retentionState(ctx)
	if err != nil {
		return err
	}
	now := d.store.options.Now()
	upTo, changed := state.mark(now, age, d.counters.Load().Seq)
	if changed {
		if err := d.saveRetention(ctx, state); err != nil {
			return err
		}
	}
	if upTo == 0 {
		return nil
	}
	for _, c := range d.Collections() {
		for state.Done[c.scope.collection] < upTo {
			done, err := c.purgePage(ctx, state.Done[c.scope.collection], upTo, task)
			if err != nil {
				return err
			}
			if state.Done == nil {
				state.Done = make(map[uint32]uint64)
			}
			state.Done[c.scope.collection] = done
			if err := d.saveRetention(ctx, state); err != nil {
				return err
			}
		}
	}
	return nil
}

// mark notes the database's sequence of now, and returns the highest that it had before age.
// Times that lie ahead, because the clock was set back, are forgotten.
func (s *retentionState) mark(now time.Time, age time.Duration, seq uint64) (upTo uint64, changed bool) {
	for len(s.Marks) > 0 && s.Marks[len(s.Marks)-1].At > now.Unix() {
		s.Marks, changed = s.Marks[:len(s.Marks)-1], true
	}
	every := int64(max(age/(maxRetainMarks/2), time.Minute) / time.Second)
	if n := len(s.Marks); n == 0 || now.Unix()-s.Marks[n-1].At >= every && s.Marks[n-1].Seq != seq {
		s.Marks, changed = append(s.Marks, retentionMark{now.Unix(), seq}), true
	}
	before := now.Add(-age).Unix()
	for len(s.Marks) > 0 && s.Marks[0].At <= before {
		upTo = s.Marks[0].Seq
		if len(s.Marks) == 1 || s.Marks[1].At > before {
			break // the newest that is old enough
		}
		s.Marks, changed = s.Marks[1:], true
	}
	if over := len(s.Marks) - maxRetainMarks; over > 0 { // of a longer age that was configured before
		s.Marks, changed = s.Marks[over:], true
	}
	return upTo, changed
}

// purgePage purges tombstones among the next rows of the feed, and returns up to which
// sequence there are none any more.
func (c *Collection) purgePage(ctx context.Context, since, upTo uint64, task *retaining) (done uint64, err error) {
	var ids []string
	done = upTo
	scan := engine.Range{Start: c.scope.seq(since + 1), End: c.scope.seq(upTo + 1)}
	scan.Limit = maxBackgroundKeys
	err = c.store.engine.View(ctx, func(r engine.Reader) error {
		pairs, failed := r.Scan(scan)
		rows := 0
		for key, record := range pairs {
			if rows == scan.Limit || len(ids) == retainPage {
				break
			}
			rows++
			var row Change
			seq := binary.BigEndian.Uint64(key[len(key)-8:])
			if err := row.decode(seq, record); err != nil {
				return err
			}
			if row.Deleted {
				ids = append(ids, string(row.ID))
			}
			if rows == scan.Limit || len(ids) == retainPage {
				done = seq
			}
		}
		task.processed.Add(uint64(rows))
		return failed()
	})
	if err != nil {
		return 0, fmt.Errorf("looking for tombstones: %w", err)
	}
	return done, c.purgeDeleted(ctx, ids, upTo, task)
}

// purgeDeleted purges those of some documents that are still deleted and have not changed
// since. What is written at the same time has a new sequence, and its time again.
func (c *Collection) purgeDeleted(ctx context.Context, ids []string, upTo uint64, task *retaining) (err error) {
	for err == nil && len(ids) > 0 {
		ids, err = c.purgeFresh(ctx, ids, upTo, task)
	}
	return err
}

// purgeFresh does so, and returns those of which something was written meanwhile, as an old body that was
// dropped, here or elsewhere: it leaves the document as it is.
func (c *Collection) purgeFresh(ctx context.Context, ids []string, upTo uint64, task *retaining) (stale []string, err error) {
	var sets []*changeSet
	var purges []tombstonePurge
	for _, id := range ids {
		p := purger{collection: c, what: Purging{ID: id}}
		set, err := p.prepare(ctx)
		switch {
		case errors.Is(err, errStale):
			stale = append(stale, id)
			continue
		case errors.Is(err, ErrDamagedDocument), errors.Is(err, ErrTooLarge):
			c.noteKept(id, err)
			continue
		case err != nil:
			return nil, fmt.Errorf("purging a tombstone: %w", err)
		}
		if set != nil && p.state.head.winner().Deleted && p.state.head.Seq <= upTo {
			sets, purges = append(sets, set), append(purges, tombstonePurge{id, p.partly})
		}
	}
	c.store.committer.commitBackground(sets...)
	for i, set := range sets {
		switch {
		case set.err == nil && purges[i].partly, errors.Is(set.err, errStale):
			stale = append(stale, purges[i].id)
		case set.err == nil:
			task.removed.Add(1)
			c.store.stats.tombstonesPurged.Add(1)
		case errors.Is(set.err, ErrDamaged), errors.Is(set.err, ErrTooLarge):
			c.noteKept(purges[i].id, set.err)
		default:
			return nil, fmt.Errorf("purging a tombstone: %w", set.err)
		}
	}
	return stale, ctx.Err()
}

// tombstonePurge is the purge of a tombstone, or a part of it.
type tombstonePurge struct {
	id     string
	partly bool
}

// noteKept tells of a tombstone that stays. Those after it must not, for the sake of one.
func (c *Collection) noteKept(id string, err error) {
	c.store.logger.Error("a tombstone cannot be purged", zap.Stringer("collection", c.id), zap.String("document", id), zap.Error(err))
}

// dropLocals removes the local documents of all collections that were not written for longer
// than age.
func (d *Database) dropLocals(ctx context.Context, age time.Duration, task *retaining) error {
	before := d.store.options.Now().Add(-age).Unix()
	scan := engine.PrefixRange(binary.BigEndian.AppendUint32([]byte{kindLocal}, d.scope.db))
	scan.Limit = maxBackgroundKeys
	for {
		var old [][]byte
		var last []byte
		err := d.store.engine.View(ctx, func(r engine.Reader) error {
			pairs, failed := r.Scan(scan)
			rows := 0
			for key, record := range pairs {
				if rows == scan.Limit {
					break
				}
				rows++
				last = append(last[:0], key...)
				if written, err := localWritten(record); err != nil {
					return err
				} else if written < before {
					old = append(old, append([]byte(nil), key...))
				}
			}
			task.processed.Add(uint64(rows))
			return failed()
		})
		if err != nil {
			return fmt.Errorf("looking for old local documents: %w", err)
		}
		if last == nil {
			return nil
		}
		if err := d.removeLocals(ctx, old, before, task); err != nil {
			return err
		}
		scan.Start = append(last, 0)
	}
}

// removeLocals removes local documents unless they have been written meanwhile.
func (d *Database) removeLocals(ctx context.Context, keys [][]byte, before int64, task *retaining) error {
	if len(keys) == 0 {
		return ctx.Err()
	}
	removed := uint64(0)
	set := &changeSet{db: d, apply: func(tx *overlay) error {
		removed = 0
		for _, key := range keys {
			record, err := tx.get(key)
			if errors.Is(err, engine.ErrNotFound) {
				continue
			}
			if err != nil {
				return fmt.Errorf("reading a local document: %w", err)
			}
			if written, err := localWritten(record); err != nil || written >= before {
				continue
			}
			tx.delete(key)
			removed++
		}
		return nil
	}}
	d.store.committer.commitBackground(set)
	if set.err != nil {
		return fmt.Errorf("removing old local documents: %w", set.err)
	}
	task.removed.Add(removed)
	d.store.stats.localsDropped.Add(removed)
	return ctx.Err()
}

func (d *Database) retentionState(ctx context.Context) (state retentionState, err error) {
	err = d.store.Records().View(ctx, func(r RecordReader) error {
		text, err := r.Get(d.ID(), retentionKey)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err == nil {
			err = json.Unmarshal(text, &state)
		}
		return err
	})
	if err != nil {
		return retentionState{}, fmt.Errorf("reading how far the removal of tombstones is: %w", err)
	}
	return state, nil
}

func (d *Database) saveRetention(ctx context.Context, state retentionState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("noting how far the removal of tombstones is: %w", err)
	}
	return d.store.Records().Update(ctx, func(tx RecordTx) error {
		tx.Put(d.ID(), retentionKey, text, time.Time{})
		return nil
	})
}
