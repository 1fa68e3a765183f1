package caddysync

import (
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func noFeeds() int64 { return 0 }

func memoryLimit() int64 { return debug.SetMemoryLimit(-1) }

func TestDecision37_MemoryLimit(t *testing.T) {
	before := memoryLimit()
	var k memoryKeeper

	t.Setenv("GOMEMLIMIT", "")
	end := k.begin(256<<20, noFeeds)
	require.EqualValues(t, (256+64)<<20, memoryLimit())
	endOther := k.begin(128<<20, noFeeds)
	require.EqualValues(t, (256+128+64)<<20, memoryLimit(), "two stores in one process")
	end()
	require.EqualValues(t, (128+64)<<20, memoryLimit())
	endOther()
	require.Equal(t, before, memoryLimit())

	t.Setenv("GOMEMLIMIT", "1GiB")
	end = k.begin(256<<20, noFeeds)
	require.Equal(t, before, memoryLimit(), "the operator's word stands")
	end()
	require.Equal(t, before, memoryLimit())
}

// TestMemoryLimitHasRoomForFeeds: they come beside `memory` (DESIGN section 7), or a server of many
// devices and little memory would do nothing but collect garbage.
func TestMemoryLimitHasRoomForFeeds(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	var k memoryKeeper
	var feeds atomic.Int64
	end := k.begin(64<<20, feeds.Load)
	defer end()
	feeds.Store(10_000)
	require.Eventually(t, func() bool { return memoryLimit() == 128<<20+10_000*feedMemory }, time.Minute, time.Millisecond)
	feeds.Store(0)
	require.Eventually(t, func() bool { return memoryLimit() == 128<<20 }, time.Minute, time.Millisecond)
}

// TestMemoryLimitIsNotRaised: Caddy sets what a container has.
func TestMemoryLimitIsNotRaised(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(200 << 20)
	defer debug.SetMemoryLimit(before)
	var k memoryKeeper
	end := k.begin(256<<20, noFeeds)
	require.EqualValues(t, 200<<20, memoryLimit())
	end()
	require.EqualValues(t, 200<<20, memoryLimit())
}

// TestIdleMemoryIsGivenBack when the process is quiet and it is worth it, and not again at once.
func TestIdleMemoryIsGivenBack(t *testing.T) {
	t.Parallel()
	const much = 1 << 30
	now := time.Now()
	var idle idleMemory
	for _, step := range []struct {
		name  string
		after time.Duration
		use   memoryUse
		due   bool
	}{
		{"busy", 0, memoryUse{allocated: much, live: much, spare: much}, false},
		{"quiet", time.Second, memoryUse{allocated: much + 1000, live: much, spare: much}, true},
		{"quiet still", time.Second, memoryUse{allocated: much + 2000, live: much, spare: much}, false},
		{"long after", time.Minute, memoryUse{allocated: much + 3000, live: much, spare: much}, true},
		{"little to give", time.Minute, memoryUse{allocated: much + 4000, live: 100 << 20, spare: 30 << 20}, false},
		{"little of much", time.Minute, memoryUse{allocated: much + 5000, live: much, spare: 100 << 20}, false},
		{"busy again", time.Minute, memoryUse{allocated: 2 * much, live: much, spare: much}, false},
	} {
		now = now.Add(step.after)
		require.Equal(t, step.due, idle.due(step.use, now), step.name)
	}
}

// TestMemoryUseIsRead: the runtime has the metrics by these names.
func TestMemoryUseIsRead(t *testing.T) {
	t.Parallel()
	use := readMemoryUse()
	require.Positive(t, use.allocated)
	require.Positive(t, use.live+use.spare)
}
