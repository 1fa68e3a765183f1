package syncstore

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (f *fixture) record(db uint32, key string) string {
	f.t.Helper()
	var value []byte
	err := f.store.Records().View(f.t.Context(), func(r RecordReader) (err error) {
		value, err = r.Get(db, []byte(key))
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return "-"
	}
	require.NoError(f.t, err)
	return string(value)
}

func (f *fixture) update(fn func(RecordTx) error) error {
	return f.store.Records().Update(f.t.Context(), fn)
}

func TestRecordsAreWrittenTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, f.update(func(tx RecordTx) error {
		tx.Put(0, []byte("a"), []byte("1"), time.Time{})
		tx.Put(f.db.ID(), []byte("a"), []byte("2"), time.Time{})
		value, err := tx.Get(0, []byte("a"))
		require.NoError(t, err)
		require.Equal(t, "1", string(value), "it sees its own writes")
		tx.Log([]byte("event"))
		return nil
	}))
	failed := errors.New("no")
	require.ErrorIs(t, f.update(func(tx RecordTx) error {
		tx.Put(0, []byte("a"), []byte("3"), time.Time{})
		tx.Delete(f.db.ID(), []byte("a"))
		return failed
	}), failed)
	require.Equal(t, "1", f.record(0, "a"))
	require.Equal(t, "2", f.record(f.db.ID(), "a"))
	require.NoError(t, f.update(func(tx RecordTx) error { tx.Delete(0, []byte("a")); return nil }))
	f.reopen()
	require.Equal(t, "-", f.record(0, "a"))
	require.Equal(t, "2", f.record(f.db.ID(), "a"))
	require.NoError(t, f.store.DeleteDatabase(t.Context(), "db"))
	require.Eventually(t, func() bool { return f.record(f.db.ID(), "a") == "-" }, waitFor, tick,
		"a database's records go with it")
}

func TestConcurrentUpdatesOfRecordsLoseNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				err := f.update(func(tx RecordTx) error {
					value, err := tx.Get(0, []byte("n"))
					if err != nil && !errors.Is(err, ErrNotFound) {
						return err
					}
					tx.Put(0, []byte("n"), append(value, 'x'), time.Time{})
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, f.record(0, "n"), 200)
}

func TestDecision36RecordsExpireByTheDueIndex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	put := func(key string, expires time.Time) {
		require.NoError(t, f.update(func(tx RecordTx) error {
			tx.Put(0, []byte(key), []byte(key), expires)
			return nil
		}))
	}
	now := f.clock.Now()
	put("short", now.Add(time.Minute))
	put("slides", now.Add(time.Minute))
	put("stays", time.Time{})
	put("slides", now.Add(time.Hour))
	f.clock.advance(2 * time.Minute)
	require.Equal(t, "-", f.record(0, "short"), "not found from the moment it expires")
	f.sweepNow()
	require.Equal(t, 1, f.keysOf(scope{}, kindDue), "the record that slid is due later")
	require.Equal(t, "slides", f.record(0, "slides"))
	require.Equal(t, "stays", f.record(0, "stays"))
	var scanned []string
	require.NoError(t, f.store.Records().View(t.Context(), func(r RecordReader) error {
		return r.Scan(0, []byte("s"), func(key, value []byte) error {
			scanned = append(scanned, fmt.Sprintf("%s=%s", key, value))
			return nil
		})
	}))
	require.Equal(t, []string{"slides=slides", "stays=stays"}, scanned)
	f.clock.advance(time.Hour)
	f.sweepNow()
	require.Equal(t, 1, f.keysOf(scope{}, kindRecord))
}

func TestTheAuthLogIsKeptForAWhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 3 {
		require.NoError(t, f.update(func(tx RecordTx) error { tx.Log([]byte("e")); return nil }))
	}
	require.Equal(t, 3, f.keysOf(scope{}, kindAuthLog))
	f.clock.advance(authLogAge + time.Minute)
	f.sweepNow()
	require.Zero(t, f.keysOf(scope{}, kindAuthLog))
}

func TestLocalDocuments(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.GetLocal(t.Context(), "alice", "c")
	require.ErrorIs(t, err, ErrNotFound)
	rev, err := f.PutLocal(t.Context(), "alice", "c", "", []byte(`{"n":1}`))
	require.NoError(t, err)
	require.Equal(t, "0-1", rev)
	for _, stale := range []string{"", "0-0", "0-2", "1-1", "x"} {
		_, err = f.PutLocal(t.Context(), "alice", "c", stale, []byte(`{}`))
		require.ErrorIs(t, err, ErrConflict, "%q", stale)
	}
	rev, err = f.PutLocal(t.Context(), "alice", "c", rev, []byte(`{"n":2}`))
	require.NoError(t, err)
	doc, err := f.GetLocal(t.Context(), "alice", "c")
	require.NoError(t, err)
	require.Equal(t, &LocalDocument{ID: "c", Rev: "0-2", Body: []byte(`{"n":2}`)}, doc)
	_, err = f.GetLocal(t.Context(), "bob", "c")
	require.ErrorIs(t, err, ErrNotFound, "it belongs to who wrote it")
	require.ErrorIs(t, f.DeleteLocal(t.Context(), "alice", "c", "0-1"), ErrConflict)
	require.ErrorIs(t, f.DeleteLocal(t.Context(), "bob", "c", rev), ErrNotFound)
	require.NoError(t, f.DeleteLocal(t.Context(), "alice", "c", rev))
	_, err = f.PutLocal(t.Context(), "a", "", "", nil)
	require.ErrorIs(t, err, ErrBadID)
	require.Zero(t, f.db.Info().Seq, "local documents are in no feed")
}
