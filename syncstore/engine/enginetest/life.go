package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

func testFunctionErrors(t *testing.T, e engine.Engine) {
	own := errors.New("own")
	require.ErrorIs(t, e.View(t.Context(), func(engine.Reader) error { return own }), own)
	require.ErrorIs(t, e.Update(t.Context(), func(engine.Txn) error { return own }), own)
}

func testCancelled(t *testing.T, e engine.Engine) {
	ctx := cancelled(t)
	require.ErrorIs(t, e.View(ctx, func(engine.Reader) error {
		require.Fail(t, "called")
		return nil
	}), context.Canceled)
	require.ErrorIs(t, e.Update(ctx, func(engine.Txn) error {
		require.Fail(t, "called")
		return nil
	}), context.Canceled)
	put(t, e, keys("a")...)
}

// testCancelledInside: whether the update is made is open, but its result says so.
func testCancelledInside(t *testing.T, e engine.Engine) {
	ctx, cancel := context.WithCancel(t.Context())
	err := e.Update(ctx, func(tx engine.Txn) error {
		cancel()
		return tx.Put([]byte("a"), nil)
	})
	view(t, e, func(r engine.Reader) {
		_, getErr := r.Get([]byte("a"))
		require.Equal(t, err == nil, getErr == nil)
	})
	if err != nil {
		require.ErrorIs(t, err, context.Canceled)
	}
	put(t, e, keys("a")...)
}

func testCancelledWaiting(t *testing.T, e engine.Engine) {
	inside, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = e.Update(t.Context(), func(tx engine.Txn) error {
			once.Do(func() { close(inside) })
			<-leave
			return tx.Put([]byte("a"), nil)
		})
	})
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- e.Update(ctx, func(engine.Txn) error { return ctx.Err() }) }()
	cancel()
	close(leave)
	require.ErrorIs(t, <-result, context.Canceled)
	wg.Wait()
	view(t, e, func(r engine.Reader) { requireValue(t, r, "a", "") })
}

func testRecoverIdle(t *testing.T, e engine.Engine) {
	put(t, e, keys("a")...)
	require.NoError(t, e.Recover(t.Context()))
	put(t, e, keys("b")...)
	view(t, e, func(r engine.Reader) { require.Equal(t, keys("a", "b"), scan(t, r, engine.Range{})) })
}

func testStats(t *testing.T, e engine.Engine) {
	before := e.Stats()
	put(t, e, keys("a")...)
	put(t, e, keys("a", "b")...)
	after := e.Stats()
	require.Equal(t, before.Commits+2, after.Commits)
	require.GreaterOrEqual(t, after.DiskBytes, int64(0))
	require.GreaterOrEqual(t, after.FreeBytes, int64(-1))
}

func testClosed(t *testing.T, e engine.Engine) {
	put(t, e, keys("a")...)
	changed, stop := e.Watch([]byte("a"))
	require.NoError(t, e.Close())
	require.ErrorIs(t, e.View(t.Context(), func(engine.Reader) error { return nil }), engine.ErrClosed)
	require.ErrorIs(t, e.Update(t.Context(), func(engine.Txn) error { return nil }), engine.ErrClosed)
	require.Equal(t, uint64(1), e.Stats().Commits)
	requireQuiet(t, changed)
	stop()
}

// testCloseConcurrent closes while updates go on: each is either there or refused.
func testCloseConcurrent(t *testing.T, e engine.Engine) {
	var wg sync.WaitGroup
	began := make(chan struct{}, 4)
	failures := make(chan error, 4)
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				err := e.Update(t.Context(), func(tx engine.Txn) error {
					return tx.Put(fmt.Appendf(nil, "%d/%d", i, n), nil)
				})
				if err != nil {
					failures <- err
					return
				}
				if n == 0 {
					began <- struct{}{}
				}
			}
		})
	}
	for range 4 {
		<-began
	}
	require.NoError(t, e.Close())
	wg.Wait()
	for range 4 {
		require.ErrorIs(t, <-failures, engine.ErrClosed)
	}
}
