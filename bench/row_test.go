package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTableShowsBarsAndRatios(t *testing.T) {
	t.Parallel()
	good := atLeast("GET", 0.7, 35000, 50000, "respond", "requests/s")
	good.notes = []string{"p99 3ms"}
	var out bytes.Buffer
	printTable(&out, []row{good, atLeast("PUT", 0.35, 1000, 10000, "the engine", "documents/s")})
	require.Contains(t, out.String(), "| GET | ≥ 70 % of respond | 35 000 against 50 000 requests/s | 0.70 | pass |")
	require.Contains(t, out.String(), "| PUT | ≥ 35 % of the engine | 1 000 against 10 000 documents/s | 0.10 | SHORT |")
	require.Contains(t, out.String(), "- GET: p99 3ms\n")
}

func TestMedian(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 2.0, median([]float64{3, 1, 2}), 0)
	require.Equal(t, 3*time.Second, median([]time.Duration{4 * time.Second, time.Second, 3 * time.Second, 2 * time.Second}))
}

func TestDocumentIDsDoNotRepeat(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i := range 20_000 {
		id := documentID(i)
		require.Len(t, id, 8)
		require.False(t, seen[id])
		seen[id] = true
	}
}

func TestDocumentsHaveTheSizeOfTheBars(t *testing.T) {
	t.Parallel()
	for _, i := range []int{0, 7, 999_999, 5_000_000} {
		body := appendBody(nil, i)
		require.Len(t, body, bodySize)
		require.True(t, json.Valid(body))
	}
}
