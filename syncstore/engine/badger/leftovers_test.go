package badger

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
)

func TestAStoreOpensWithTheEmptyLogsOfAKilledProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "odd [name]*")
	put := func(e engine.Engine, key string) {
		require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error { return tx.Put([]byte(key), []byte("v")) }))
	}
	e, err := Open(path, small(t))
	require.NoError(t, err)
	put(e, "a")
	require.NoError(t, e.Close())
	for _, leftover := range []string{"00099.mem", "000099.vlog"} {
		require.NoError(t, os.WriteFile(filepath.Join(path, leftover), nil, 0o600))
	}
	e, err = Open(path, small(t))
	require.NoError(t, err)
	put(e, "b")
	require.NoError(t, e.View(t.Context(), func(r engine.Reader) error {
		for _, key := range []string{"a", "b"} {
			_, err := r.Get([]byte(key))
			require.NoError(t, err)
		}
		return nil
	}))

	// Where the store is open, a second Open touches nothing.
	young := filepath.Join(path, "00098.mem")
	require.NoError(t, os.WriteFile(young, nil, 0o600))
	_, err = Open(path, small(t))
	require.ErrorIs(t, err, ErrInUse)
	require.FileExists(t, young)
	require.NoError(t, e.Close())
}

// A child has its parent's locks from the fork on until it is another program.
func TestAStoreOpensWithEmptyLogsWhileChildrenAreForked(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	e, err := Open(path, small(t))
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	var forking sync.WaitGroup
	forking.Go(func() {
		for ctx.Err() == nil {
			_ = exec.CommandContext(ctx, os.Args[0], "-test.run=^$").Run()
		}
	})
	defer forking.Wait()
	defer end()
	for range 30 {
		require.NoError(t, e.Close())
		require.NoError(t, os.WriteFile(filepath.Join(path, "00099.mem"), nil, 0o600))
		e, err = Open(path, small(t))
		require.NoError(t, err)
	}
	require.NoError(t, e.Close())
}
