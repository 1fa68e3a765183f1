package enginetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

func testGet(t *testing.T, e engine.Engine) {
	put(t, e, keys("a", "b")...)
	put(t, e, pair{"a", "changed"})
	view(t, e, func(r engine.Reader) {
		requireValue(t, r, "a", "changed")
		requireValue(t, r, "b", "value of b")
		requireMissing(t, r, "c")
		requireMissing(t, r, "aa")
	})
	remove(t, e, "a", "never there")
	view(t, e, func(r engine.Reader) { requireMissing(t, r, "a") })
	put(t, e, pair{"a", "again"})
	view(t, e, func(r engine.Reader) { requireValue(t, r, "a", "again") })
}

func testGetMany(t *testing.T, e engine.Engine) {
	put(t, e, append(keys("a", "b", "c"), pair{"empty", ""})...)
	view(t, e, func(r engine.Reader) {
		values, err := r.GetMany([][]byte{[]byte("c"), []byte("x"), []byte("a"), []byte("c"), []byte("empty")})
		require.NoError(t, err)
		require.Equal(t, [][]byte{[]byte("value of c"), nil, []byte("value of a"), []byte("value of c"), {}}, values)
		values, err = r.GetMany(nil)
		require.NoError(t, err)
		require.Empty(t, values)
	})
}

// testGetOwnership overwrites what came back, in memory and after it was written out.
func testGetOwnership(t *testing.T, e engine.Engine) {
	large := pattern(200_000, 1)
	put(t, e, pair{"small", "small value"}, pair{"large", string(large)})
	names := [][]byte{[]byte("small"), []byte("large"), []byte("small")}
	spoil := func(r engine.Reader) {
		for range 2 {
			values, err := r.GetMany(names)
			require.NoError(t, err)
			require.Equal(t, "small value", string(values[0]))
			require.Equal(t, "small value", string(values[2]))
			require.True(t, bytes.Equal(large, values[1]))
			for _, v := range values {
				clear(v)
			}
		}
	}
	view(t, e, spoil)
	view(t, e, spoil)
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
		spoil(tx)
		if err := tx.Put([]byte("small"), []byte("small value")); err != nil {
			return err
		}
		spoil(tx)
		return nil
	}))
	view(t, e, spoil)
}

func testEmptyValues(t *testing.T, e engine.Engine) {
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error {
		require.NoError(t, tx.Put([]byte("nil"), nil))
		require.NoError(t, tx.Put([]byte("empty"), []byte{}))
		requireValue(t, tx, "nil", "")
		require.Equal(t, []pair{{"empty", ""}, {"nil", ""}}, scan(t, tx, engine.Range{}))
		return nil
	}))
	view(t, e, func(r engine.Reader) {
		requireValue(t, r, "nil", "")
		requireValue(t, r, "empty", "")
		values, err := r.GetMany([][]byte{[]byte("nil"), []byte("none")})
		require.NoError(t, err)
		require.NotNil(t, values[0])
		require.Nil(t, values[1])
		require.Equal(t, []pair{{"empty", ""}, {"nil", ""}}, scan(t, r, engine.Range{}))
	})
}

func testSizes(t *testing.T, e engine.Engine) {
	longest := string(bytes.Repeat([]byte{'k'}, engine.MaxKeySize))
	put(t, e, pair{longest, "long key"})
	view(t, e, func(r engine.Reader) {
		requireValue(t, r, longest, "long key")
		require.Equal(t, []pair{{longest, "long key"}}, scan(t, r, engine.Range{}))
	})
	for i, size := range []int{1, 1023, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, engine.MaxValueSize} {
		value := pattern(size, byte(i))
		key := fmt.Appendf(nil, "size %d", size)
		require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error { return tx.Put(key, value) }))
		view(t, e, func(r engine.Reader) {
			got, err := r.Get(key)
			require.NoError(t, err)
			require.True(t, bytes.Equal(value, got), "%d bytes", size)
		})
	}
}

func testAnyBytes(t *testing.T, e engine.Engine) {
	var all []pair
	for c := range 256 {
		all = append(all, pair{string([]byte{byte(c)}), "1"}, pair{string([]byte{byte(c), 0}), "2"}, pair{string([]byte{byte(c), 255}), "3"})
	}
	put(t, e, all...)
	view(t, e, func(r engine.Reader) {
		for _, p := range all {
			requireValue(t, r, p.key, p.value)
		}
		require.Equal(t, all, scan(t, r, engine.Range{}))
	})
}
