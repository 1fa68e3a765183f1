package syncstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// maxDatabaseName is the longest name of a database, in bytes, as in CouchDB.
const maxDatabaseName = 238

// clearAgain is how long clearing a deleted database pauses after a failure.
const clearAgain = time.Second

// databaseName is CouchDB's rule for names of databases. A slash is escaped in URLs (%2F).
var databaseName = regexp.MustCompile(`^[a-z][a-z0-9_$()+/-]*$`)

// Database is one database of a store: documents in collections, with one sequence for
// all of them.
type Database struct {
	store     *Store
	scope     scope
	name      string
	clock     clock
	counters  atomic.Pointer[counters]
	broadcast *broadcast
	// shown is the highest sequence that a commit, doubtful ones included, gave out.
	shown atomic.Uint64
	// live is false once the database is deleted: the committer then refuses what is
	// written to it.
	live      atomic.Bool
	done      chan struct{}
	closeOnce sync.Once
	main      Collection
	// collections are the others.
	collections atomic.Pointer[map[collectionID]*Collection]
	accesses    accessCache
	tops        channelTops
	pages       channelPages
	compaction  compaction
	sizing      sizing
	serving     *serving
	retention   atomic.Pointer[Retention] // nil: the defaults
	retaining   atomic.Pointer[retaining] // nil: nothing is being removed
}

// Collection holds the documents of one collection of a database.
type Collection struct {
	db    *Database
	store *Store
	id    collectionID
	scope scope
	// policy is never nil. policyMoves counts how often it became one of another version.
	policy      atomic.Pointer[Policy]
	policyMoves atomic.Uint64

	// designVersion counts the commits that changed a design document.
	designVersion atomic.Uint64
	indexing      sync.Mutex
	indexes       map[IndexID]*Index
	// indexNames are the stored ones, nil as long as they were not looked for; indexBegun are
	// those that were begun before.
	indexNames, indexBegun map[IndexID]struct{}
	designs                atomic.Pointer[designSet] // nil: not read yet

	resumed   atomic.Bool // a resync that was interrupted, if there was one
	resyncing sync.Mutex
	resync    *resyncRun // nil: none is running
}

// databaseEntry is a database in the store's directory.
type databaseEntry struct {
	id       uint32
	name     string
	deleting bool
	offline  bool
}

// Bits of a database's state in the directory.
const (
	stateDeleting = 1 << iota
	stateOffline
)

func (e databaseEntry) encode() []byte {
	out := encoder{}
	var state byte
	if e.deleting {
		state |= stateDeleting
	}
	if e.offline {
		state |= stateOffline
	}
	out.byte(state)
	out.text(e.name)
	return out.b
}

func decodeDatabaseEntry(key, value []byte) (databaseEntry, error) {
	if len(key) != 5 {
		return databaseEntry{}, fmt.Errorf("%w: directory of databases", ErrDamaged)
	}
	d := decoder{b: value}
	state := d.byte()
	entry := databaseEntry{
		id: binary.BigEndian.Uint32(key[1:]), deleting: state&stateDeleting != 0, offline: state&stateOffline != 0, name: d.text(),
	}
	return entry, d.end()
}

func newDatabase(s *Store, entry databaseEntry, counts counters, names map[collectionID]uint32) *Database {
	db := &Database{
		store: s, scope: scope{db: entry.id}, name: entry.name,
		clock: clock{now: s.options.Now}, done: make(chan struct{}), broadcast: newBroadcast(counts.Seq),
		serving: newServing(entry.offline),
	}
	db.clock.restore(counts.Clock)
	db.counters.Store(&counts)
	db.live.Store(!entry.deleting)
	db.main.db, db.main.store, db.main.scope, db.main.id = db, s, db.scope, newCollectionID("", "")
	db.main.SetPolicy(Policy{})
	db.accesses.init()
	db.tops.reset(counts.Seq)
	others := make(map[collectionID]*Collection, len(names))
	for id, number := range names {
		others[id] = newCollection(db, id, number)
	}
	db.collections.Store(&others)
	return db
}

// CheckDatabaseName returns ErrBadDatabaseName of a name that no database may have.
func CheckDatabaseName(name string) error {
	if len(name) > maxDatabaseName || !databaseName.MatchString(name) {
		return ErrBadDatabaseName
	}
	return nil
}

// CreateDatabase makes an empty database. ErrBadDatabaseName, ErrDatabaseExists.
func (s *Store) CreateDatabase(ctx context.Context, name string) (*Database, error) {
	if err := CheckDatabaseName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var db *Database
	set := &changeSet{apply: func(tx *overlay) error {
		if err := checkUnused(tx, name); err != nil {
			return err
		}
		id, err := tx.next(counterDatabase)
		if err != nil {
			return fmt.Errorf("numbering a database: %w", err)
		}
		entry := databaseEntry{id: uint32(id), name: name}
		counts := newCounters(entry.id, s.options.Now())
		tx.put(databaseKey(entry.id), entry.encode())
		tx.put(scope{db: entry.id}.counters(), counts.encode())
		db = newDatabase(s, entry, counts, nil)
		return nil
	}, after: func() { s.publish(db) }}
	s.committer.commit(set)
	if set.err != nil {
		return nil, set.err
	}
	return db, nil
}

// newCounters begins a database. Its sequences start where no other database of the
// store has any, so that a checkpoint of a deleted database is seen to be wrong
// (DECISIONS 35).
func newCounters(id uint32, now time.Time) counters {
	counts := counters{Created: now.Truncate(time.Second), Clock: Version{Source: newSourceID()}}
	if id > 1 {
		counts.Seq = uint64(id) << 32
	}
	counts.FirstSeq = counts.Seq
	_, _ = rand.Read(counts.UUID[:])
	return counts
}

