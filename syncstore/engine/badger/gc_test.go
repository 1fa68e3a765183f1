package badger

import (
	"context"
	"crypto/sha256"
	"fmt"
	"go/build"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// badgerSource returns a file of Badger's source.
func badgerSource(t *testing.T, name string) string {
	t.Helper()
	pkg, err := build.Import("github.com/dgraph-io/badger/v4", ".", build.FindOnly)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(pkg.Dir, name))
	require.NoError(t, err)
	return string(text)
}

func TestGarbageIsCollectedAtEachInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Duration
		begin := time.Now()
		go every(ctx, time.Minute, func(context.Context) { at = append(at, time.Since(begin)) })
		time.Sleep(3*time.Minute + time.Second)
		cancel()
		synctest.Wait()
		require.Equal(t, []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute}, at)
	})
}

func TestNoGarbageIsCollectedWithoutRoomOrInDoubt(t *testing.T) {
	t.Parallel()
	b := openBroken(t, small(t))
	b.free.Store(gcFree - 1)
	_, err := b.Collect(t.Context())
	require.ErrorIs(t, err, engine.ErrNoSpace)
	b.free.Store(1 << 40)
	b.failNext(true)
	require.ErrorIs(t, b.put(t.Context(), "a", "1"), engine.ErrDoubtful)
	_, err = b.Collect(t.Context())
	require.ErrorIs(t, err, engine.ErrDoubtful)
}

// TestCollectingGivesSpaceBackAndLosesNothing overwrites large values. Each restart
// writes a table and begins a file of the value log; merging the tables, here by hand,
// finds out what is garbage.
func TestCollectingGivesSpaceBackAndLosesNothing(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	value := func(i, round int) string {
		b := make([]byte, 512<<10)
		copy(b, fmt.Sprintf("value %d of round %d", i, round))
		return string(b)
	}
	const n = 8
	var e *Engine
	reopen := func() {
		var err error
		if e != nil {
			require.NoError(t, e.Close())
		}
		e, err = Open(path, small(t))
		require.NoError(t, err)
	}
	reopen()
	round, before := 0, int64(0)
	for collected := false; !collected; round++ {
		require.Less(t, round, 20, "nothing to collect")
		require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
			for i := range n {
				if err := tx.Put(fmt.Appendf(nil, "%d", i), []byte(value(i, round))); err != nil {
					return err
				}
			}
			return nil
		}))
		reopen()
		// Does nothing for the first few tables.
		require.NoError(t, e.current.Load().db.Flatten(1))
		before = e.Stats().DiskBytes
		var err error
		collected, err = e.collectFile(t.Context())
		require.NoError(t, err)
	}
	_, err := e.Collect(t.Context())
	require.NoError(t, err)
	require.Less(t, e.Stats().DiskBytes, before-n*500<<10)
	for range 2 {
		require.NoError(t, e.View(t.Context(), func(r engine.Reader) error {
			for i := range n {
				v, err := r.Get(fmt.Appendf(nil, "%d", i))
				require.NoError(t, err)
				require.Equal(t, sha256.Sum256([]byte(value(i, round-1))), sha256.Sum256(v), i)
			}
			return nil
		}))
		reopen()
	}
	require.NoError(t, e.Close())
}
