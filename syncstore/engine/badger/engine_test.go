package badger

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/enginetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// small are options for tests, which have little room and many stores.
func small(t *testing.T) Options {
	t.Helper()
	return Options{Memory: MinMemory, MinFree: 1, Logger: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))}
}

func openAt(t *testing.T, path string) engine.Engine {
	t.Helper()
	e, err := Open(path, small(t))
	require.NoError(t, err)
	return e
}

func openNew(t *testing.T) engine.Engine {
	t.Helper()
	return openAt(t, t.TempDir())
}

func openEncrypted(t *testing.T, path string) engine.Engine {
	t.Helper()
	o := small(t)
	o.EncryptionKey = []byte("0123456789abcdef")
	e, err := Open(path, o)
	require.NoError(t, err)
	return e
}

func TestConformance(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, openNew)
}

func TestConformanceVersioned(t *testing.T) {
	t.Parallel()
	enginetest.RunVersioned(t, openNew)
	enginetest.RunVersionsDurable(t, openAt)
}

func TestConformanceDurable(t *testing.T) {
	t.Parallel()
	enginetest.RunDurable(t, openAt)
}

func TestConformanceEncrypted(t *testing.T) {
	t.Parallel()
	enginetest.RunDurable(t, openEncrypted)
}

// TestAskedCountsViewsAndUpdates: what can wait sees by it that somebody does not want to.
func TestAskedCountsViewsAndUpdates(t *testing.T) {
	t.Parallel()
	e := openNew(t)
	t.Cleanup(func() { _ = e.Close() })
	counted, ok := e.(engine.Counted)
	require.True(t, ok)
	before := counted.Asked()
	require.NoError(t, e.View(t.Context(), func(engine.Reader) error { return nil }))
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error { return tx.Put([]byte("k"), []byte("v")) }))
	require.Equal(t, before+2, counted.Asked())
}
