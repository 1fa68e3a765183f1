package badger

import (
	"fmt"
	"strings"
	"testing"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

func TestTheOldestSnapshotIsTheOneThatAViewReads(t *testing.T) {
	t.Parallel()
	var s snapshots
	require.Equal(t, uint64(7), s.commit(7))
	first := s.begin()
	require.Equal(t, uint64(7), first)
	require.Equal(t, uint64(7), s.commit(8))
	second, again := s.begin(), s.begin()
	require.Equal(t, []uint64{8, 8}, []uint64{second, again})
	require.Equal(t, uint64(7), s.commit(9))
	s.end(second)
	require.Equal(t, uint64(7), s.commit(10))
	s.end(first)
	require.Equal(t, uint64(8), s.commit(11), "another view reads it still")
	s.end(again)
	require.Equal(t, uint64(12), s.commit(12))
	require.Empty(t, s.open)
	require.Equal(t, uint64(12), s.newest())
}

// TestAViewDoesNotWaitForACommit holds a commit up before and after Badger has it: a read must not
// take as long as a sync of the disk, and sees what it was before.
func TestAViewDoesNotWaitForACommit(t *testing.T) {
	t.Parallel()
	b := openBroken(t, small(t))
	require.NoError(t, b.put(t.Context(), "a", "1"))
	under, goOn := make(chan struct{}), make(chan struct{})
	commit := func(tx *badgerdb.Txn, ts uint64) error {
		under <- struct{}{}
		<-goOn
		err := commitAt(tx, ts)
		under <- struct{}{}
		<-goOn
		return err
	}
	b.commit.Store(&commit)
	done := make(chan error)
	go func() { done <- b.put(t.Context(), "a", "2") }()
	for range 2 {
		<-under
		value, _ := b.get(t, "a")
		require.Equal(t, "1", value)
		goOn <- struct{}{}
	}
	require.NoError(t, <-done)
	value, _ := b.get(t, "a")
	require.Equal(t, "2", value)
}

// TestCompactionKeepsWhatAViewSees has tables merged: what was replaced goes when nobody reads it,
// and not before.
func TestCompactionKeepsWhatAViewSees(t *testing.T) {
	t.Parallel()
	for _, read := range []bool{false, true} {
		b := openTiny(t)
		for round := range 2 {
			require.NoError(t, b.put(t.Context(), "key", fmt.Sprint(round)))
		}
		merge := func(engine.Reader) error {
			require.NoError(t, b.put(t.Context(), "key", "2"))
			require.Equal(t, 3, versions(t, b.Engine, "key"))
			b.fillUntil(t, func() bool { return versions(t, b.Engine, "key") < 3 })
			return nil
		}
		if !read {
			require.NoError(t, merge(nil))
			require.Equal(t, 1, versions(t, b.Engine, "key"))
			continue
		}
		require.NoError(t, b.View(t.Context(), func(r engine.Reader) error {
			require.NoError(t, merge(r))
			value, err := r.Get([]byte("key"))
			require.Equal(t, "1", string(value))
			return err
		}))
		require.Equal(t, 2, versions(t, b.Engine, "key"))
		value, _ := b.get(t, "key")
		require.Equal(t, "2", value)
	}
}

// openTiny opens a store that writes a table and merges tables after a few MiB.
func openTiny(t *testing.T) *broken {
	t.Helper()
	b := openBroken(t, small(t))
	h := b.current.Load()
	h.retire()
	require.NoError(t, h.close(t.Context()))
	log := b.guarded()
	db, err := badgerdb.OpenManaged(b.options.badgerOptions(b.path, log).WithMemTableSize(1 << 20))
	require.NoError(t, err)
	b.replace(h, newHandle(db, log))
	return b
}

// fillUntil writes until Badger has merged as many tables as it takes.
func (b *broken) fillUntil(t *testing.T, done func() bool) {
	t.Helper()
	filler := strings.Repeat(" ", valueThreshold-1)
	for n := 0; !done(); n++ {
		require.Less(t, n, 1000, "60 MiB were written, and what nobody reads is still there")
		require.NoError(t, b.put(t.Context(), fmt.Sprint("k", n%10), filler))
	}
}

// versions counts what is kept of a key.
func versions(t *testing.T, e *Engine, key string) (n int) {
	t.Helper()
	h := e.current.Load()
	tx := h.db.NewTransactionAt(h.snapshots.newest(), false)
	defer tx.Discard()
	it := tx.NewKeyIterator([]byte(key), badgerdb.IteratorOptions{AllVersions: true})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		n++
	}
	return n
}

// TestCommitsGoOnWhereTheyWere opens a store again and again: a commit must be newer than all
// that are there.
func TestCommitsGoOnWhereTheyWere(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	for round := range 5 {
		e, err := Open(path, small(t))
		require.NoError(t, err)
		b := &broken{Engine: e}
		for i := range 3 {
			require.NoError(t, b.put(t.Context(), "key", fmt.Sprint(round, i)))
			value, _ := b.get(t, "key")
			require.Equal(t, fmt.Sprint(round, i), value)
		}
		require.NoError(t, e.Close())
	}
}
