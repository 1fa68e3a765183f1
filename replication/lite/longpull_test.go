package lite

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// liveHeap is how much memory is in use, without what can be thrown away, and what is being
// worked on.
func liveHeap() uint64 {
	least := uint64(math.MaxUint64)
	for range 4 { // what is pooled goes by the second
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		least = min(least, m.HeapAlloc)
		time.Sleep(10 * time.Millisecond)
	}
	return least
}

// Section 8.2: a pull of everything takes as much memory at its end as at its beginning. Not
// parallel: memory of other tests would count.
func TestALongPullTakesConstantMemory(t *testing.T) {
	if raced {
		t.Skip("memory is measured without the race detector")
	}
	const batches, batch = 50, 200
	l := newLoopback(t, nil)
	text := strings.Repeat("x", 500)
	for i := range batches {
		edits := docs(batch, fmt.Sprintf("d%04d-%%03d", i))
		for j := range edits {
			edits[j].Body = fmt.Appendf(nil, `{"n":%d,"text":"%s"}`, i*batch+j, text)
		}
		for _, result := range l.coll().Write(t.Context(), edits, syncstore.WriteOptions{}) {
			require.NoError(t, result.Err)
		}
	}
	var early, late uint64
	for range 2 { // by the second, what is cached is
		c := l.connect(protocol3)
		var revs atomic.Int64
		c.on("rev", func(*blip.Request) { revs.Add(1) })
		drained := func(told int) {
			require.Eventually(t, func() bool { return int(revs.Load()) == told*batch }, waitFor, time.Millisecond, "revisions are missing")
		}
		c.must("subChanges", "", "batch", fmt.Sprint(batch))
		for told := range batches {
			q, rows := c.changes()
			require.Len(t, rows, batch)
			switch told {
			case batches / 10:
				drained(told)
				early = liveHeap()
			case batches * 9 / 10:
				drained(told)
				late = liveHeap()
			}
			answer(q, "["+strings.Repeat("[],", batch-1)+"[]]")
		}
		c.caughtUp()
		drained(batches)
		c.close()
	}
	require.Less(t, late, early+1<<19, "%d bytes more for %d documents", late-early, batches*batch*8/10)
}
