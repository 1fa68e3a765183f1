package syncstore

import (
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

func putRaw(t *testing.T, e engine.Engine, key, value []byte) {
	t.Helper()
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error { return tx.Put(key, value) }))
}

func TestAStoreOfANewerReleaseIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, f.store.Close())
	putRaw(t, f.engine, formatKey(), []byte{storeFormat + 1})
	_, err := Open(t.Context(), f.engine, Options{})
	require.ErrorIs(t, err, ErrNewerFormat)
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err, "it has format 2, and this release reads formats up to 1; start the release that wrote it")
}

func TestWhatIsNoStoreOfOursIsRefused(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"someone else's", "\x02", "\xff"} {
		e := memory.New()
		putRaw(t, e, []byte(key), []byte("x"))
		_, err := Open(t.Context(), e, Options{})
		require.ErrorIs(t, err, ErrFormat)
		require.NotErrorIs(t, err, ErrNewerFormat)
	}
	for _, format := range []string{"", "\x00", "\x01\x01"} {
		e := memory.New()
		putRaw(t, e, formatKey(), []byte(format))
		_, err := Open(t.Context(), e, Options{})
		require.ErrorIs(t, err, ErrFormat, "%x", format)
	}
}
