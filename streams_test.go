package caddysync

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func ended(s *streams) int {
	n := 0
	for _, group := range s.groups {
		select {
		case <-group:
			n++
		default:
		}
	}
	return n
}

func TestDecision17_FeedsEndSpreadOverTheDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreams()
		began := time.Now()
		go s.endSpread(time.Minute)
		for _, part := range []int{0, 1, 2, 3, 4} {
			synctest.Wait()
			require.InDelta(t, part*streamGroups/4, ended(s), 1)
			time.Sleep(15 * time.Second)
		}
		require.Equal(t, streamGroups, ended(s))
		require.WithinDuration(t, began.Add(75*time.Second), time.Now(), 0)
	})
}

func TestFeedsEndAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, end := range map[string]func(*streams){
			"without a delay":   func(s *streams) { s.endSpread(0) },
			"on exit":           func(s *streams) { s.endNow() },
			"during the spread": func(s *streams) { go s.endSpread(time.Hour); s.endNow() },
			"twice":             func(s *streams) { s.endNow(); s.endNow() },
		} {
			began := time.Now()
			s := newStreams()
			end(s)
			synctest.Wait()
			require.Equal(t, streamGroups, ended(s), name)
			require.Equal(t, began, time.Now(), name)
		}
	})
}
