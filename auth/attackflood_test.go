package auth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Keys that all fall into one bucket: Crosby and Wallach, "Denial of Service via
// Algorithmic Complexity Attacks" (USENIX Security 2003); oCERT-2011-003. Caches that
// strangers fill are hashed with a seed of their own, and Go's maps always are.
func TestAttack_HashFlooding(t *testing.T) {
	t.Parallel()
	a, b := newLRU[string, int](1<<12), newLRU[string, int](1<<12)
	var same, shards [lruShards]int
	const keys = 1 << 12
	for n := range keys {
		k := fmt.Sprint("key", n)
		i, j := -1, -1
		for s := range a.shards {
			if a.shard(k) == &a.shards[s] {
				i = s
			}
			if b.shard(k) == &b.shards[s] {
				j = s
			}
		}
		shards[i]++
		if i == j {
			same[i]++
		}
	}
	for s := range shards {
		require.InDelta(t, keys/lruShards, shards[s], keys/lruShards/2, "spread evenly")
		require.Less(t, same[s], keys/lruShards/4, "and not as in another process")
	}

	// A token of as many members as fit, whose names collide in the hash of Java and of
	// PHP's predecessors ("Aa" and "BB"), takes no longer than one of others.
	colliding, plain := manyMembers(func(n int) string {
		var name strings.Builder
		for bit := range 11 {
			name.WriteString([]string{"Aa", "BB"}[n>>bit&1])
		}
		return name.String()
	}), manyMembers(func(n int) string { return fmt.Sprintf("%022d", n) })
	slow, fast := timeOfPeek(t, colliding), timeOfPeek(t, plain)
	require.Less(t, slow, 20*fast+50*time.Millisecond)
}

// manyMembers is a payload of about 11 KiB: a token of 16 KiB.
func manyMembers(name func(int) string) string {
	var b strings.Builder
	b.WriteString(`{"iss":"https://idp.example.com","sub":"alice","aud":"app","iat":1,"exp":4000000000`)
	for n := 0; b.Len() < 11<<10; n++ {
		_, _ = fmt.Fprintf(&b, `,"%s":0`, name(n))
	}
	b.WriteString("}")
	return b.String()
}

// timeOfPeek is the shortest of several: other tests run beside this one.
func timeOfPeek(t *testing.T, payload string) time.Duration {
	t.Helper()
	tok := forge(goodHeader, payload, []byte("s"))
	require.LessOrEqual(t, len(tok), maxToken)
	best := time.Hour
	for range 20 {
		began := time.Now()
		_, err := peek(tok)
		best = min(best, time.Since(began))
		require.NoError(t, err)
	}
	return best
}

// Tokens that nobody signed leave nothing behind: no entry in a cache, no record, no
// request. CWE-770.
func TestAttack_FloodOfForgedTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(bearer(w.issuer.token("alice")))
	digests, updates, fetches := w.service.digests.len(), w.records.updates.Load(), w.issuer.fetches.Load()
	for n := range 500 {
		sub := fmt.Sprint("mallory", n)
		e := w.out(bearer(signText(t, "ec2", goodHeader, payloadOf(w.issuer.token(sub)))))
		require.Equal(t, http.StatusUnauthorized, e.Status)
	}
	require.Equal(t, digests, w.service.digests.len())
	require.Equal(t, updates, w.records.updates.Load())
	require.Equal(t, fetches, w.issuer.fetches.Load())
	require.Less(t, w.state.seen.count(), 3)
}

// Deep nesting exhausts the stack of who reads it recursively: CWE-674, CVE-2022-28131 and
// CVE-2024-34155 are such in Go. Depth is bounded before, in tokens, key sets and metadata.
func TestAttack_DeepNesting(t *testing.T) {
	t.Parallel()
	for _, open := range []string{"[", `{"a":`} {
		deep := `{"a":` + strings.Repeat(open, 500_000)
		_, err := parseClaims([]byte(deep))
		require.ErrorIs(t, err, errNotClaims)
		_, err = parseMetadata([]byte(deep))
		require.Error(t, err)
		_, _, err = parseJWKS([]byte(`{"keys":[` + deep + strings.Repeat("]", 500_000) + `}]}`))
		require.Error(t, err)
	}
	exact := strings.Repeat(`{"a":`, maxClaimsDepth-1) + "{}" + strings.Repeat("}", maxClaimsDepth-1)
	_, err := parseClaims([]byte(exact))
	require.NoError(t, err)
	_, err = parseClaims([]byte(`{"a":` + exact + "}"))
	require.ErrorIs(t, err, errNotClaims)
}
