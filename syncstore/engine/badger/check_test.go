package badger

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// filled is a store with tables and files of the value log.
func filled(t *testing.T, o Options) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store")
	for round := range 2 {
		e, err := Open(path, o)
		require.NoError(t, err)
		require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
			for i := range 1000 {
				if err := tx.Put(fmt.Appendf(nil, "%d/%d", round, i), fmt.Appendf(nil, "value %d of %d", i, round)); err != nil {
					return err
				}
			}
			return tx.Put(fmt.Appendf(nil, "large %d", round), make([]byte, 2*valueThreshold))
		}))
		require.NoError(t, e.Close())
	}
	return path
}

func sums(t *testing.T, path string) map[string][32]byte {
	t.Helper()
	files, err := os.ReadDir(path)
	require.NoError(t, err)
	all := make(map[string][32]byte)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(path, f.Name()))
		require.NoError(t, err)
		all[f.Name()] = sha256.Sum256(data)
	}
	return all
}

func TestACopyIsReadWithoutChangingTheStore(t *testing.T) {
	t.Parallel()
	path := filled(t, small(t))
	before := sums(t, path)
	copied, remove, err := Copy(path)
	require.NoError(t, err)
	_, err = Open(path, small(t))
	require.ErrorIs(t, err, ErrInUse, "nobody opens the store meanwhile")
	o := small(t)
	o.Verify = true
	e, err := Open(copied, o)
	require.NoError(t, err)
	require.NoError(t, e.View(t.Context(), func(r engine.Reader) error {
		n := 0
		pairs, failed := r.Scan(engine.Range{})
		for range pairs {
			n++
		}
		require.Equal(t, 2002, n)
		return failed()
	}))
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error { return tx.Delete([]byte("0/0")) }))
	require.NoError(t, e.Close())
	require.NoError(t, remove())
	require.NoDirExists(t, copied)
	require.Equal(t, before, sums(t, path))

	opened := openAt(t, path)
	_, _, err = Copy(path)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, opened.Close())
}

// Badger truncates a table before it removes it, and with it the one that it is linked to.
func TestACopyThatAKilledCheckLeftIsRemovedByTheNext(t *testing.T) {
	t.Parallel()
	path := filled(t, small(t))
	before := sums(t, path)
	folder := filepath.Dir(path)
	copied, unlock, err := Copy(path)
	require.NoError(t, err)
	left := filepath.Join(folder, ".store-check-12")
	require.NoError(t, os.Rename(copied, left), "as a process leaves it that is killed")
	others := []string{".store-check-13", ".store-check-x", ".store-check-more-check-1", ".other-check-1"}
	for n, name := range others {
		require.NoError(t, os.Mkdir(filepath.Join(folder, name), 0o700))
		if n > 0 { // the first is no copy
			require.NoError(t, os.WriteFile(filepath.Join(folder, name, copiedMark), nil, 0o600))
		}
	}

	_, _, err = Copy(path)
	require.ErrorIs(t, err, ErrInUse)
	require.DirExists(t, left, "a check may be using it")

	require.NoError(t, unlock())
	_, remove, err := Copy(path)
	require.NoError(t, err)
	require.NoDirExists(t, left)
	require.NoError(t, remove())
	for _, name := range others {
		require.DirExists(t, filepath.Join(folder, name))
	}
	require.Equal(t, before, sums(t, path))
}

func TestACopyIsNeverCompacted(t *testing.T) {
	t.Parallel()
	const tables = 12 // more than Badger leaves in level 0
	path := filepath.Join(t.TempDir(), "store")
	mark := filepath.Join(path, copiedMark)
	require.NoError(t, os.Mkdir(path, 0o700))
	require.NoError(t, os.WriteFile(mark, nil, 0o600)) // so that they stay there
	for round := range tables {
		e := openAt(t, path)
		require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error { return tx.Put([]byte("key"), fmt.Append(nil, round)) }))
		require.NoError(t, e.Close())
	}
	require.NoError(t, os.Remove(mark))
	before := sums(t, path)

	copied, remove, err := Copy(path)
	require.NoError(t, err)
	o := small(t)
	o.GCInterval = time.Nanosecond
	e, err := Open(copied, o)
	require.NoError(t, err)
	db := e.current.Load().db
	require.Zero(t, db.Opts().NumCompactors)
	require.GreaterOrEqual(t, len(db.Tables()), tables)
	files, err := e.Collect(t.Context())
	require.NoError(t, err)
	require.Zero(t, files)
	require.NoError(t, e.Close())
	require.NoError(t, remove())
	require.Equal(t, before, sums(t, path))

	own, err := Open(path, small(t))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(own.current.Load().db.Tables()) < tables }, time.Minute, 10*time.Millisecond,
		"the store itself is compacted, so a copy would have been")
	require.NoError(t, own.Close())
}

func TestADamagedTableOfAnEncryptedStoreIsFoundWithItsKey(t *testing.T) {
	t.Parallel()
	o := small(t)
	o.EncryptionKey = []byte("0123456789abcdef")
	path := filled(t, o)
	found, tables, err := CheckTables(path, o.EncryptionKey)
	require.NoError(t, err)
	require.Empty(t, found)
	require.Positive(t, tables)
	_, _, err = CheckTables(path, []byte("fedcba9876543210"))
	require.ErrorIs(t, err, ErrKey)
	files, err := filepath.Glob(filepath.Join(path, "*.sst"))
	require.NoError(t, err)
	spoil(t, files[0], "", 3000)
	found, _, err = CheckTables(path, o.EncryptionKey)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, filepath.Base(files[0]), found[0].File)
}

func TestADamagedTableIsFound(t *testing.T) {
	t.Parallel()
	path := filled(t, small(t))
	damaged, tables, err := CheckTables(path, nil)
	require.NoError(t, err)
	require.Empty(t, damaged)
	files, err := filepath.Glob(filepath.Join(path, "*.sst"))
	require.NoError(t, err)
	require.Len(t, files, tables)
	whole, err := os.ReadFile(files[0])
	require.NoError(t, err)
	for place, damage := range map[string]func([]byte) []byte{
		"in a block":       func(b []byte) []byte { b[100] ^= 1; return b },
		"in the index":     func(b []byte) []byte { b[len(b)-60] ^= 1; return b },
		"at the end":       func(b []byte) []byte { b[len(b)-1] ^= 0x40; return b },
		"cut short":        func(b []byte) []byte { return b[:len(b)/2] },
		"empty":            func([]byte) []byte { return nil },
		"nothing but zero": func(b []byte) []byte { return make([]byte, len(b)) },
	} {
		require.NoError(t, os.WriteFile(files[0], damage(append([]byte(nil), whole...)), 0o600))
		damaged, _, err = CheckTables(path, nil)
		require.NoError(t, err, place)
		require.Len(t, damaged, 1, place)
		require.Equal(t, filepath.Base(files[0]), damaged[0].File)
		require.ErrorIs(t, damaged[0].Err, engine.ErrDamaged)
	}
	require.NoError(t, os.Remove(files[0]))
	damaged, _, err = CheckTables(path, nil)
	require.NoError(t, err)
	require.Len(t, damaged, 1, "a table that is gone")
}
