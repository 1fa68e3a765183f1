package syncstore

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/stretchr/testify/require"
)

// A document that goes from a thousand long channels into a thousand others is too large, and not a failure of
// the store, which clients try again for ever.
func TestWhatNoTransactionTakesOfADocumentIsTooLarge(t *testing.T) {
	t.Parallel()
	e, err := badger.Open(filepath.Join(t.TempDir(), "store"), badger.Options{MinFree: 1, NoSync: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	store, err := Open(t.Context(), e, Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	db, err := store.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
	id := strings.Repeat("i", 2000)
	write := func(parent Rev, channels, size int) WriteResult {
		policy := &recorder{}
		for i := range channels {
			policy.outcome.Channels = append(policy.outcome.Channels, fmt.Sprintf("%s%0*d", parent, size, i))
		}
		return db.Default().Write(t.Context(), []Edit{{ID: id, Parent: parent}}, WriteOptions{policy: policy})[0]
	}
	first := write(Rev{}, 700, 900)
	require.NoError(t, first.Err)
	require.ErrorIs(t, write(first.Rev, 1000, 900).Err, ErrTooLarge)
	require.NoError(t, write(first.Rev, 10, 900).Err)
}
