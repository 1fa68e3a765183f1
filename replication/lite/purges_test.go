package lite

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Couchbase Lite answers at once and purges later. Told of the document in between, it has it, and purges it then.
func TestADocumentThatComesBackWaitsUntilItIsPurged(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.share("bob", "a", "b")
	l.edit("lost", `{"channels":["a","c"]}`, "")
	c := l.connect(protocol4)
	c.must("subChanges", "", "continuous", "true", "revocations", "true")
	q, rows := c.changes()
	require.Equal(t, "lost", rows[0].id)
	answer(q, "[0]")
	c.caughtUp()

	l.give("bob", "b")
	began := time.Now()
	require.NotEmpty(t, c.told("lost").flags)
	l.give("bob", "b", "c")
	require.Empty(t, c.told("lost").flags)
	require.GreaterOrEqual(t, time.Since(began), purgesWithin)

	l.edit("other", `{"channels":"b"}`, "")
	require.Equal(t, "other", c.told("other").id, "nothing waits any more")
}

func TestPurgesAreRememberedForAWhileAndNotAllOfThem(t *testing.T) {
	t.Parallel()
	now := time.Now()
	lost := func(n int) (rows []row) {
		for i := range 200 {
			rows = append(rows, row{id: fmt.Sprint(n, " ", i), flags: rowRevoked}, row{id: "kept"})
		}
		return rows
	}
	var p purges
	require.False(t, p.add([]row{{id: "kept"}}, now))
	require.False(t, p.add([]row{{id: "deleted", flags: rowDeleted | rowRemoved}}, now), "it is in no channel, and no loss")
	for _, flags := range []int{rowRevoked, rowRevoked | rowDeleted, rowRemoved, rowRevoked | rowRemoved, rowLost | rowDeleted} {
		q := new(purges)
		require.True(t, q.add([]row{{id: "lost", flags: flags}}, now.Add(1)))
		require.NotZero(t, q.until("lost", now))
	}
	require.Zero(t, p.until("kept", now))
	for n := range 30 {
		require.True(t, p.add(lost(n), now.Add(time.Duration(n)*time.Second)))
	}
	require.Equal(t, now.Add(29*time.Second), p.until("29 0", now))
	require.Equal(t, now.Add(20*time.Second), p.until("20 199", now))
	require.Zero(t, p.until("kept", now))
	require.Zero(t, p.until("20 0", now.Add(20*time.Second)), "it is purged")
	require.Zero(t, p.until("2 0", now), "that was long before")
	require.LessOrEqual(t, p.count, maxPurging)
	p.forget(now.Add(28 * time.Second))
	require.Equal(t, 200, p.count)
	p.forget(now.Add(29 * time.Second))
	require.Nil(t, p.batches)
	require.Zero(t, p.count)
}
