// Package syncstore keeps documents and what belongs to them: revisions, versions,
// sequences, channels, attachments and grants, in an ordered key-value store. It knows
// no HTTP, no tokens and no JavaScript.
package syncstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// Defaults of Options.
const (
	DefaultCache       = 16 << 20
	DefaultRevisions   = 1000
	DefaultOldBodies   = 24 * time.Hour
	DefaultMaxDocument = 20 << 20
)

// Options configure a Store.
type Options struct {
	// Logger gets what an operator should know. Default: nothing is logged.
	Logger *zap.Logger
	// Cache is how many bytes of documents are kept decoded in memory. Default
	// DefaultCache.
	Cache int64
	// Revisions is how many generations of ancestry a document keeps. Default
	// DefaultRevisions.
	Revisions int
	// OldBodies is how long the bodies of superseded revisions are kept. Default
	// DefaultOldBodies.
	OldBodies time.Duration
	// MaxDocument is the largest body of a document, in bytes. Default
	// DefaultMaxDocument.
	MaxDocument int64
	// IndexBlock is how many rows of an index make a block. Default 256.
	IndexBlock int
	// Recovered is told of a database that a doubtful commit turns out to have made: whoever made it was answered
	// ErrUnavailable. It must not wait for the store. Default: nobody is told.
	Recovered func(*Database)
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
}

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Cache == 0 {
		o.Cache = DefaultCache
	}
	if o.Revisions <= 0 {
		o.Revisions = DefaultRevisions
	}
	if o.OldBodies == 0 {
		o.OldBodies = DefaultOldBodies
	}
	if o.MaxDocument <= 0 {
		o.MaxDocument = DefaultMaxDocument
	}
	if o.IndexBlock <= 0 {
		o.IndexBlock = usualIndexBlock
	}
	if o.Recovered == nil {
		o.Recovered = func(*Database) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Store holds any number of databases in one engine. Its methods are safe for
// concurrent use. Only one Store may write to an engine in a process.
type Store struct {
	engine  engine.Engine
	options Options
	logger  *zap.Logger

	committer *committer
	notifier  *notifier
	cache     *cache
	absent    absent
	viewers   turnstiles // of reads of viewers' feeds
	scratch   sync.Pool  // of *viewedScratch
	locks     *keyLocks
	touched   *touches
	hot       hotRows

	// ctx ends when the store is closed.
	ctx        context.Context //nolint:containedctx // the life of what runs in the background
	cancel     context.CancelFunc
	closeOnce  sync.Once
	background sync.WaitGroup
	wakeSweep  chan struct{}
	stats      storeStats
	policies   policies
	backups    backups
	recoveries recoveries

	mu        sync.Mutex
	databases map[string]*Database
}

// Revisions returns how many generations of ancestry a document keeps.
func (s *Store) Revisions() int { return s.options.Revisions }

type storeStats struct {
	writes, conflicts, retries atomic.Uint64

	tombstonesPurged, localsDropped, bodiesDropped atomic.Uint64

	resyncs                                       atomic.Int64
	resyncDocuments, resyncChanged, resyncRefused atomic.Uint64
}

// Stats are counters since the store was opened.
type Stats struct {
	// Groups counts transactions of the committer.
	Groups uint64
	// Writes counts documents written, Conflicts those refused as ErrConflict, and
	// Retries how often a write had to be prepared again.
	Writes, Conflicts, Retries uint64
	// Resyncs are those that run now. ResyncDocuments counts documents that resyncs judged,
	// ResyncChanged those that were elsewhere after it, ResyncRefused those that the policy
	// refuses.
	Resyncs                                       int64
	ResyncDocuments, ResyncChanged, ResyncRefused uint64
	// TombstonesPurged and LocalsDropped are what Retention removed, BodiesDropped the bodies of superseded
	// revisions that were dropped.
	TombstonesPurged, LocalsDropped, BodiesDropped uint64
}

// Stats returns the store's counters.
func (s *Store) Stats() Stats {
	return Stats{
		Groups:    s.committer.committed.Load(),
		Writes:    s.stats.writes.Load(),
		Conflicts: s.stats.conflicts.Load(),
		Retries:   s.stats.retries.Load(),

		Resyncs:         s.stats.resyncs.Load(),
		ResyncDocuments: s.stats.resyncDocuments.Load(),
		ResyncChanged:   s.stats.resyncChanged.Load(),
		ResyncRefused:   s.stats.resyncRefused.Load(),

		TombstonesPurged: s.stats.tombstonesPurged.Load(),
		LocalsDropped:    s.stats.localsDropped.Load(),
		BodiesDropped:    s.stats.bodiesDropped.Load(),
	}
}

// Open opens the store in eng, and formats eng if it is empty. It goes on with what a
// stop interrupted, such as clearing deleted databases. ErrFormat: the store is of a
// release that this one does not know.
func Open(ctx context.Context, eng engine.Engine, o Options) (*Store, error) {
	o.setDefaults()
	s := &Store{
		engine: eng, options: o, logger: o.Logger,
		cache: newCache(o.Cache), notifier: newNotifier(), locks: newKeyLocks(), touched: newTouches(o.Now),
		hot:       hotRows{limit: o.Cache / hotShare},
		wakeSweep: make(chan struct{}, 1), databases: make(map[string]*Database),
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.committer = newCommitter(s)
	s.viewers.init(s.committer.askedLately)
	if err := s.checkFormat(ctx); err != nil {
		return nil, err
	}
	clearing, err := s.loadDatabases(ctx)
	if err != nil {
		return nil, err
	}
	s.start(s.committer.run)
	s.start(s.notifier.run)
	s.start(s.sweep)
	s.start(s.retain)
	for _, db := range clearing {
		s.start(func() { s.clearDatabase(db) })
	}
	return s, nil
}

// start runs something in the background, unless the store is closed.
func (s *Store) start(run func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	s.background.Go(run)
}

// Close ends what the store does in the background and refuses further writes with
// ErrUnavailable. Writes that wait are finished. It does not close the engine.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.committer.close()
		s.notifier.close()
		s.mu.Lock()
		s.cancel()
		s.mu.Unlock()
	})
	s.background.Wait()
	// Only now, so that a database that was still being made is among them.
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, db := range s.databases {
		db.close()
	}
	return nil
}

