package auth

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// memoryRecords are records in memory, with the store's rules: whole seconds of expiry,
// updates one after the other and all or nothing.
type memoryRecords struct {
	mu      sync.RWMutex
	data    map[string]memoryRecord
	given   map[grantee][]syncstore.Given
	grants  []grantee // SetGrants of updates that were kept
	log     []string
	views   atomic.Int64
	updates atomic.Int64 // but those of providers' keys, which are stored beside requests
	broken  atomic.Bool
	refuse  atomic.Pointer[error]  // of every update
	delay   atomic.Pointer[func()] // if set: between what a view reads and what it does with it
	// recovered is told of the recovery from a commit in doubt.
	recovered func(context.Context) error
}

type memoryRecord struct {
	value   string
	expires int64
}

// rewrite replaces a text in all records of a kind that have it, as an earlier version would have stored them.
func (m *memoryRecords) rewrite(prefix, from, to string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data = maps.Clone(m.data)
	for key, r := range m.data {
		if _, name, _ := strings.Cut(key, "|"); strings.HasPrefix(name, prefix) {
			m.data[key] = memoryRecord{strings.Replace(r.value, from, to, 1), r.expires}
		}
	}
}

// grantee is a principal of a database, and who gave something.
type grantee struct {
	db        uint32
	principal string
	source    syncstore.GrantSource
}

func newMemoryRecords() *memoryRecords {
	return &memoryRecords{data: map[string]memoryRecord{}, given: map[grantee][]syncstore.Given{}}
}

var errBrokenStore = errors.New("the store is broken")

func (m *memoryRecords) View(ctx context.Context, fn func(syncstore.RecordReader) error) error {
	m.views.Add(1)
	if m.broken.Load() {
		return errBrokenStore
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.RLock()
	data := m.data
	m.mu.RUnlock()
	if delay := m.delay.Load(); delay != nil {
		(*delay)()
	}
	return fn(&memoryTx{data: data}) // never changed in place
}

func (m *memoryRecords) Update(ctx context.Context, fn func(syncstore.RecordTx) error) error {
	counted := true
	defer func() {
		if counted {
			m.updates.Add(1)
		}
	}()
	if m.broken.Load() {
		return errBrokenStore
	}
	if err := m.refuse.Load(); err != nil {
		return *err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	tx := &memoryTx{data: maps.Clone(m.data)}
	err := fn(tx)
	counted = !tx.keys
	if err != nil {
		return err
	}
	m.data = tx.data
	m.log = append(m.log, tx.log...)
	m.grants = append(m.grants, tx.grants...)
	for i, g := range tx.grants {
		m.given[g] = tx.given[i]
	}
	return nil
}

func (m *memoryRecords) OnRecovery(fn func(context.Context) error) (stop func()) {
	m.recovered = fn
	return func() {}
}

type memoryTx struct {
	data   map[string]memoryRecord
	grants []grantee
	given  [][]syncstore.Given // of grants
	log    []string
	keys   bool // a provider's keys were written
}

func memoryKey(db uint32, key []byte) string { return string(rune(db)) + "|" + string(key) }

func (t *memoryTx) Get(db uint32, key []byte) ([]byte, error) {
	r, ok := t.data[memoryKey(db, key)]
	if !ok || r.expires != 0 && r.expires <= time.Now().Unix() {
		return nil, syncstore.ErrNotFound
	}
	return []byte(r.value), nil
}

func (t *memoryTx) Scan(db uint32, prefix []byte, fn func(key, value []byte) error) error {
	head := memoryKey(db, prefix)
	for _, k := range slices.Sorted(maps.Keys(t.data)) {
		r := t.data[k]
		if !strings.HasPrefix(k, head) || r.expires != 0 && r.expires <= time.Now().Unix() {
			continue
		}
		_, key, _ := strings.Cut(k, "|")
		if err := fn([]byte(key), []byte(r.value)); err != nil {
			return err
		}
	}
	return nil
}

func (t *memoryTx) Put(db uint32, key, value []byte, expires time.Time) {
	r := memoryRecord{value: string(value)}
	if !expires.IsZero() {
		r.expires = expires.Unix()
	}
	t.data[memoryKey(db, key)] = r
	t.keys = t.keys || bytes.HasPrefix(key, []byte(providerPrefix))
}

func (t *memoryTx) Delete(db uint32, key []byte) { delete(t.data, memoryKey(db, key)) }
func (t *memoryTx) Log(event []byte)             { t.log = append(t.log, string(event)) }

func (t *memoryTx) SetGrants(db uint32, principal string, source syncstore.GrantSource, given []syncstore.Given) {
	t.grants = append(t.grants, grantee{db, principal, source})
	t.given = append(t.given, slices.Clone(given))
}

// changed returns who was given something else since it was asked last.
func (m *memoryRecords) changed() []grantee {
	m.mu.Lock()
	defer m.mu.Unlock()
	grants := m.grants
	m.grants = nil
	return grants
}

// gives returns what a principal of notes has from a source.
func (m *memoryRecords) gives(principal string, source syncstore.GrantSource) []syncstore.Given {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.given[grantee{notes.ID, principal, source}]
}

// holds reports whether any stored byte contains text: for secrets that must not.
func (m *memoryRecords) holds(text string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for k, r := range m.data {
		if strings.Contains(k, text) || strings.Contains(r.value, text) {
			return true
		}
	}
	return slices.ContainsFunc(m.log, func(e string) bool { return strings.Contains(e, text) })
}

func openTestState(tb testing.TB, r records) *State {
	tb.Helper()
	s, err := openState(tb.Context(), r, nil)
	require.NoError(tb, err)
	tb.Cleanup(s.Close)
	return s
}
