package syncstore

import (
	"context"
	"sync"
)

// serving says whether a database serves others than administrators.
type serving struct {
	mu      sync.Mutex
	offline bool
	// ended is closed while it does not.
	ended  chan struct{}
	closed bool
}

func newServing(offline bool) *serving {
	s := &serving{ended: make(chan struct{})}
	s.set(offline)
	return s
}

func (s *serving) set(offline bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.offline == offline {
		return
	}
	s.offline = offline
	if offline {
		close(s.ended)
	} else {
		s.ended = make(chan struct{})
	}
}

func (s *serving) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && !s.offline {
		close(s.ended)
	}
	s.closed = true
}

// SetOffline takes the database out of service, or puts it back. That is stored: a database
// that was taken out for a reason must not come back by a restart. The store itself goes on
// as before; whoever serves the database to others has to ask Offline. ErrNoDatabase.
func (d *Database) SetOffline(ctx context.Context, offline bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	set := &changeSet{db: d, apply: func(tx *overlay) error {
		if err := checkLive(tx, d.scope.db); err != nil {
			return err
		}
		entry := databaseEntry{id: d.scope.db, name: d.name, offline: offline}
		tx.put(databaseKey(entry.id), entry.encode())
		return nil
	}, after: func() { d.serving.set(offline) }}
	d.store.committer.commit(set)
	return set.err
}

// Offline reports whether the database is out of service.
func (d *Database) Offline() bool {
	d.serving.mu.Lock()
	defer d.serving.mu.Unlock()
	return d.serving.offline
}

// Serving is closed when the database goes out of service, is deleted, or its store is
// closed; it is closed already while it is out of service.
func (d *Database) Serving() <-chan struct{} {
	d.serving.mu.Lock()
	defer d.serving.mu.Unlock()
	return d.serving.ended
}
