package syncstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// authLogAge is how long events of the auth log are kept.
const authLogAge = 7 * 24 * time.Hour

// Records are small records of the packages above: users, sessions, providers'
// metadata. They are written in the store's transactions. db 0 stands for the store as a
// whole; the records of a database go with it when it is deleted.
type Records struct {
	store *Store
}

// Records returns the records of the packages above.
func (s *Store) Records() *Records { return &Records{store: s} }

// RecordReader reads records from one snapshot.
type RecordReader interface {
	// Get returns a value, or ErrNotFound. A record that has expired is not found.
	Get(db uint32, key []byte) ([]byte, error)
	// Scan calls fn with the records whose keys begin with prefix, in order. The slices
	// are fn's to keep. An error of fn ends the scan and is returned.
	Scan(db uint32, prefix []byte, fn func(key, value []byte) error) error
}

// RecordTx also writes.
type RecordTx interface {
	RecordReader
	// Put stores a record; expires, if not zero, is when it goes by itself. If there is no
	// such database, Update returns ErrNoDatabase.
	Put(db uint32, key, value []byte, expires time.Time)
	// Delete removes a record; a missing one is no error.
	Delete(db uint32, key []byte)
	// SetGrants says what a principal of a database, a user's name or RolePrincipal of a
	// role, has from a source, and replaces what it had from it. What changes takes one
	// sequence of the database, and open feeds follow it. Channels of collections that the
	// database does not have are left out.
	SetGrants(db uint32, principal string, source GrantSource, grants []Given)
	// Log appends an event to the store's auth log, which every node follows
	// (DECISIONS 36).
	Log(event []byte)
}

// View calls fn with a snapshot.
func (r *Records) View(ctx context.Context, fn func(RecordReader) error) error {
	return r.store.engine.View(ctx, func(reader engine.Reader) error {
		return fn(&recordReader{reader: reader, now: r.store.options.Now()})
	})
}

// Update calls fn in the committer, where nothing else is written meanwhile: it sees
// every earlier update and, with Get, its own writes; Scan shows what was there before.
// What fn wrote is on stable storage when Update returns nil; if fn returns an error,
// nothing is written. fn must be short and must not wait: every write waits for it.
func (r *Records) Update(ctx context.Context, fn func(RecordTx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	set := &changeSet{apply: func(o *overlay) error {
		tx := &recordTx{
			recordReader: recordReader{reader: o.tx, overlay: o, now: r.store.options.Now()}, store: r.store,
		}
		if err := fn(tx); err != nil {
			return err
		}
		return tx.err
	}}
	// It has no room in a group with others that give much: it is applied anew in the next.
	for r.store.committer.commit(set); errors.Is(set.err, errStale); r.store.committer.commit(set) {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return set.err
}

type recordReader struct {
	reader  engine.Reader
	overlay *overlay
	now     time.Time
}

func (r *recordReader) Get(db uint32, key []byte) ([]byte, error) {
	get := r.reader.Get
	if r.overlay != nil {
		get = r.overlay.get
	}
	record, err := get(scope{db: db}.record(key))
	if errors.Is(err, engine.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	value, expires, err := decodeRecord(record)
	if err == nil && expired(expires, r.now) {
		return nil, ErrNotFound
	}
	return value, err
}

func (r *recordReader) Scan(db uint32, prefix []byte, fn func(key, value []byte) error) error {
	pairs, failed := r.reader.Scan(engine.PrefixRange(scope{db: db}.record(prefix)))
	for key, record := range pairs {
		value, expires, err := decodeRecord(record)
		if err != nil {
			return err
		}
		if expired(expires, r.now) {
			continue
		}
		if err := fn(append([]byte(nil), key[prefixSize:]...), append([]byte(nil), value...)); err != nil {
			return err
		}
	}
	if err := failed(); err != nil {
		return fmt.Errorf("scanning records: %w", err)
	}
	return nil
}

type recordTx struct {
	recordReader
	store *Store
	err   error
}

// live notes an error if the database is not there: its records would stay for ever
// (DECISIONS 30).
func (t *recordTx) live(db uint32) bool {
	if db == 0 {
		return true
	}
	if err := checkLive(t.overlay, db); err != nil {
		t.err = err
		return false
	}
	return true
}

func (t *recordTx) Put(db uint32, key, value []byte, expires time.Time) {
	if !t.live(db) {
		return
	}
	s := scope{db: db}
	var at int64
	if !expires.IsZero() {
		at = max(expires.Unix(), 1)
		t.overlay.put(s.due(at, s.record(key)), nil)
	}
	record := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(value)), uint64(at))
	t.overlay.put(s.record(key), append(record, value...))
}

func (t *recordTx) Delete(db uint32, key []byte) {
	t.overlay.delete(scope{db: db}.record(key))
}

func (t *recordTx) Log(event []byte) {
	n, err := t.overlay.next(counterAuthLog)
	if err != nil {
		t.err = fmt.Errorf("numbering an event: %w", err)
		return
	}
	key := authLogKey(n)
	t.overlay.put(key, append([]byte(nil), event...))
	t.overlay.put(scope{}.due(t.now.Add(authLogAge).Unix(), key), nil)
}

// A record is stored with the time at which it expires, in seconds since 1970, 0 for
// never.
func decodeRecord(record []byte) (value []byte, expires int64, err error) {
	if len(record) < 8 {
		return nil, 0, fmt.Errorf("%w: record", ErrDamaged)
	}
	return record[8:], int64(binary.BigEndian.Uint64(record)), nil
}

func expired(expires int64, now time.Time) bool { return expires != 0 && expires <= now.Unix() }
