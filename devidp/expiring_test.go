package devidp

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestExpiringEntriesEndAtTheirTime(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		entries := newExpiring[int](10)
		entries.put("a", 1, time.Minute)
		time.Sleep(time.Minute - time.Nanosecond)

		entries.replace("a", 2)

		got, ok := entries.get("a")
		require.True(t, ok)
		require.Equal(t, 2, got)

		time.Sleep(time.Nanosecond)

		_, ok = entries.get("a")
		require.False(t, ok, "replacing does not prolong")

		entries.put("b", 3, time.Minute)
		require.Len(t, entries.entries, 1, "the expired one is gone from memory")
	})
}

func TestExpiringIsBounded(t *testing.T) {
	t.Parallel()

	entries := newExpiring[int](10)
	for n := range 1000 {
		entries.put(strconv.Itoa(n), n, time.Hour)

		if n >= 500 && n != 999 {
			entries.delete(strconv.Itoa(n))
		}
	}

	require.LessOrEqual(t, len(entries.entries), 10)
	require.LessOrEqual(t, len(entries.order), 20)

	_, ok := entries.get("999")
	require.True(t, ok, "the newest stays")

	entries.replace("gone", 1)

	_, ok = entries.get("gone")
	require.False(t, ok)
}
