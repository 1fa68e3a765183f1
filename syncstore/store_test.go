package syncstore

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// fixture is a store in memory with one database.
type fixture struct {
	*Collection
	t      *testing.T
	engine *memory.Engine
	store  *Store
	clock  *fakeClock
}

type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	since time.Time // from when on it goes; zero if it stands
}

// follow lets the clock go.
func (c *fakeClock) follow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = time.Now()
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.since.IsZero() {
		return c.now.Add(time.Since(c.since))
	}
	return c.now
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newFixture(t *testing.T, adjust ...func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, engine: memory.New(), clock: &fakeClock{now: time.Unix(1_800_000_000, 0)}}
	f.open(adjust...)
	db, err := f.store.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
	f.Collection = db.Default()
	return f
}

func (f *fixture) open(adjust ...func(*Options)) {
	f.t.Helper()
	o := Options{Now: f.clock.Now}
	for _, a := range adjust {
		a(&o)
	}
	store, err := Open(f.t.Context(), f.engine, o)
	require.NoError(f.t, err)
	f.store = store
	f.t.Cleanup(func() { _ = store.Close() })
}

// reopen closes the store and opens it again on what the engine has.
func (f *fixture) reopen(adjust ...func(*Options)) {
	f.t.Helper()
	require.NoError(f.t, f.store.Close())
	f.open(adjust...)
	db, err := f.store.Database("db")
	require.NoError(f.t, err)
	f.Collection = db.Default()
}

func (f *fixture) write(e Edit, o ...WriteOptions) WriteResult {
	f.t.Helper()
	var options WriteOptions
	if len(o) > 0 {
		options = o[0]
	}
	return f.Write(f.t.Context(), []Edit{e}, options)[0]
}

// put makes a new edit and returns its revision.
func (f *fixture) put(id, body string, parent Rev) Rev {
	f.t.Helper()
	r := f.write(Edit{ID: id, Body: []byte(body), Parent: parent})
	require.NoError(f.t, r.Err)
	return r.Rev
}

func (f *fixture) remove(id string, parent Rev) Rev {
	f.t.Helper()
	r := f.write(Edit{ID: id, Parent: parent, Deleted: true})
	require.NoError(f.t, r.Err)
	return r.Rev
}

// push takes in a replicated revision, named with its ancestors: "3-c", "2-b", ….
func (f *fixture) push(id, body string, history ...string) WriteResult {
	f.t.Helper()
	e := Edit{ID: id, Body: []byte(body), History: revs(f.t, history...)}
	return f.write(e)
}

func (f *fixture) pushed(id, body string, history ...string) {
	f.t.Helper()
	require.NoError(f.t, f.push(id, body, history...).Err)
}

func revs(t *testing.T, texts ...string) []Rev {
	t.Helper()
	all := make([]Rev, len(texts))
	for i, text := range texts {
		r, err := ParseRev(text)
		require.NoError(t, err)
		all[i] = r
	}
	return all
}

func revTexts(revs []Rev) []string {
	texts := make([]string, len(revs))
	for i, r := range revs {
		texts[i] = r.String()
	}
	return texts
}

func (f *fixture) get(id string, o GetOptions) *Document {
	f.t.Helper()
	doc, err := f.Get(f.t.Context(), id, o)
	require.NoError(f.t, err)
	return doc
}

// leaves returns a document's leaves as text, the winner first, tombstones with a "!".
func (f *fixture) leaves(id string) []string {
	f.t.Helper()
	results, err := f.GetRevs(f.t.Context(), id, nil, GetOptions{})
	require.NoError(f.t, err)
	var texts []string
	for _, r := range results {
		require.NotNil(f.t, r.Doc, "leaf %s has no body", r.Rev)
		text := r.Rev.String()
		if r.Doc.Deleted {
			text += "!"
		}
		texts = append(texts, text)
	}
	return texts
}

// feedRow is a copy of a Change.
type feedRow struct {
	Seq     uint64
	ID      string
	Deleted bool
	Leaves  []string
}

func copyRow(c *Change) feedRow {
	r := feedRow{Seq: c.Seq, ID: string(c.ID), Deleted: c.Deleted}
	for _, l := range c.Leaves {
		text := string(l.Rev)
		if l.Deleted {
			text += "!"
		}
		r.Leaves = append(r.Leaves, text)
	}
	return r
}

func (f *fixture) changes(o ChangesOptions) (rows []feedRow, last uint64) {
	f.t.Helper()
	reached, err := f.Changes(f.t.Context(), o, func(c *Change) error {
		rows = append(rows, copyRow(c))
		return nil
	})
	require.NoError(f.t, err)
	return rows, reached.Seq
}

func (f *fixture) upload(content []byte) Content {
	f.t.Helper()
	u := f.db.NewUpload(f.t.Context())
	_, err := u.Write(content)
	require.NoError(f.t, err)
	c, err := u.Commit(f.t.Context())
	require.NoError(f.t, err)
	require.Equal(f.t, sha256.Sum256(content), c.SHA256)
	return c
}

// keys returns how many keys of a kind the database has.
func (f *fixture) keys(kind byte) int { return f.keysOf(f.scope, kind) }

func (f *fixture) keysOf(s scope, kind byte) (n int) {
	f.t.Helper()
	require.NoError(f.t, f.engine.View(context.Background(), func(r engine.Reader) error {
		pairs, failed := r.Scan(engine.PrefixRange(s.prefix(kind, 0)))
		for range pairs {
			n++
		}
		return failed()
	}))
	return n
}

func (f *fixture) sweepNow() int {
	f.t.Helper()
	n, err := f.store.sweepDue(f.t.Context())
	require.NoError(f.t, err)
	return n
}

func numbered(n int) string { return fmt.Sprintf("doc%04d", n) }
