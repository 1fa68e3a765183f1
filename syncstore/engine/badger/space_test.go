package badger

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

func TestAFullDiskRefusesUpdatesAndServesReads(t *testing.T) {
	t.Parallel()
	o := small(t)
	o.MinFree = 1 << 30
	b := openBroken(t, o)
	b.free.Store(2 << 30)
	require.NoError(t, b.put(t.Context(), "a", "1"))

	b.free.Store(1 << 30)
	require.ErrorIs(t, b.put(t.Context(), "a", "2"), engine.ErrNoSpace)
	require.ErrorIs(t, b.Update(t.Context(), func(tx engine.Txn) error { return tx.Delete([]byte("a")) }), engine.ErrNoSpace)
	value, _ := b.get(t, "a")
	require.Equal(t, "1", value)
	require.NoError(t, b.Update(t.Context(), func(tx engine.Txn) error {
		_, err := tx.Get([]byte("a"))
		return err
	}), "an update that writes nothing needs no space")

	b.free.Store(2 << 30)
	require.NoError(t, b.put(t.Context(), "a", "3"))
	value, _ = b.get(t, "a")
	require.Equal(t, "3", value)
}

func TestATransactionMustFitAboveTheLimit(t *testing.T) {
	t.Parallel()
	o := small(t)
	o.MinFree = 1 << 30
	b := openBroken(t, o)
	b.free.Store(1<<30 + 1<<20)
	require.NoError(t, b.put(t.Context(), "a", string(make([]byte, 1<<19))))
	require.ErrorIs(t, b.put(t.Context(), "a", string(make([]byte, 1<<20))), engine.ErrNoSpace)
}

func TestStatsSeesTheDisk(t *testing.T) {
	t.Parallel()
	b := openBroken(t, small(t))
	b.free.Store(12345)
	require.Equal(t, int64(12345), b.Stats().FreeBytes)
	before := b.Stats().DiskBytes
	b.free.Store(1 << 40)
	require.NoError(t, b.put(t.Context(), "a", string(make([]byte, 8<<20))))
	require.GreaterOrEqual(t, b.Stats().DiskBytes, before+8<<20)
}

func TestFreeBytesOfARealDirectory(t *testing.T) {
	t.Parallel()
	free, err := freeBytes(t.TempDir())
	require.NoError(t, err)
	require.Positive(t, free)
	_, err = freeBytes(filepath.Join(t.TempDir(), "none"))
	require.Error(t, err)
}

func TestDiskBytesCountsBlocksAndNotHoles(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	f, err := os.Create(filepath.Join(path, "sparse"))
	require.NoError(t, err)
	require.NoError(t, f.Truncate(1<<30))
	require.NoError(t, f.Close())
	require.Less(t, diskBytes(path), int64(1<<20))
	require.NoError(t, os.WriteFile(filepath.Join(path, "full"), make([]byte, 1<<20), 0o600))
	require.GreaterOrEqual(t, diskBytes(path), int64(1<<20))
}
