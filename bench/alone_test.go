package main

import (
	"context"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/stretchr/testify/require"
)

func TestGroupedWritesSharedKeysOnce(t *testing.T) {
	t.Parallel()
	commit := func(doc, counter string) []write {
		return []write{{[]byte("head " + doc), []byte("x")}, {[]byte("counters"), []byte(counter)}}
	}
	groups := grouped([][]write{commit("a", "1"), commit("b", "2"), commit("c", "3")}, 2)
	require.Equal(t, [][]write{
		{{[]byte("head a"), []byte("x")}, {[]byte("counters"), []byte("2")}, {[]byte("head b"), []byte("x")}},
		{{[]byte("head c"), []byte("x")}, {[]byte("counters"), []byte("3")}},
	}, groups)
}

// What the recorder remembers is, applied to the engine, what a store would have written.
func TestRecordedWritesMakeTheSameStore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	folder := t.TempDir()
	eng, err := badger.Open(folder, badger.Options{Memory: badger.MinMemory, MinFree: 1 << 20})
	require.NoError(t, err)
	store, err := syncstore.Open(ctx, eng, syncstore.Options{})
	require.NoError(t, err)
	db, err := store.CreateDatabase(ctx, "notes")
	require.NoError(t, err)
	first := db.Default().Write(ctx, []syncstore.Edit{{ID: documentID(1), Body: appendBody(nil, 1)}}, syncstore.WriteOptions{})
	require.NoError(t, first[0].Err)
	require.NoError(t, store.Close())
	require.NoError(t, eng.Close())

	a, err := openAlone(ctx, folder)
	require.NoError(t, err)
	rate, err := a.measure(ctx, func(context.Context) error { return nil }, []syncstore.Edit{
		{ID: documentID(1), Body: appendBody(nil, 10)}, {ID: documentID(2), Body: appendBody(nil, 2)}, {ID: documentID(3), Body: appendBody(nil, 3)},
	}, 2)
	require.NoError(t, err)
	require.Positive(t, rate.perSecond)
	require.Positive(t, rate.syncs)
	require.NoError(t, a.store.Close())

	again, err := syncstore.Open(ctx, a.engine, syncstore.Options{})
	require.NoError(t, err)
	db, err = again.Database("notes")
	require.NoError(t, err)
	require.EqualValues(t, 4, db.Info().Seq)
	require.EqualValues(t, 3, db.Info().Docs)
	updated, err := db.Default().Get(ctx, documentID(1), syncstore.GetOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 2, updated.Rev.Gen)
	require.NoError(t, again.Close())
	require.NoError(t, a.engine.Close())
}

func TestRecorderShowsWhatWasWrittenAndDeleted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	eng, err := badger.Open(t.TempDir(), badger.Options{Memory: badger.MinMemory, MinFree: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, eng.Close()) })
	r := &recorder{Engine: eng, written: map[string][]byte{}}
	require.NoError(t, r.Update(ctx, func(tx engine.Txn) error {
		require.NoError(t, tx.Put([]byte("a"), []byte("1")))
		require.NoError(t, tx.Put([]byte("b"), nil))
		require.NoError(t, tx.Delete([]byte("a")))
		_, err := tx.Get([]byte("a"))
		require.ErrorIs(t, err, engine.ErrNotFound)
		return nil
	}))
	require.NoError(t, r.View(ctx, func(reader engine.Reader) error {
		values, err := reader.GetMany([][]byte{[]byte("a"), []byte("b"), []byte("c")})
		require.NoError(t, err)
		require.Equal(t, [][]byte{nil, {}, nil}, values)
		return nil
	}))
	require.Len(t, r.take(), 1)
	require.Empty(t, r.take())
}
