package enginetest

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// patience is how long a value of Watch may take. A networked engine polls.
const patience = 20 * time.Second

func requireChange(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(patience):
		require.Fail(t, "no value from Watch")
	}
}

func requireQuiet(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	select {
	case <-changed:
		require.Fail(t, "a value from Watch")
	default:
	}
}

func testWatch(t *testing.T, e engine.Engine) {
	one, stopOne := e.Watch([]byte("a"))
	two, stopTwo := e.Watch([]byte("a"))
	other, stopOther := e.Watch([]byte("ab"))
	defer stopOne()
	defer stopTwo()
	defer stopOther()
	requireQuiet(t, one)

	put(t, e, keys("a")...)
	requireChange(t, one)
	requireChange(t, two)
	requireQuiet(t, other)

	remove(t, e, "a")
	requireChange(t, one)

	put(t, e, keys("aa", "ab", "ac")...)
	requireChange(t, other)
	requireChange(t, two) // told of the deletion
	requireQuiet(t, one)
}

// testWatchJoins makes more commits than anybody listens to: none may wait for it, and
// after the last one there is a value.
func testWatchJoins(t *testing.T, e engine.Engine) {
	changed, stop := e.Watch([]byte("a"))
	defer stop()
	for range 50 {
		put(t, e, keys("a")...)
	}
	requireChange(t, changed)
	put(t, e, keys("a")...)
	requireChange(t, changed)
}

func testWatchFailures(t *testing.T, e engine.Engine) {
	changed, stop := e.Watch([]byte("a"))
	defer stop()
	undo := errors.New("undo")
	require.ErrorIs(t, e.Update(t.Context(), func(tx engine.Txn) error {
		require.NoError(t, tx.Put([]byte("a"), nil))
		return undo
	}), undo)
	view(t, e, func(r engine.Reader) { requireMissing(t, r, "a") })
	requireQuiet(t, changed)
}

func testWatchStop(t *testing.T, e engine.Engine) {
	stopped, stop := e.Watch([]byte("a"))
	other, stopOther := e.Watch([]byte("a"))
	defer stopOther()
	stop()
	stop()
	put(t, e, keys("a")...)
	requireChange(t, other)
	requireQuiet(t, stopped)
}
