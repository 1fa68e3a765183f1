package badger

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// broken is an engine whose commits can be made to fail.
type broken struct {
	*Engine
	// commit replaces the next commit.
	commit atomic.Pointer[func(*badgerdb.Txn, uint64) error]
	// free is what the disk has left.
	free atomic.Int64
}

var errDisk = errors.New("disk on fire")

func openBroken(t *testing.T, o Options) *broken {
	t.Helper()
	b := &broken{}
	b.free.Store(1 << 40)
	e, err := open(t.TempDir(), o, hooks{
		free: func(string) (int64, error) { return b.free.Load(), nil },
		commit: func(tx *badgerdb.Txn, ts uint64) error {
			if commit := b.commit.Swap(nil); commit != nil {
				return (*commit)(tx, ts)
			}
			return commitAt(tx, ts)
		},
	})
	require.NoError(t, err)
	b.Engine = e
	t.Cleanup(func() { _ = e.Close() })
	return b
}

// failNext makes the next commit fail, after what it wrote became visible or before.
func (b *broken) failNext(visible bool) {
	commit := func(tx *badgerdb.Txn, ts uint64) error {
		if visible {
			if err := commitAt(tx, ts); err != nil {
				return err
			}
		}
		return errDisk
	}
	b.commit.Store(&commit)
}

func (b *broken) put(ctx context.Context, key, value string) error {
	return b.Update(ctx, func(tx engine.Txn) error { return tx.Put([]byte(key), []byte(value)) })
}

func (b *broken) get(t *testing.T, key string) (value string, found bool) {
	t.Helper()
	require.NoError(t, b.View(t.Context(), func(r engine.Reader) error {
		v, err := r.Get([]byte(key))
		if errors.Is(err, engine.ErrNotFound) {
			return nil
		}
		value, found = string(v), err == nil
		return err
	}))
	return value, found
}

func TestDecision32_AFailedCommitStopsUpdatesUntilRecover(t *testing.T) {
	t.Parallel()
	for _, visible := range []bool{false, true} {
		b := openBroken(t, small(t))
		require.NoError(t, b.put(t.Context(), "before", "1"))
		b.failNext(visible)
		err := b.put(t.Context(), "doubtful", "2")
		require.ErrorIs(t, err, engine.ErrDoubtful)
		require.ErrorIs(t, err, errDisk)

		require.ErrorIs(t, b.put(t.Context(), "refused", "3"), engine.ErrDoubtful)
		value, found := b.get(t, "before")
		require.True(t, found, "reads go on")
		require.Equal(t, "1", value)
		_, found = b.get(t, "doubtful")
		require.False(t, found, "what is in doubt is not seen")
		require.Equal(t, uint64(1), b.Stats().Commits)

		require.NoError(t, b.Recover(t.Context()))
		_, found = b.get(t, "doubtful")
		require.Equal(t, visible, found)
		_, found = b.get(t, "refused")
		require.False(t, found)
		require.NoError(t, b.put(t.Context(), "after", "4"))
		value, _ = b.get(t, "after")
		require.Equal(t, "4", value)
		require.NoError(t, b.Close())
	}
}

// TestDecision32_AFailedSyncOfTheValueLogIsADoubtfulCommit says the line that Badger
// says, while it commits, and returns no error either.
func TestDecision32_AFailedSyncOfTheValueLogIsADoubtfulCommit(t *testing.T) {
	t.Parallel()
	b := openBroken(t, small(t))
	commit := func(tx *badgerdb.Txn, ts uint64) error {
		b.current.Load().log.Errorf("Error while curlf sync: %v\n", errDisk)
		return commitAt(tx, ts)
	}
	b.commit.Store(&commit)
	require.ErrorIs(t, b.put(t.Context(), "a", "1"), engine.ErrDoubtful)
	require.ErrorIs(t, b.put(t.Context(), "b", "1"), engine.ErrDoubtful)
	require.NoError(t, b.Recover(t.Context()))
	require.NoError(t, b.put(t.Context(), "b", "1"))
}

// TestRecoverWaitsForViews closes the store under nobody: Badger would crash.
func TestRecoverWaitsForViews(t *testing.T) {
	t.Parallel()
	b := openBroken(t, small(t))
	require.NoError(t, b.put(t.Context(), "a", "1"))
	inside, leave, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		left <- b.View(t.Context(), func(r engine.Reader) error {
			close(inside)
			<-leave
			_, err := r.Get([]byte("a"))
			return err
		})
	}()
	<-inside
	b.failNext(true)
	require.ErrorIs(t, b.put(t.Context(), "a", "2"), engine.ErrDoubtful)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.Recover(ctx), context.DeadlineExceeded)
	require.ErrorIs(t, b.View(ctx, func(engine.Reader) error { return nil }), context.DeadlineExceeded)
	require.ErrorIs(t, b.put(t.Context(), "a", "3"), engine.ErrDoubtful)

	recovered := make(chan error, 1)
	go func() { recovered <- b.Recover(t.Context()) }()
	close(leave)
	require.NoError(t, <-left)
	require.NoError(t, <-recovered)
	value, _ := b.get(t, "a")
	require.Equal(t, "2", value)
}

func TestRecoverThatCannotOpenIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := openBroken(t, small(t))
	require.NoError(t, b.put(t.Context(), "a", "1"))
	b.failNext(false)
	require.ErrorIs(t, b.put(t.Context(), "a", "2"), engine.ErrDoubtful)

	b.stop() // what goes on in the background reads the options
	b.upkeep.Wait()
	good := b.options
	b.options.EncryptionKey = []byte("not the key of it")[:16]
	require.ErrorIs(t, b.Recover(t.Context()), ErrKey)
	err := b.View(t.Context(), func(engine.Reader) error { return nil })
	require.ErrorIs(t, err, ErrKey)
	require.ErrorIs(t, err, engine.ErrUnavailable, "clients are to come back")
	require.ErrorIs(t, b.put(t.Context(), "a", "3"), engine.ErrDoubtful)

	b.options = good
	require.NoError(t, b.Recover(t.Context()))
	value, _ := b.get(t, "a")
	require.Equal(t, "1", value)
	require.NoError(t, b.put(t.Context(), "a", "4"))
}

func TestWatchIsToldOfADoubtfulCommitOnceItIsKnown(t *testing.T) {
	t.Parallel()
	b := openBroken(t, small(t))
	changed, stop := b.Watch([]byte("a"))
	defer stop()
	b.failNext(true)
	require.ErrorIs(t, b.put(t.Context(), "a", "1"), engine.ErrDoubtful)
	require.Empty(t, changed)
	require.NoError(t, b.Recover(t.Context()))
	require.Len(t, changed, 1)
}

func TestCloseAfterADoubtfulCommit(t *testing.T) {
	t.Parallel()
	b := openBroken(t, small(t))
	b.failNext(true)
	require.ErrorIs(t, b.put(t.Context(), "a", "1"), engine.ErrDoubtful)
	require.NoError(t, b.Close())
	require.ErrorIs(t, b.Recover(t.Context()), engine.ErrClosed)
}
