package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
)

// alone is the engine on a copy of the store, without a server: what writing would be if
// it cost nothing but the engine.
type alone struct {
	folder   string
	engine   engine.Engine
	recorder *recorder
	store    *syncstore.Store
}

// aloneRate is how fast the engine alone wrote.
type aloneRate struct{ perSecond, syncs float64 }

func openAlone(ctx context.Context, folder string) (*alone, error) {
	opened, err := badger.Open(folder, badger.Options{Memory: 1 << 30, MinFree: 64 << 20})
	if err != nil {
		return nil, fmt.Errorf("opening the engine alone: %w", err)
	}
	r := &recorder{Engine: opened, written: map[string][]byte{}}
	store, err := syncstore.Open(ctx, r, syncstore.Options{})
	if err != nil {
		return nil, fmt.Errorf("opening the engine alone: %w", err)
	}
	return &alone{folder: folder, engine: opened, recorder: r, store: store}, nil
}

func (a *alone) close() error {
	return errors.Join(a.store.Close(), a.engine.Close(), os.RemoveAll(a.folder))
}

// measure finds out which keys and bytes the documents are to the engine, and then writes
// just those, from one goroutine, in transactions of as many documents as given. What is to be
// waited for between the two is calm.
func (a *alone) measure(ctx context.Context, calm func(context.Context) error, edits []syncstore.Edit, group int) (aloneRate, error) {
	db, err := a.store.Database("notes")
	if err != nil {
		return aloneRate{}, fmt.Errorf("recording writes: %w", err)
	}
	a.recorder.take()
	for i := range edits {
		if doc, err := db.Default().Get(ctx, edits[i].ID, syncstore.GetOptions{}); err == nil {
			edits[i].Parent = doc.Rev
		}
		result := db.Default().Write(ctx, edits[i:i+1], syncstore.WriteOptions{Viewer: &syncstore.Viewer{Name: "u00000"}})[0]
		if result.Err != nil {
			return aloneRate{}, fmt.Errorf("recording writes: %w", result.Err)
		}
	}
	// What was remembered goes to the engine now.
	groups := grouped(a.recorder.take(), group)
	if err := calm(ctx); err != nil {
		return aloneRate{}, err
	}
	began := time.Now()
	for _, ops := range groups {
		if err := a.engine.Update(ctx, func(tx engine.Txn) error { return apply(tx, ops) }); err != nil {
			return aloneRate{}, fmt.Errorf("writing to the engine alone: %w", err)
		}
	}
	took := time.Since(began).Seconds()
	return aloneRate{float64(len(edits)) / took, float64(len(groups)) / took}, nil
}

// write is one key of a commit; a nil value deletes it.
type write struct{ key, value []byte }

func apply(tx engine.Txn, ops []write) error {
	for _, o := range ops {
		var err error
		if o.value == nil {
			err = tx.Delete(o.key)
		} else {
			err = tx.Put(o.key, o.value)
		}
		if err != nil {
			return fmt.Errorf("writing a key: %w", err)
		}
	}
	return nil
}

// grouped joins commits of one document each into commits of several; a key that all of
// them write, as the database's counters, is written once.
func grouped(commits [][]write, size int) [][]write {
	var groups [][]write
	for len(commits) > 0 {
		n := min(size, len(commits))
		last := map[string]int{}
		var ops []write
		for _, commit := range commits[:n] {
			for _, o := range commit {
				if at, ok := last[string(o.key)]; ok {
					ops[at].value = o.value
					continue
				}
				last[string(o.key)] = len(ops)
				ops = append(ops, o)
			}
		}
		groups = append(groups, ops)
		commits = commits[n:]
	}
	return groups
}

// recorder is an engine that writes nothing but remembers what it was told to write, so
// that a store above it works as usual. Point reads see what was remembered, scans do not.
type recorder struct {
	engine.Engine
	mu      sync.RWMutex // the store's own goroutines read too
	written map[string][]byte
	commits [][]write
}

func (r *recorder) View(ctx context.Context, fn func(engine.Reader) error) error {
	return r.Engine.View(ctx, func(reader engine.Reader) error { //nolint:wrapcheck // ours to hand on
		return fn(&recordedTxn{reader: reader, recorder: r})
	})
}

// Update has one caller at a time: the committer.
func (r *recorder) Update(ctx context.Context, fn func(engine.Txn) error) error {
	return r.Engine.View(ctx, func(reader engine.Reader) error { //nolint:wrapcheck // ours to hand on
		tx := &recordedTxn{reader: reader, recorder: r}
		if err := fn(tx); err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, o := range tx.ops {
			r.written[string(o.key)] = o.value
		}
		r.commits = append(r.commits, tx.ops)
		return nil
	})
}

// take returns the commits so far and forgets them.
func (r *recorder) take() [][]write {
	r.mu.Lock()
	defer r.mu.Unlock()
	commits := r.commits
	r.commits = nil
	clear(r.written)
	return commits
}

type recordedTxn struct {
	reader   engine.Reader
	recorder *recorder
	ops      []write
}

func (t *recordedTxn) Get(key []byte) ([]byte, error) {
	for _, o := range slices.Backward(t.ops) {
		if string(o.key) == string(key) {
			return found(o.value)
		}
	}
	t.recorder.mu.RLock()
	value, ok := t.recorder.written[string(key)]
	t.recorder.mu.RUnlock()
	if ok {
		return found(value)
	}
	return t.reader.Get(key) //nolint:wrapcheck // ours to hand on
}

func found(value []byte) ([]byte, error) {
	if value == nil {
		return nil, engine.ErrNotFound
	}
	return append([]byte{}, value...), nil
}

func (t *recordedTxn) GetMany(keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		value, err := t.Get(key)
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			return nil, err
		}
		values[i] = value
	}
	return values, nil
}

func (t *recordedTxn) Scan(r engine.Range) (iter.Seq2[[]byte, []byte], func() error) {
	return t.reader.Scan(r)
}

func (t *recordedTxn) Measure(r engine.Range, limit int) (int64, []byte, error) {
	return t.reader.Measure(r, limit)
}

func (t *recordedTxn) Put(key, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	t.ops = append(t.ops, write{append([]byte(nil), key...), append([]byte{}, value...)})
	return nil
}

func (t *recordedTxn) Delete(key []byte) error {
	t.ops = append(t.ops, write{append([]byte(nil), key...), nil})
	return nil
}
