package badger

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

func TestATransactionThatIsTooBigWritesNothing(t *testing.T) {
	t.Parallel()
	e := openAt(t, t.TempDir())
	defer func() { require.NoError(t, e.Close()) }()
	err := e.Update(t.Context(), func(tx engine.Txn) error {
		for i := range 10 * MaxTxnKeys {
			if err := tx.Put(fmt.Appendf(nil, "%d", i), make([]byte, 1000)); err != nil {
				require.ErrorIs(t, err, engine.ErrTxnTooBig)
				break
			}
		}
		return nil // hides the failure; the update must fail all the same
	})
	require.ErrorIs(t, err, engine.ErrTxnTooBig)
	requireEmpty(t, e)
}

func TestKeysAndValuesThatBadgerCannotHoldAreRefused(t *testing.T) {
	t.Parallel()
	e := openAt(t, t.TempDir())
	defer func() { require.NoError(t, e.Close()) }()
	for name, c := range map[string]struct {
		key   string
		value int
	}{
		"empty":          {"", 0},
		"Badger's own":   {"!badger!x", 0},
		"too long":       {string(make([]byte, engine.MaxKeySize+1)), 0},
		"too large":      {"a", engine.MaxValueSize + 1},
		"far too long":   {string(make([]byte, 1<<20)), 0},
		"Badger's alone": {"!badger!", 0},
	} {
		require.Error(t, e.Update(t.Context(), func(tx engine.Txn) error {
			require.Error(t, tx.Put([]byte(c.key), make([]byte, c.value)), name)
			return nil
		}), name)
	}
	requireEmpty(t, e)
}

func requireEmpty(t *testing.T, e engine.Engine) {
	t.Helper()
	require.NoError(t, e.View(t.Context(), func(r engine.Reader) error {
		pairs, failed := r.Scan(engine.Range{})
		for k := range pairs {
			require.Fail(t, "a key", "%q", k)
		}
		return failed()
	}))
}