// loadDatabases reads the directory of databases and their counters. It returns those
// that were deleted and are not cleared yet.
func (s *Store) loadDatabases(ctx context.Context) (clearing []*Database, err error) {
	directory, err := s.readDirectory(ctx)
	if err != nil {
		return nil, err
	}
	for _, found := range directory {
		db := newDatabase(s, found.entry, found.counts, found.names)
		if found.entry.deleting {
			db.close()
			clearing = append(clearing, db)
		} else {
			s.databases[db.name] = db
		}
	}
	return clearing, nil
}

// directoryRow is a database as the directory and its counters have it.
type directoryRow struct {
	entry  databaseEntry
	counts counters
	names  map[collectionID]uint32 // its collections
}

func (s *Store) readDirectory(ctx context.Context) (directory []directoryRow, err error) {
	err = s.engine.View(ctx, func(r engine.Reader) (err error) {
		directory, err = readDirectory(r)
		return err
	})
	return directory, err
}

func readDirectory(r engine.Reader) (directory []directoryRow, err error) {
	pairs, failed := r.Scan(engine.PrefixRange([]byte{kindDatabase}))
	for key, value := range pairs {
		entry, err := decodeDatabaseEntry(key, value)
		if err != nil {
			return nil, err
		}
		directory = append(directory, directoryRow{entry: entry})
	}
	if err := failed(); err != nil {
		return nil, fmt.Errorf("reading the directory of databases: %w", err)
	}
	for i := range directory {
		found := &directory[i]
		found.counts, err = readCounters(r, scope{db: found.entry.id})
		if err != nil && (!errors.Is(err, ErrNoDatabase) || !found.entry.deleting) {
			return nil, fmt.Errorf("database %q: %w", found.entry.name, err)
		}
		if found.names, err = readCollections(r.Get, scope{db: found.entry.id}); err != nil {
			return nil, fmt.Errorf("database %q: %w", found.entry.name, err)
		}
	}
	return directory, nil
}

