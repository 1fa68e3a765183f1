package badger

import (
	"context"
	"sync"
	"sync/atomic"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// handle is an open Badger and how many use it. Badger crashes the process when it is
// closed under a reader, so Recover and Close retire a handle and wait until it is idle.
// A lock would do too, but a reader that waits for it could not heed its context.
type handle struct {
	db  *badgerdb.DB // nil: there is none, because of err
	err error
	log *logger
	// snapshots begin with what the store had when it was opened.
	snapshots snapshots

	uses    atomic.Int64 // one of them is the engine's, until the handle is retired
	retired atomic.Bool
	idle    chan struct{} // closed when nobody uses a retired handle
	next    chan struct{} // closed when another handle took its place

	// used are the tables that it had when it was retired. For who closes it.
	used map[uint64]bool

	closing  sync.Once
	closed   chan struct{}
	closeErr error
}

func newHandle(db *badgerdb.DB, log *logger) *handle {
	h := &handle{db: db, log: log, idle: make(chan struct{}), next: make(chan struct{}), closed: make(chan struct{})}
	h.uses.Store(1)
	if db != nil {
		last := db.MaxVersion()
		db.SetDiscardTs(h.snapshots.commit(last))
	}
	return h
}

// failedHandle stands where no store is open.
func failedHandle(err error) *handle {
	h := newHandle(nil, nil)
	h.err = err
	h.retire()
	return h
}

// acquire returns the open handle, after a Recover in progress has ended. The caller
// must release it. A store that a scrub found damaged gives none.
func (e *Engine) acquire(ctx context.Context) (*handle, error) {
	if damage := e.damage.Load(); damage != nil {
		return nil, *damage
	}
	for {
		h := e.current.Load()
		if h.use() {
			return h, nil
		}
		if h.db == nil {
			return nil, h.err
		}
		select {
		case <-h.next:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// replace puts next into the place of h.
func (e *Engine) replace(h, next *handle) {
	e.current.Store(next)
	close(h.next)
}

func (h *handle) use() bool {
	if h.retired.Load() {
		return false
	}
	for {
		n := h.uses.Load()
		if n == 0 {
			return false
		}
		if h.uses.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (h *handle) release() {
	if h.uses.Add(-1) == 0 {
		close(h.idle)
	}
}

// retire lets nobody else begin to use the handle.
func (h *handle) retire() {
	if h.retired.CompareAndSwap(false, true) {
		h.release()
	}
}

// close waits until a retired handle is idle and closes it. When ctx ends it gives up
// waiting; the next call goes on where it was. Badger tries for ever to write out what
// it holds when the disk fails.
func (h *handle) close(ctx context.Context) error {
	select {
	case <-h.idle:
	case <-ctx.Done():
		return ctx.Err()
	}
	h.closing.Do(func() {
		go func() {
			defer close(h.closed)
			if h.db != nil {
				h.closeErr = h.db.Close()
			}
		}()
	})
	select {
	case <-h.closed:
		return h.closeErr
	case <-ctx.Done():
		return ctx.Err()
	}
}
