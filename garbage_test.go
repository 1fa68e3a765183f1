package caddysync

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGarbageHasAShareOfTheMemoryUntilTheHeapIsLarger(t *testing.T) {
	t.Parallel()
	g := &garbageRoom{bytes: 256 << 20}
	for live, percent := range map[uint64]int{
		0: 100, 1 << 20: 800, 32 << 20: 800, 64 << 20: 400, 128 << 20: 200, 256 << 20: 100, 1 << 30: 100,
	} {
		require.Equal(t, percent, g.percentFor(live), live)
	}
}

func percent() int {
	p := debug.SetGCPercent(100)
	debug.SetGCPercent(p)
	return p
}

func TestGarbageIsGivenRoomAfterACollection(t *testing.T) {
	t.Setenv("GOGC", "")
	before := percent()
	restore := giveGarbageRoom(64 << 30)
	require.Eventually(t, func() bool {
		runtime.GC()
		return percent() == maxPercent
	}, time.Minute, time.Millisecond)
	restore()
	require.Equal(t, before, percent())
	runtime.GC()
	require.Equal(t, before, percent())

	t.Setenv("GOGC", "50")
	defer giveGarbageRoom(64 << 30)()
	require.Equal(t, before, percent(), "the operator's word stands")
}