// recover brings the engine back after a doubtful commit and reads again what memory
// holds of it. The commit may have stayed or gone; where it has gone, the sequences that
// it showed are skipped, since somebody may have read them (DECISIONS 32). It returns the databases
// that the commit made, which nobody can use before they are published.
func (s *Store) recover() (made []*Database, err error) {
	s.backups.interrupt("the store is being recovered")
	defer s.backups.resume()
	if err := s.engine.Recover(s.ctx); err != nil {
		return nil, fmt.Errorf("recovering the engine: %w", err)
	}
	if err := s.recoveries.tell(s.ctx); err != nil {
		return nil, fmt.Errorf("telling who keeps records in memory: %w", err)
	}
	directory, err := s.readDirectory(s.ctx)
	if err != nil {
		return nil, err
	}
	live := make(map[string]*Database)
	for _, found := range directory {
		if found.entry.deleting {
			continue
		}
		known, err := s.recoverDatabase(found)
		if err != nil {
			return nil, err
		}
		if known != nil {
			live[known.name] = known
		} else {
			made = append(made, newDatabase(s, found.entry, found.counts, found.names))
		}
	}
	s.mu.Lock()
	before := s.databases
	s.databases = live
	s.mu.Unlock()
	for name, db := range before {
		if live[name] == db {
			continue
		}
		// The doubtful commit deleted it, or had made it and is gone.
		s.dropDatabase(db)
		s.start(func() { s.clearDatabase(db) })
	}
	s.cache.resume()
	return made, nil
}

// publish makes a database known, with its collections' policies.
func (s *Store) publish(db *Database) {
	s.policies.publish(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.databases[db.name] = db
	}, db.Collections()...)
}

// recoverDatabase reads again what memory holds of a database, and returns it; nil if it holds none.
func (s *Store) recoverDatabase(found directoryRow) (*Database, error) {
	s.mu.Lock()
	db, known := s.databases[found.entry.name]
	s.mu.Unlock()
	if !known || db.scope.db != found.entry.id {
		return nil, nil
	}
	db.serving.set(found.entry.offline)
	// Before a sequence that a dropped commit had can be seen: no page may be of that commit. No
	// view of before goes on beside this.
	db.pages.reset()
	if shown := db.shown.Load(); shown > found.counts.Seq {
		found.counts.Seq = shown
		err := s.engine.Update(s.ctx, func(tx engine.Txn) error {
			return tx.Put(db.scope.counters(), found.counts.encode())
		})
		if err != nil {
			return nil, fmt.Errorf("skipping the sequences of a doubtful commit: %w", err)
		}
	}
	db.counters.Store(&found.counts)
	db.accesses.clear()
	db.tops.reset(found.counts.Seq)
	db.clock.restore(found.counts.Clock)
	db.broadcast.skip(found.counts.Seq)
	for _, c := range db.Collections() {
		c.designsChanged()
	}
	return db, nil
}

// Database returns a live database, or ErrNoDatabase. It reads no storage.
func (s *Store) Database(name string) (*Database, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if db, ok := s.databases[name]; ok {
		return db, nil
	}
	return nil, ErrNoDatabase
}

// databaseByID returns a live database by its number, nil if there is none.
func (s *Store) databaseByID(id uint32) *Database {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, db := range s.databases {
		if db.scope.db == id {
			return db
		}
	}
	return nil
}

// Databases returns the names of the live databases in order.
func (s *Store) Databases() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.databases))
	for name := range s.databases {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
