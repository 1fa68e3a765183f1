package syncstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADatabaseStaysOfflineAcrossRestarts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	serving := f.db.Serving()
	require.False(t, isClosed(serving))
	require.NoError(t, f.db.SetOffline(t.Context(), true))
	require.True(t, isClosed(serving), "who follows it is told")
	require.True(t, isClosed(f.db.Serving()))
	require.False(t, isClosed(f.db.Done()))

	f.reopen()
	require.True(t, f.db.Offline())
	require.NoError(t, f.db.SetOffline(t.Context(), false))
	require.False(t, isClosed(f.db.Serving()))
	f.reopen()
	require.False(t, f.db.Offline())
	require.NoError(t, f.db.SetOffline(t.Context(), true))
	require.NoError(t, f.store.DeleteDatabase(t.Context(), f.db.Name()))
	require.ErrorIs(t, f.db.SetOffline(t.Context(), false), ErrNoDatabase)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
