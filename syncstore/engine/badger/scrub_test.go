package badger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
)

// storeWithTable is the path of a store of 2000 pairs that are in a table, and the table's file.
func storeWithTable(t *testing.T) (path, table string) {
	t.Helper()
	return storeWithTableOf(t, small(t))
}

func storeWithTableOf(t *testing.T, o Options) (path, table string) {
	t.Helper()
	path = t.TempDir()
	e, err := Open(path, o)
	require.NoError(t, err)
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
		for i := range 2000 {
			if err := tx.Put(fmt.Appendf(nil, "key-%04d", i), bytes.Repeat(fmt.Appendf(nil, "value-%04d ", i), 20)); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, e.Close())
	files, err := filepath.Glob(filepath.Join(path, "*.sst"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	return path, files[0]
}

// spoil changes a byte of a file, before which a text stands, or counted from the end.
func spoil(t *testing.T, file, after string, fromEnd int) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	at := len(data) - fromEnd
	if after != "" {
		at = bytes.Index(data, []byte(after))
		require.Positive(t, at)
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{data[at] ^ 0x20}, int64(at))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestAStoreWithADamagedTableDoesNotOpen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, after string
		fromEnd     int
	}{
		{"a value", "value-1000 value", 0},
		{"the index", "", 200},
		{"the end", "", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path, table := storeWithTable(t)
			spoil(t, table, c.after, c.fromEnd)
			_, err := Open(path, small(t))
			require.ErrorIs(t, err, engine.ErrDamaged)
			require.ErrorContains(t, err, filepath.Base(table))
		})
	}
	t.Run("a file that is gone", func(t *testing.T) {
		t.Parallel()
		path, table := storeWithTable(t)
		require.NoError(t, os.Remove(table))
		_, err := Open(path, small(t))
		require.ErrorIs(t, err, engine.ErrDamaged)
	})
}

func TestAValueThatIsNotWhatWasWrittenIsNotRead(t *testing.T) {
	t.Parallel()
	path, table := storeWithTable(t)
	e, err := Open(path, small(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	spoil(t, table, "value-1000 value", 0)
	require.NoError(t, e.View(t.Context(), func(r engine.Reader) error {
		_, err := r.Get([]byte("key-1000"))
		require.ErrorIs(t, err, engine.ErrDamaged)
		value, err := r.Get([]byte("key-0999"))
		require.NoError(t, err)
		require.Equal(t, bytes.Repeat([]byte("value-0999 "), 20), value)
		pairs, failed := r.Scan(engine.Range{})
		n := 0
		for range pairs {
			n++
		}
		require.Equal(t, 1000, n)
		require.ErrorIs(t, failed(), engine.ErrDamaged)
		return nil
	}))
}

// What stands at the end of a block says where the rest of it is: Badger panics if that leads nowhere, which would end
// the server without a word of why.
func TestABlockWhoseNumbersLeadNowhereIsDamage(t *testing.T) {
	t.Parallel()
	path, table := storeWithTable(t)
	data, err := os.ReadFile(table)
	require.NoError(t, err)
	// A block ends with the checksum (a protobuf of CRC32C, up to 8 bytes) and its length in four bytes.
	found := 0
	for at := range len(data) - 4 {
		if n := binary.BigEndian.Uint32(data[at:]); n < 2 || n > 8 || at < int(n)+8 || data[at-int(n)] != 0x10 {
			continue
		}
		for _, number := range []uint32{1 << 30, 1<<14 - 8} {
			spoiled := bytes.Clone(data)
			binary.BigEndian.PutUint32(spoiled[at:], number)
			require.NoError(t, os.WriteFile(table, spoiled, 0o600))
			_, err = Open(path, small(t))
			require.ErrorIs(t, err, engine.ErrDamaged)
			require.ErrorContains(t, err, filepath.Base(table))
		}
		if found++; found == 3 {
			break
		}
	}
	require.Positive(t, found, "no block was found")
}

// The tables of an encrypted store are read with its keys.
func TestAnEncryptedStoreWithADamagedTableDoesNotOpen(t *testing.T) {
	t.Parallel()
	o := small(t)
	o.EncryptionKey = []byte("0123456789abcdef")
	path, table := storeWithTableOf(t, o)
	data, err := os.ReadFile(table)
	require.NoError(t, err)
	e, err := Open(path, o)
	require.NoError(t, err)
	ids := e.tables(t.Context())
	require.NotEmpty(t, ids)
	e.scrub(t.Context(), scrubFirst, append(ids, 4711))
	require.NoError(t, e.View(t.Context(), func(engine.Reader) error { return nil }), "nothing is damaged yet")
	spoil(t, table, "", len(data)/2)
	e.scrub(t.Context(), scrubFirst, ids)
	require.ErrorIs(t, e.View(t.Context(), func(engine.Reader) error { return nil }), engine.ErrDamaged)
	_ = e.Close()

	for at := 1; at < len(data); at += 1 + len(data)/40 {
		spoiled := bytes.Clone(data)
		spoiled[at] ^= 0x20
		require.NoError(t, os.WriteFile(table, spoiled, 0o600))
		_, err = Open(path, o)
		require.ErrorIs(t, err, engine.ErrDamaged, "byte %d of %d", at, len(data))
		require.ErrorContains(t, err, filepath.Base(table))
	}
}

// A key is not there if it is damaged: only a scrub can tell.
func TestAfterAScrubFoundDamageNothingIsReadOrWritten(t *testing.T) {
	t.Parallel()
	path, table := storeWithTable(t)
	e, err := Open(path, small(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	e.scrub(t.Context(), scrubFirst, e.tables(t.Context()))
	require.NoError(t, e.View(t.Context(), func(engine.Reader) error { return nil }))

	spoil(t, table, "value-1000 value", 0)
	e.scrub(t.Context(), scrubFirst, e.tables(t.Context()))
	require.ErrorIs(t, e.View(t.Context(), func(engine.Reader) error { return nil }), engine.ErrDamaged)
	require.ErrorIs(t, e.Update(t.Context(), func(engine.Txn) error { return nil }), engine.ErrDamaged)
}

func TestATableThatACompactionTookAwayIsNoDamage(t *testing.T) {
	t.Parallel()
	path, _ := storeWithTable(t)
	e, err := Open(path, small(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	e.scrub(t.Context(), scrubFirst, []uint64{4711})
	require.NoError(t, e.View(t.Context(), func(engine.Reader) error { return nil }))
}

// Stores from before values had checksums are read.
func TestAValueWithoutAChecksumIsRead(t *testing.T) {
	t.Parallel()
	e, err := Open(t.TempDir(), small(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	h := e.current.Load()
	ts := h.snapshots.newest() + 1
	tx := h.db.NewTransactionAt(ts, true)
	require.NoError(t, tx.Set([]byte("old"), []byte("as it was")))
	require.NoError(t, commitAt(tx, ts))
	h.snapshots.commit(ts)
	require.NoError(t, e.View(t.Context(), func(r engine.Reader) error {
		value, err := r.Get([]byte("old"))
		require.NoError(t, err)
		require.Equal(t, "as it was", string(value))
		return nil
	}))
}
