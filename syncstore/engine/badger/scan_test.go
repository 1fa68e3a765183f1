package badger

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

func TestCommonPrefixHoldsForAllKeysOfARange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		start, end      string
		forth, backward string
	}{
		{"", "", "", ""},
		{"", "b", "", ""},
		{"a", "", "", ""},
		{"abc", "abd", "abc", "ab"},
		{"abc", "abe", "ab", "ab"},
		{"abc1", "abd", "abc", "ab"},
		{"ab", "abd", "ab", "ab"},
		{"a\xff", "b", "a", ""},
		{"a", "b", "a", ""},
		{"abc1", "abc7", "abc", "abc"},
		{"\xff\xff", "", "", ""},
	} {
		in := engine.Range{Start: []byte(c.start), End: []byte(c.end)}
		require.Equal(t, c.forth, string(commonPrefix(in)), "%q to %q", c.start, c.end)
		in.Reverse = true
		require.Equal(t, c.backward, string(commonPrefix(in)), "%q to %q backwards", c.start, c.end)
	}
}

func TestAScanEndsWithItsContext(t *testing.T) {
	t.Parallel()
	e := openAt(t, t.TempDir())
	defer func() { require.NoError(t, e.Close()) }()
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
		for i := range 3 * contextPairs {
			if err := tx.Put(fmt.Appendf(nil, "%08d", i), nil); err != nil {
				return err
			}
		}
		return nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	require.ErrorIs(t, e.View(ctx, func(r engine.Reader) error {
		pairs, failed := r.Scan(engine.Range{})
		for range pairs {
			n++
			cancel()
		}
		return failed()
	}), context.Canceled)
	require.LessOrEqual(t, n, contextPairs)
}
