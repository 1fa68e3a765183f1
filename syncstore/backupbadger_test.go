package syncstore

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/stretchr/testify/require"
)

func openBadger(t *testing.T, path string) *badger.Engine {
	t.Helper()
	e, err := badger.Open(path, badger.Options{Memory: badger.MinMemory, MinFree: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// TestBackupsKnowWhatBadgerHasForgotten deletes what an earlier backup has, and restarts often
// enough for compactions to drop even that it was deleted.
func TestBackupsKnowWhatBadgerHasForgotten(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	e := openBadger(t, path)
	putRaw(t, e, formatKey(), []byte{storeFormat})
	update := func(from, to int, write func(engine.Txn, []byte) error) {
		require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
			for n := from; n < to; n++ {
				if err := write(tx, []byte(numbered(n))); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	put := func(tx engine.Txn, key []byte) error { return tx.Put(key, append(key, " value"...)) }
	backup := func(since string) (file []byte, next string) {
		var out bytes.Buffer
		_, err := BackupEngine(t.Context(), e, &out, BackupOptions{Since: since, Begin: func(h BackupHeader) { next = h.Next }})
		require.NoError(t, err)
		return out.Bytes(), next
	}
	update(0, 2000, put)
	whole, next := backup("")
	update(500, 2000, engine.Txn.Delete)
	for n := range 12 {
		require.NoError(t, e.Close())
		e = openBadger(t, path)
		update(3000+n, 3001+n, put)
		update(3000+n, 3001+n, engine.Txn.Delete) // the last version is that of a deletion
	}
	update(1990, 1995, put)
	later, _ := backup(next)

	restored := openBadger(t, t.TempDir())
	_, err := loadBackups(t.Context(), restored, sources(whole, later), RestoreOptions{})
	require.NoError(t, err)
	require.Equal(t, contents(t, e), contents(t, restored))
}

// TestABackupIsOneStateThoughOthersWrite backs up while two keys are always written together.
func TestABackupIsOneStateThoughOthersWrite(t *testing.T) {
	t.Parallel()
	e := openBadger(t, t.TempDir())
	putRaw(t, e, formatKey(), []byte{storeFormat})
	putRaw(t, e, []byte("a"), nil)
	putRaw(t, e, []byte("z"), nil)
	for n := range 5 { // something to read in between
		require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
			for i := range 2000 {
				if err := tx.Put(fmt.Appendf(nil, "b%d/%d", n, i), randomBytes(100)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	var stop atomic.Bool
	done := make(chan error)
	go func() {
		for n := 0; ; n++ {
			err := e.Update(t.Context(), func(tx engine.Txn) error {
				text := fmt.Append(nil, n)
				if err := tx.Put([]byte("a"), text); err != nil {
					return err
				}
				return tx.Put([]byte("z"), text)
			})
			if err != nil || stop.Load() {
				done <- err
				return
			}
		}
	}()
	var files [][]byte
	next := ""
	for range 5 {
		var out bytes.Buffer
		_, err := BackupEngine(t.Context(), e, &out, BackupOptions{Since: next, Begin: func(h BackupHeader) { next = h.Next }})
		require.NoError(t, err)
		files = append(files, out.Bytes())
		restored := openBadger(t, t.TempDir())
		_, err = loadBackups(t.Context(), restored, sources(files...), RestoreOptions{})
		require.NoError(t, err)
		all := contents(t, restored)
		require.Equal(t, all["a"], all["z"])
		require.Equal(t, 10_000+1+2+len(files), len(all)) //nolint:testifylint // Len would print them all
	}
	stop.Store(true)
	require.NoError(t, <-done)
}
