// Package badger is the engine that is embedded in the process: one Badger in one
// directory.
//
// Badger 4 syncs its log once a transaction and merges nothing, so callers that write
// much merge their writes into few updates; the document store's committer does.
// Updates run one after the other, each with its reads, so that what an update reads is
// still true when it commits: Badger's own conflict detection does not see ranges, and
// costs a map entry for every key read.
package badger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"go.uber.org/zap"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

var (
	// ErrInUse is returned by Open if the directory is open already, in this process or
	// in another one.
	ErrInUse = errors.New("store directory is in use")
	// ErrKey is returned by Open if the store is encrypted with another key or not at all.
	ErrKey = errors.New("wrong encryption key")
	// ErrUnreadable is returned for a value that the value log does not give back.
	ErrUnreadable = errors.New("value cannot be read")
)

// Engine is an engine.Engine on Badger.
type Engine struct {
	path    string
	options Options
	hooks   hooks
	log     *zap.Logger

	current atomic.Pointer[handle]
	commits atomic.Uint64
	asked   atomic.Uint64
	watches watches

	// writing is held by an Update, a Recover or a Close. A channel, so that a wait for
	// it ends with its context.
	writing chan struct{}
	doubt   atomic.Pointer[error] // why updates are refused until Recover; set while writing
	closed  bool                  // set while writing
	copied  bool                  // it is what Copy made: no file may be removed
	damage  atomic.Pointer[error] // why nothing is read or written any more
	// collecting is held while a file of the value log is rewritten.
	collecting sync.Mutex
	// tableFailed has a value when Badger could not write a table.
	tableFailed chan struct{}

	stop   context.CancelFunc // ends the upkeep
	upkeep sync.WaitGroup
}

var (
	_ engine.Engine  = (*Engine)(nil)
	_ engine.Counted = (*Engine)(nil)
)

// hooks are what tests replace.
type hooks struct {
	// free returns how many bytes the directory's file system has left for us.
	free func(path string) (int64, error)
	// commit commits a transaction with a timestamp.
	commit func(tx *badgerdb.Txn, ts uint64) error
	// still has no compaction run by itself.
	still bool
}

// Open opens the store in the directory path, which is made if it is not there. It
// fails with ErrInUse if the store is open elsewhere, with ErrKey if it has another
// encryption key, and with engine.ErrDamaged if one of its tables is not what was written.
func Open(path string, o Options) (*Engine, error) {
	return open(path, o, hooks{free: freeBytes, commit: commitAt})
}

func commitAt(tx *badgerdb.Txn, ts uint64) error {
	return tx.CommitAt(ts, nil) //nolint:wrapcheck // Engine.commit does
}

func open(path string, o Options, h hooks) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("options of the store %s: %w", path, err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("opening the store %s: making its folder: %w", path, err)
	}
	e := &Engine{path: path, options: o, hooks: h, log: o.Logger, writing: make(chan struct{}, 1), tableFailed: make(chan struct{}, 1)}
	if _, err := os.Stat(filepath.Join(path, copiedMark)); err == nil {
		e.copied = true
	}
	current, err := e.openHandle()
	if err != nil {
		guards.Delete(filepath.Clean(path))
		return nil, err
	}
	e.current.Store(current)
	var left []uint64
	if !o.Lenient {
		left, err = e.scrubAtOnce(context.Background())
	}
	if err != nil {
		return nil, errors.Join(err, current.db.Close())
	}
	var ctx context.Context
	ctx, e.stop = context.WithCancel(context.Background())
	if !o.Lenient {
		e.upkeep.Go(func() { e.scrubbing(ctx, left) })
	}
	e.upkeep.Go(func() { e.watchTables(ctx) })
	if o.GCInterval > 0 && !e.copied {
		e.upkeep.Go(func() { every(ctx, o.GCInterval, e.collect) })
	}
	return e, nil
}

// openHandle opens Badger.
func (e *Engine) openHandle() (*handle, error) {
	if err := e.checkKey(); err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", e.path, err)
	}
	log := e.guarded()
	options := e.options.badgerOptions(e.path, log)
	if e.copied || e.hooks.still {
		// No table of a copy may be removed. None comes to level 0 but from the few memtables there are.
		options = options.WithNumCompactors(0).WithNumLevelZeroTablesStall(math.MaxInt)
	}
	for began := time.Now(); ; pause(context.Background(), lockPause) {
		db, err := e.tryToOpen(options)
		if err == nil {
			return newHandle(db, log), nil
		}
		if !errors.Is(err, ErrInUse) {
			return nil, fmt.Errorf("opening the store %s: %w", e.path, err)
		}
		if time.Since(began) > lockPatience {
			return nil, fmt.Errorf("opening the store %s: %w by another process, or twice by this one", e.path, ErrInUse)
		}
	}
}

// tryToOpen opens Badger if nobody else has the store open; it returns ErrInUse and touches nothing otherwise.
func (e *Engine) tryToOpen(options badgerdb.Options) (*badgerdb.DB, error) {
	if err := e.alone(e.prepare); err != nil {
		return nil, err
	}
	db, err := badgerdb.OpenManaged(options)
	if err != nil && strings.Contains(err.Error(), "Cannot acquire directory lock") { // not wrapped
		return nil, ErrInUse
	}
	return db, err
}

// prepare brings the files into a state that Badger opens, and refuses those that it would lose something of.
func (e *Engine) prepare() error {
	if err := e.removeLeftovers(); err != nil {
		return err
	}
	if err := e.dropLost(); err != nil && !e.options.Lenient {
		return err
	}
	if e.options.Lenient {
		return nil
	}
	return e.checkOpenable()
}

