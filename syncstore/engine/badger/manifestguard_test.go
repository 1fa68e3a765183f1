package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const compactedKeys = 6

// toCompact makes a store with more tables in level 0 than Badger leaves there, and returns the
// highest number of one.
func toCompact(t *testing.T, o Options) (path string, highest uint64) {
	t.Helper()
	path = t.TempDir()
	for i := range compactedKeys {
		e, err := Open(path, o)
		require.NoError(t, err)
		require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
			return tx.Put(fmt.Appendf(nil, "key%d", i), []byte("value"))
		}))
		require.NoError(t, e.Close())
	}
	manifest, err := readManifest(path)
	require.NoError(t, err)
	for id := range manifest.Tables {
		highest = max(highest, id)
	}
	return path, highest
}

func requireCompacted(t *testing.T, e *Engine) {
	t.Helper()
	require.NoError(t, e.View(t.Context(), func(r engine.Reader) error {
		for i := range compactedKeys {
			value, err := r.Get(fmt.Appendf(nil, "key%d", i))
			require.NoError(t, err)
			require.Equal(t, "value", string(value))
		}
		return nil
	}))
}

// compacted reports whether there are tables below level 0.
func compacted(path string) bool {
	manifest, err := readManifest(path)
	if err != nil {
		return false
	}
	for _, one := range manifest.Tables {
		if one.Level > 0 {
			return true
		}
	}
	return false
}

// TestCompactionsPassTheGuard, of a store that is encrypted too.
func TestCompactionsPassTheGuard(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "0123456789abcdef"} {
		core, logs := observer.New(zap.WarnLevel)
		o := small(t)
		o.EncryptionKey, o.Logger = []byte(key), zap.New(core)
		path, _ := toCompact(t, o)
		e, err := Open(path, o)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return compacted(path) }, time.Minute, 10*time.Millisecond)
		requireCompacted(t, e)
		require.NoError(t, e.Close())
		require.Zero(t, logs.Len(), logs.All())
	}
}

// TestDecision32_ATableThatCannotBeMadeLosesNothing: Badger removes what it was to be made of all the
// same (manifestguard.go), unless it is told that its list of tables was not synced.
func TestDecision32_ATableThatCannotBeMadeLosesNothing(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "0123456789abcdef"} {
		o := small(t)
		o.EncryptionKey, o.Logger = []byte(key), zap.NewNop()
		path, highest := toCompact(t, o)
		e, err := Open(path, o)
		require.NoError(t, err)
		for id := highest + 1; id < highest+20; id++ { // Badger takes no file that is there
			require.NoError(t, os.WriteFile(table.NewFilename(id, path), []byte("no table"), 0o600))
		}
		require.Eventually(t, func() bool { return e.doubt.Load() != nil }, time.Minute, time.Millisecond)
		requireCompacted(t, e)
		require.NoError(t, e.Recover(t.Context()))
		requireCompacted(t, e)
		require.Eventually(t, func() bool { return compacted(path) }, time.Minute, 10*time.Millisecond, "it is compacted then")
		requireCompacted(t, e)
		require.NoError(t, e.Close())
		_, found := guards.Load(path)
		require.False(t, found)
		again, err := Open(path, o)
		require.NoError(t, err)
		requireCompacted(t, again)
		require.NoError(t, again.Close())
	}
}

// TestTheManifestIsAsBeforeWhenItsSyncFails: what could not be synced is not there.
func TestTheManifestIsAsBeforeWhenItsSyncFails(t *testing.T) {
	t.Parallel()
	path, id := withTable(t)
	name := filepath.Join(path, badgerdb.ManifestFilename)
	before, err := os.ReadFile(name)
	require.NoError(t, err)
	failed := 0
	guard := newManifestGuard(func() { failed++ })
	guard.logged(compactionLine+" Skipped", []any{1, uint64(7), uint64(0)})
	guards.Store(path, guard)
	defer guards.Delete(path)

	list(t, path, deletes(id))
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = file.Seek(0, 2)
	require.NoError(t, err)
	require.ErrorIs(t, syncManifest(file), errTablesMissing)
	require.Equal(t, 1, failed)
	after, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, before, after)

	guard.logged(compactFailure+" with error", []any{1, errDisk})
	list(t, path, deletes(id))
	require.NoError(t, syncManifest(file), "nothing was left of what was compacted")
	require.NoError(t, file.Close())
	require.Equal(t, 1, failed)
}

// TestTheGuardTellsCompactorsApart: two that make tables of the same size at the same time.
func TestTheGuardTellsCompactorsApart(t *testing.T) {
	t.Parallel()
	path, id := withTable(t)
	guard := newManifestGuard(func() {})
	replaced := []*pb.ManifestChange{creates(id, 6), deletes(lostID)}
	made := func(compactor int) { guard.logged(compactionLine, []any{compactor, uint64(1), uint64(0)}) }
	ended := func(compactor int) { guard.logged(compactionEnd, []any{compactor, 6}) }
	ended(1)
	made(0)
	made(1)
	require.NoError(t, guard.complete(path, replaced))
	ended(1)
	require.ErrorIs(t, guard.complete(path, replaced), errTablesMissing, "the other has made it")
	require.NoError(t, guard.complete(path, replaced[1:]), "this one made none")
	made(1)
	require.ErrorIs(t, guard.complete(path, replaced[1:]), errTablesMissing)
	require.NoError(t, guard.complete(path, replaced))

	failed := make(chan error)
	go func() { failed <- guard.complete(path, replaced) }()
	require.NoError(t, <-failed, "which compactor that is is not known yet")
	go func() { failed <- guard.complete(path, replaced[1:]) }()
	require.ErrorIs(t, <-failed, errTablesMissing)
}
