package auth

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLRUIsBoundedAndForgetsTheOldest(t *testing.T) {
	t.Parallel()
	c := newLRU[int, int](160)
	for n := range 10_000 {
		c.put(n, n)
		c.put(0, n) // in use
	}
	require.LessOrEqual(t, c.len(), 160)
	v, ok := c.get(0)
	require.True(t, ok)
	require.Equal(t, 9_999, v)
	_, ok = c.get(1)
	require.False(t, ok)
	c.drop(0)
	c.drop(0)
	_, ok = c.get(0)
	require.False(t, ok)
}

// What was read before an invalidation is not kept after it.
func TestLRUKeepsNothingStale(t *testing.T) {
	t.Parallel()
	c := newLRU[string, string](16)
	epoch := c.epoch("a")
	c.drop("a") // a write, while the old value is on its way from the store
	c.putIf("a", "old", epoch)
	_, ok := c.get("a")
	require.False(t, ok)
	c.putIf("a", "new", c.epoch("a"))
	v, _ := c.get("a")
	require.Equal(t, "new", v)
}

// What is forgotten by itself, or with everything else, is told of; what is dropped is known to be stale.
func TestLRUTellsWhatIsGone(t *testing.T) {
	t.Parallel()
	c := newLRU[int, int](lruShards)
	gone, kept := map[int]bool{}, map[int]bool{}
	c.whenGone(func(n int) { gone[n] = true })
	for n := range 100 {
		c.put(n, n)
	}
	c.each(func(n int) { kept[n] = true })
	require.LessOrEqual(t, len(kept), lruShards)
	require.Len(t, gone, 100-len(kept))
	for n := range kept {
		require.NotContains(t, gone, n)
		c.drop(n)
		break
	}
	epoch := c.epoch(0)
	c.dropAll()
	require.Zero(t, c.len())
	require.Len(t, gone, 99)
	c.putIf(0, 0, epoch)
	require.Zero(t, c.len(), "read before")
}