// guarded returns a logger for a Badger that is going to be opened. Its guard is the store's from now
// on: it needs what that Badger logs.
func (e *Engine) guarded() *logger {
	log := &logger{log: e.log, tableFailed: e.noteFailure, guard: newManifestGuard(e.listFailed)}
	guards.Store(filepath.Clean(e.path), log.guard)
	return log
}

const (
	// lockPatience is how long a store that is in use is asked for again, every lockPause: who had
	// it may be about to end, or have ended just now.
	lockPatience = 300 * time.Millisecond
	lockPause    = 30 * time.Millisecond
)

// checkKey fails with ErrKey if the store has another encryption key. Badger would find
// out too, but leave goroutines behind.
func (e *Engine) checkKey() error {
	registry, err := badgerdb.OpenKeyRegistry(badgerdb.KeyRegistryOptions{
		Dir: e.path, ReadOnly: true, EncryptionKey: e.options.EncryptionKey,
	})
	switch {
	case errors.Is(err, badgerdb.ErrEncryptionKeyMismatch):
		return ErrKey
	case err != nil:
		return fmt.Errorf("reading the key registry: %w", err)
	}
	return registry.Close()
}

// View implements engine.Engine.
func (e *Engine) View(ctx context.Context, fn func(engine.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.asked.Add(1)
	h, err := e.acquire(ctx)
	if err != nil {
		return err
	}
	defer h.release()
	ts := h.snapshots.begin()
	defer h.snapshots.end(ts)
	tx := h.db.NewTransactionAt(ts, false)
	defer tx.Discard()
	return fn(&reader{ctx: ctx, tx: tx, lenient: e.options.Lenient})
}

// Update implements engine.Engine. Updates run one after the other.
func (e *Engine) Update(ctx context.Context, fn func(engine.Txn) error) error {
	e.asked.Add(1)
	if err := e.beginWriting(ctx); err != nil {
		return err
	}
	defer e.endWriting()
	if doubt := e.doubt.Load(); doubt != nil {
		return fmt.Errorf("%w by an earlier commit: %w", engine.ErrDoubtful, *doubt)
	}
	h, err := e.acquire(ctx)
	if err != nil {
		return err
	}
	defer h.release()
	ts := h.snapshots.newest()
	tx := &txn{reader: reader{ctx: ctx, tx: h.db.NewTransactionAt(ts, true)}}
	defer tx.tx.Discard()
	if err := fn(tx); err != nil {
		return err
	}
	switch {
	case tx.failed != nil:
		return tx.failed
	case ctx.Err() != nil:
		return ctx.Err()
	case len(tx.keys) == 0:
		return nil
	}
	if err := e.checkSpace(tx.size); err != nil {
		return err
	}
	if err := e.commit(h, tx, ts+1); err != nil {
		return err
	}
	h.db.SetDiscardTs(h.snapshots.commit(ts + 1))
	e.commits.Add(1)
	e.watches.tell(tx.keys)
	return nil
}

// commit commits a transaction with the timestamp that comes next; one that was not written has
// not used it up. Whatever fails once Badger began to write leaves it open whether the transaction
// is there (DECISIONS 32): Badger reports a failed sync of its log after the entries are in its
// memory, and one of its value log only in a log line.
func (e *Engine) commit(h *handle, tx *txn, ts uint64) error {
	err := e.hooks.commit(tx.tx, ts)
	switch {
	case errors.Is(err, badgerdb.ErrTxnTooBig):
		return engine.ErrTxnTooBig
	case errors.Is(err, badgerdb.ErrBlockedWrites), errors.Is(err, badgerdb.ErrDBClosed):
		return fmt.Errorf("committing: %w", err)
	case err == nil && h.log.syncFailed.Load():
		err = errors.New("the value log was not synced")
	}
	if err == nil {
		return nil
	}
	e.doubt.Store(&err)
	e.log.Error("commit in doubt, updates are refused until the store is reopened", zap.Error(err))
	return fmt.Errorf("%w: %w", engine.ErrDoubtful, err)
}

// Watch implements engine.Engine. It is told by Update, after the commit.
func (e *Engine) Watch(key []byte) (changed <-chan struct{}, stop func()) {
	return e.watches.add(key)
}

// Asked implements engine.Counted.
func (e *Engine) Asked() uint64 { return e.asked.Load() }

// Stats implements engine.Engine. It asks the file system each time.
func (e *Engine) Stats() engine.Stats {
	s := engine.Stats{DiskBytes: diskBytes(e.path), FreeBytes: -1, Commits: e.commits.Load()}
	if free, err := e.hooks.free(e.path); err == nil {
		s.FreeBytes = free
	}
	return s
}

// Close implements engine.Engine. It waits for views and updates in progress.
func (e *Engine) Close() error {
	if err := e.beginWriting(context.Background()); err != nil {
		return err
	}
	defer e.endWriting()
	e.closed = true
	e.stop()
	e.upkeep.Wait()
	h := e.current.Load()
	err := e.closeHandle(context.Background(), h)
	e.replace(h, failedHandle(engine.ErrClosed))
	guards.Delete(filepath.Clean(e.path))
	if err != nil {
		return fmt.Errorf("closing the store %s: %w", e.path, err)
	}
	return nil
}

// beginWriting waits until nobody else writes.
func (e *Engine) beginWriting(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case e.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if e.closed {
		e.endWriting()
		return engine.ErrClosed
	}
	return nil
}

func (e *Engine) endWriting() {
	<-e.writing
}
