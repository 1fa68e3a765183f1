package auth

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecision6_VerifiedBasicPairs(t *testing.T) {
	t.Parallel()
	c := newBasicCache()
	require.False(t, c.has(7, "alice", "password", 100))
	c.put(7, "alice", "password", 100)
	require.True(t, c.has(7, "alice", "password", 100))
	for name, has := range map[string]bool{
		"another database":          c.has(8, "alice", "password", 100),
		"another name":              c.has(7, "Alice", "password", 100),
		"another password":          c.has(7, "alice", "passwort", 100),
		"the same bytes otherwise":  c.has(7, "alicep", "assword", 100),
		"all in the name":           c.has(7, "alicepassword", "", 100),
		"all in the password":       c.has(7, "", "alicepassword", 100),
		"a changed password":        c.has(7, "alice", "password", 101),
		"another process":           newBasicCache().has(7, "alice", "password", 100),
		"a password of before that": c.has(7, "alice", "password", 99),
	} {
		require.False(t, has, name)
	}
	c.put(7, "alice", "password", 101)
	c.put(8, "alice", "password", 5)
	require.True(t, c.has(8, "alice", "password", 5))
	require.True(t, c.has(7, "alice", "password", 101))
	require.False(t, c.has(7, "alice", "password", 100))
	require.NotEqual(t, c.key(7, "alice", "password"), newBasicCache().key(7, "alice", "password"), "the key is of this process")
}

func TestVerifiedBasicPairsAreBounded(t *testing.T) {
	t.Parallel()
	c := newBasicCache()
	for i := range 2 * basicCacheSize {
		c.put(7, "alice", fmt.Sprint(i), 1)
	}
	require.LessOrEqual(t, c.entries.len(), basicCacheSize)
	require.True(t, c.has(7, "alice", fmt.Sprint(2*basicCacheSize-1), 1))
}

// F89: from many requests at once.
func TestF89_VerifiedBasicPairsFromManyRequests(t *testing.T) {
	t.Parallel()
	c := newBasicCache()
	var wg sync.WaitGroup
	for user := range 8 {
		wg.Go(func() {
			name := fmt.Sprint(user)
			for i := range 500 {
				c.put(7, name, "password", int64(i))
				require.True(t, c.has(7, name, "password", int64(i)))
				require.False(t, c.has(7, name, "other", int64(i)))
			}
		})
	}
	wg.Wait()
}

func BenchmarkVerifiedBasicPair(b *testing.B) {
	c := newBasicCache()
	c.put(7, "alice", "correct horse battery staple", 1)
	b.ReportAllocs()
	for b.Loop() {
		if !c.has(7, "alice", "correct horse battery staple", 1) {
			b.Fatal("not there")
		}
	}
}
