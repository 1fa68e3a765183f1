// Package memory is an engine that keeps everything in memory, for tests: it is small
// enough to be seen to be right, starts nothing in the background, and fails when told.
// Each update copies the whole store, so keep it to some ten thousand keys.
package memory

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// Engine is an engine.Engine in memory.
type Engine struct {
	current atomic.Pointer[[]pair] // sorted by key, never changed
	commits atomic.Uint64

	mu       sync.Mutex // held by Update
	fail     error
	doubtful bool
	closed   atomic.Bool
	watches  map[string]map[chan struct{}]struct{}
}

type pair struct {
	key, value []byte
	version    uint64 // the commit that wrote it
}

// New returns an empty engine.
func New() *Engine {
	e := &Engine{watches: make(map[string]map[chan struct{}]struct{})}
	e.current.Store(&[]pair{})
	return e
}

// FailNext makes the next update fail with err. If err is engine.ErrDoubtful, what it
// wrote stays all the same, as it does when a sync fails, and updates are refused until
// Recover.
func (e *Engine) FailNext(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail = err
}

// View implements engine.Engine.
func (e *Engine) View(ctx context.Context, fn func(engine.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.closed.Load() {
		return engine.ErrClosed
	}
	return fn(&snapshot{pairs: *e.current.Load()})
}

// Update implements engine.Engine.
func (e *Engine) Update(ctx context.Context, fn func(engine.Txn) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch err := ctx.Err(); {
	case err != nil:
		return err
	case e.closed.Load():
		return engine.ErrClosed
	case e.doubtful:
		return engine.ErrDoubtful
	}
	tx := &txn{snapshot: snapshot{pairs: slices.Clone(*e.current.Load())}, version: e.commits.Load() + 1}
	if err := fn(tx); err != nil {
		return err
	}
	fail := e.fail
	e.fail = nil
	if fail != nil && !errors.Is(fail, engine.ErrDoubtful) {
		return fail
	}
	e.current.Store(&tx.pairs)
	e.commits.Add(1)
	e.doubtful = fail != nil
	for _, key := range tx.written {
		for changed := range e.watches[string(key)] {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}
	return fail
}

// Watch implements engine.Engine.
func (e *Engine) Watch(key []byte) (changed <-chan struct{}, stop func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := make(chan struct{}, 1)
	if e.watches[string(key)] == nil {
		e.watches[string(key)] = make(map[chan struct{}]struct{})
	}
	e.watches[string(key)][c] = struct{}{}
	return c, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.watches[string(key)], c)
	}
}

// Recover implements engine.Engine.
func (e *Engine) Recover(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doubtful = false
	return nil
}

// Stats implements engine.Engine.
func (e *Engine) Stats() engine.Stats {
	return engine.Stats{FreeBytes: -1, Commits: e.commits.Load()}
}

// Close implements engine.Engine.
func (e *Engine) Close() error {
	e.closed.Store(true)
	return nil
}

type snapshot struct {
	pairs []pair
}

func find(pairs []pair, key []byte) (int, bool) {
	return slices.BinarySearchFunc(pairs, key, func(p pair, key []byte) int { return bytes.Compare(p.key, key) })
}

// Get implements engine.Reader.
func (s *snapshot) Get(key []byte) ([]byte, error) {
	if i, ok := find(s.pairs, key); ok {
		return bytes.Clone(s.pairs[i].value), nil
	}
	return nil, engine.ErrNotFound
}

// GetMany implements engine.Reader.
func (s *snapshot) GetMany(keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		if at, ok := find(s.pairs, key); ok {
			values[i] = append([]byte{}, s.pairs[at].value...)
		}
	}
	return values, nil
}

// Scan implements engine.Reader. The bytes of a pair are overwritten when the iteration
// goes on, so that a test notices who keeps them.
func (s *snapshot) Scan(r engine.Range) (pairs iter.Seq2[[]byte, []byte], failed func() error) {
	low, _ := find(s.pairs, r.Start)
	high := len(s.pairs)
	if len(r.End) > 0 {
		high, _ = find(s.pairs, r.End)
	}
	found := slices.Clone(s.pairs[low:max(low, high)])
	if r.Reverse {
		slices.Reverse(found)
	}
	return yieldAll(found, func(pair) bool { return !r.KeysOnly })
}

// Measure implements engine.Reader.
func (s *snapshot) Measure(r engine.Range, limit int) (size int64, next []byte, err error) {
	low, _ := find(s.pairs, r.Start)
	for n, p := range s.pairs[low:] {
		switch {
		case len(r.End) > 0 && bytes.Compare(p.key, r.End) >= 0:
			return size, nil, nil
		case n == limit:
			return size, bytes.Clone(p.key), nil
		}
		size += int64(len(p.key) + len(p.value))
	}
	return size, nil, nil
}

// Version implements engine.VersionedReader.
func (s *snapshot) Version(key []byte) (uint64, error) {
	if i, ok := find(s.pairs, key); ok {
		return s.pairs[i].version, nil
	}
	return 0, engine.ErrNotFound
}

// ScanSince implements engine.VersionedReader.
func (s *snapshot) ScanSince(since uint64) (pairs iter.Seq2[[]byte, []byte], failed func() error) {
	return yieldAll(s.pairs, func(p pair) bool { return p.version > since })
}

// yieldAll iterates over pairs, with the values that are wanted.
func yieldAll(found []pair, wanted func(pair) bool) (pairs iter.Seq2[[]byte, []byte], failed func() error) {
	return func(yield func([]byte, []byte) bool) {
		for _, p := range found {
			key, value := bytes.Clone(p.key), append([]byte{}, p.value...)
			if !wanted(p) {
				value = nil
			}
			goOn := yield(key, value)
			spoil(key)
			spoil(value)
			if !goOn {
				return
			}
		}
	}, func() error { return nil }
}

func spoil(b []byte) {
	for i := range b {
		b[i] = 0xa5
	}
}

type txn struct {
	snapshot
	version uint64
	written [][]byte
}

// Put implements engine.Txn.
func (t *txn) Put(key, value []byte) error {
	t.written = append(t.written, bytes.Clone(key))
	p := pair{bytes.Clone(key), append([]byte{}, value...), t.version}
	i, ok := find(t.pairs, key)
	if ok {
		t.pairs[i] = p
		return nil
	}
	t.pairs = slices.Insert(t.pairs, i, p)
	return nil
}

// Delete implements engine.Txn.
func (t *txn) Delete(key []byte) error {
	t.written = append(t.written, bytes.Clone(key))
	if i, ok := find(t.pairs, key); ok {
		t.pairs = slices.Delete(t.pairs, i, i+1)
	}
	return nil
}

var (
	_ engine.Engine          = (*Engine)(nil)
	_ engine.VersionedReader = (*snapshot)(nil)
)