// DeleteDatabase deletes a database: it is gone, and its name free, when DeleteDatabase
// returns; its storage is cleared in the background. ErrNoDatabase.
func (s *Store) DeleteDatabase(ctx context.Context, name string) error {
	db, err := s.Database(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	set := &changeSet{db: db, apply: func(tx *overlay) error {
		if err := checkLive(tx, db.scope.db); err != nil {
			return err
		}
		entry := databaseEntry{id: db.scope.db, name: name, deleting: true}
		tx.put(databaseKey(entry.id), entry.encode())
		return nil
	}, after: func() { s.dropDatabase(db) }}
	s.committer.commit(set)
	if set.err != nil {
		return set.err
	}
	s.start(func() { s.clearDatabase(db) })
	return nil
}

// dropDatabase forgets a database that is marked as deleted in the directory.
func (s *Store) dropDatabase(db *Database) {
	s.mu.Lock()
	defer s.mu.Unlock()
	db.live.Store(false)
	if s.databases[db.name] == db {
		delete(s.databases, db.name)
	}
	db.close()
}

// checkUnused returns ErrDatabaseExists if the directory has a live database of the name.
func checkUnused(tx *overlay, name string) error {
	pairs, failed := tx.tx.Scan(engine.PrefixRange([]byte{kindDatabase}))
	for key, value := range pairs {
		entry, err := decodeDatabaseEntry(key, value)
		if err != nil {
			return err
		}
		if entry.name == name && !entry.deleting {
			return ErrDatabaseExists
		}
	}
	if err := failed(); err != nil {
		return fmt.Errorf("reading the directory of databases: %w", err)
	}
	return nil
}

// checkLive returns ErrNoDatabase if the directory does not have a live database of that
// number.
func checkLive(tx *overlay, id uint32) error {
	value, err := tx.get(databaseKey(id))
	if errors.Is(err, engine.ErrNotFound) {
		return ErrNoDatabase
	}
	if err != nil {
		return fmt.Errorf("reading the directory of databases: %w", err)
	}
	entry, err := decodeDatabaseEntry(databaseKey(id), value)
	if err == nil && entry.deleting {
		return ErrNoDatabase
	}
	return err
}

// clearDatabase removes the keys of a deleted database, at the lowest priority.
func (s *Store) clearDatabase(db *Database) {
	for _, kind := range databaseKinds {
		prefix := binary.BigEndian.AppendUint32([]byte{kind}, db.scope.db)
		for {
			err := s.clearRange(db, engine.PrefixRange(prefix))
			if err == nil {
				break
			}
			select {
			case <-s.ctx.Done():
				return // it goes on at the next start
			case <-time.After(clearAgain):
			}
			s.logger.Warn("clearing a deleted database goes on after a failure",
				zap.String("database", db.name), zap.Error(err))
		}
	}
	set := &changeSet{db: db, clears: true}
	set.delete(databaseKey(db.scope.db))
	s.committer.commitBackground(set)
}

// clearRange removes all keys of a range, some at a time.
func (s *Store) clearRange(db *Database, r engine.Range) error {
	r.KeysOnly, r.Limit = true, maxBackgroundKeys
	for {
		set := &changeSet{db: db, clears: true}
		err := s.engine.View(context.Background(), func(reader engine.Reader) error {
			pairs, failed := reader.Scan(r)
			for key := range pairs {
				if len(set.ops) == maxBackgroundKeys {
					break
				}
				set.delete(append([]byte(nil), key...))
			}
			return failed()
		})
		if err != nil {
			return err
		}
		if len(set.ops) == 0 {
			return nil
		}
		s.committer.commitBackground(set)
		if set.err != nil {
			return set.err
		}
		r.Start = append(set.ops[len(set.ops)-1].key, 0)
	}
}

func (d *Database) close() {
	d.closeOnce.Do(func() {
		close(d.done)
		d.serving.close()
	})
}

// Name returns the database's name.
func (d *Database) Name() string { return d.name }

// ID returns the database's number in its store. Numbers are not used again.
func (d *Database) ID() uint32 { return d.scope.db }

// UUID returns 32 hex digits that name the database in all stores.
func (d *Database) UUID() string {
	uuid := d.counters.Load().UUID
	return hex.EncodeToString(uuid[:])
}

// Done is closed when the database is deleted or its store is closed.
func (d *Database) Done() <-chan struct{} { return d.done }

// Info describes a database.
type Info struct {
	Name string
	UUID string
	// Docs counts live documents, DeletedDocs tombstones.
	Docs, DeletedDocs uint64
	// Seq is the sequence of the last change.
	Seq uint64
	// FirstSeq is where the sequences of the database begin: the first change has FirstSeq+1
	// (DECISIONS 35).
	FirstSeq uint64
	Created  time.Time
}

// Info is the database's, with the numbers of the collection's own documents.
func (c *Collection) Info() Info {
	counts := c.db.counters.Load()
	own := c.counts(counts)
	info := c.db.info(counts)
	info.Docs, info.DeletedDocs = uint64(max(own.Docs, 0)), uint64(max(own.Deleted, 0))
	return info
}

// Info returns the database's counters. It reads no storage.
func (d *Database) Info() Info {
	return d.info(d.counters.Load())
}

func (d *Database) info(counts *counters) Info {
	return Info{
		Name: d.name, UUID: d.UUID(), Created: counts.Created,
		Docs: uint64(max(counts.Docs, 0)), DeletedDocs: uint64(max(counts.Deleted, 0)), Seq: counts.Seq, FirstSeq: counts.FirstSeq,
	}
}
