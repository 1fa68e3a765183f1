package syncstore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBackupsRestWhileOthersAsk: six times as long as they worked, for as long as others ask and a
// moment after it; not at all while nobody does.
func TestBackupsRestWhileOthersAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked uint64
		pace := newBackupPace(func() uint64 { return asked })
		// works takes so long for as many keys as are looked at together, and says how long it rested.
		works := func(d time.Duration) time.Duration {
			time.Sleep(d)
			began := time.Now()
			for range paceKeys {
				pace.did(t.Context(), 100)
			}
			return time.Since(began)
		}
		for _, step := range []struct {
			name        string
			asks        uint64
			works, rest time.Duration
		}{
			{"nobody asks", 0, time.Millisecond, 0},
			{"somebody asks", 1, time.Millisecond, 6 * time.Millisecond},
			{"asked a moment ago", 0, time.Millisecond, 6 * time.Millisecond},
			{"a piece that was quick", 1, 100 * time.Microsecond, 0},
			{"which counts with the next", 0, 400 * time.Microsecond, 3 * time.Millisecond},
			{"a piece that was slow", 1, 50 * time.Millisecond, paceLongest},
			{"asked long ago", 0, paceMemory, 0},
			{"nobody asks any more", 0, time.Millisecond, 0},
		} {
			asked += step.asks
			if rest := works(step.works); rest != step.rest {
				t.Errorf("%s: rested %s, want %s", step.name, rest, step.rest)
			}
		}

		asked++
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		time.Sleep(time.Millisecond)
		began := time.Now()
		if pace.did(ctx, paceBytes); time.Since(began) != 0 {
			t.Error("rested though it was to end")
		}
	})
}

// A backup is to rest for those too whose documents are in memory.
func TestReadsFromTheCacheAreAsked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{}`, Rev{})
	for range 3 {
		before := f.store.asked()
		_, err := f.Get(t.Context(), "a", GetOptions{})
		require.NoError(t, err)
		require.Greater(t, f.store.asked(), before)
	}
}
