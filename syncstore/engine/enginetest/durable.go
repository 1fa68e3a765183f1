package enginetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// reopened fills an engine and gives the test another one at the same place.
func reopened(t *testing.T, open OpenPath, fill func(engine.Engine), check func(engine.Engine)) {
	path := t.TempDir()
	e := open(t, path)
	fill(e)
	require.NoError(t, e.Close())
	e = open(t, path)
	check(e)
	require.NoError(t, e.Close())
}

func testReopen(t *testing.T, open OpenPath) {
	var want []pair
	for i := range 3000 {
		want = append(want, pair{fmt.Sprintf("%06d", i), fmt.Sprintf("value %d", i)})
	}
	reopened(t, open, func(e engine.Engine) {
		for at := 0; at < len(want); at += 100 {
			put(t, e, want[at:at+100]...)
		}
	}, func(e engine.Engine) {
		view(t, e, func(r engine.Reader) { require.Equal(t, want, scan(t, r, engine.Range{})) })
		put(t, e, pair{"000000", "changed"})
		view(t, e, func(r engine.Reader) { requireValue(t, r, "000000", "changed") })
	})
}

func testReopenLarge(t *testing.T, open OpenPath) {
	value := pattern(3<<20, 7)
	reopened(t, open, func(e engine.Engine) {
		put(t, e, pair{"large", string(value)})
	}, func(e engine.Engine) {
		view(t, e, func(r engine.Reader) {
			got, err := r.Get([]byte("large"))
			require.NoError(t, err)
			require.True(t, bytes.Equal(value, got))
		})
	})
}

func testReopenDeleted(t *testing.T, open OpenPath) {
	reopened(t, open, func(e engine.Engine) {
		put(t, e, keys("a", "b", "c")...)
		remove(t, e, "b")
	}, func(e engine.Engine) {
		view(t, e, func(r engine.Reader) { require.Equal(t, keys("a", "c"), scan(t, r, engine.Range{})) })
	})
}
