package lite

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestJobsRunAFewAtOnceAndNoneAfterClose(t *testing.T) {
	t.Parallel()
	j := jobs{most: 2, recovered: func() {}}
	var running, most, done atomic.Int64
	for range 100 {
		j.do(func() {
			most.Store(max(most.Load(), running.Add(1)))
			running.Add(-1)
			done.Add(1)
		})
	}
	require.Eventually(t, func() bool { return done.Load() == 100 }, waitFor, time.Millisecond)
	require.LessOrEqual(t, most.Load(), int64(2))
	j.close()
	j.do(func() { done.Add(1) })
	j.close()
	require.Equal(t, int64(100), done.Load())
}

func TestAJobThatPanicsDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	var recovered, done atomic.Int64
	j := jobs{most: 1, recovered: func() {
		if recover() != nil {
			recovered.Add(1)
		}
	}}
	j.do(func() { panic("fault") })
	j.do(func() { done.Add(1) })
	require.Eventually(t, func() bool { return done.Load() == 1 }, waitFor, time.Millisecond)
	require.Equal(t, int64(1), recovered.Load())
	j.close()
}

func TestJobsOfALineWaitForThoseBefore(t *testing.T) {
	t.Parallel()
	j := jobs{most: 3, recovered: func() { _ = recover() }}
	var l line
	var done []int // without a lock: they do not overlap
	release, over := make(chan struct{}), make(chan struct{})
	j.do(l.behind(t.Context(), func() { <-release; done = append(done, 1); panic("fault") }))
	j.do(l.behind(t.Context(), func() { done = append(done, 2) }))
	j.do(l.behind(t.Context(), func() { done = append(done, 3); close(over) }))
	close(release)
	<-over
	require.Equal(t, []int{1, 2, 3}, done)
	j.close()
}

// The connection does not count requests that want no answer, however long they take.
func TestRequestsThatWantNoAnswerAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := jobs{most: 1, recovered: func() {}}
		release := make(chan struct{})
		taken := 0
		for j.doUnwanted(t.Context(), 64<<10, func() { <-release }) {
			taken++
		}
		require.Less(t, taken, 200)
		require.Greater(t, taken, 100)
		ended, end := context.WithCancel(t.Context())
		end()
		began := time.Now()
		require.False(t, j.doUnwanted(ended, 64<<10, func() {}))
		require.False(t, j.doUnwanted(t.Context(), maxUnwantedJobs, func() {}), "there would never be room for it")
		require.Equal(t, began, time.Now())
		close(release)
		synctest.Wait()
		require.True(t, j.doUnwanted(t.Context(), maxUnwantedJobs-jobCost, func() {}))
		j.close()
	})
}

// Properties come deflated, and what comes as a hundred bytes may take more than a MiB.
func TestPropertiesOfRequestsThatWantNoAnswerCount(t *testing.T) {
	t.Parallel()
	r := &replication{server: New(Config{}), logger: zap.NewNop(), ctx: t.Context()}
	r.jobs.most, r.jobs.recovered = 1, func() {}
	release := make(chan struct{})
	r.jobs.do(func() { <-release })
	short := make(blip.Properties, 50_000)
	short[0] = blip.Property{Name: "Profile", Value: "PING"}
	r.handle(&blip.Request{NoReply: true, Properties: short})
	require.Greater(t, r.jobs.unwanted, 1<<20)
	before := r.jobs.unwanted
	r.handle(&blip.Request{NoReply: true, Properties: blip.Properties{short[0], {Name: "x", Value: strings.Repeat("x", 90<<10)}}})
	require.Greater(t, r.jobs.unwanted, before+(90<<10))
	close(release)
	r.jobs.all.Wait()
	require.Zero(t, r.jobs.unwanted)
}

// A machine that is busy falls behind for a moment: that is no reason to end a connection.
func TestRequestsThatWantNoAnswerWaitForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := jobs{most: 1, recovered: func() {}}
		done := 0
		for range 1000 {
			require.True(t, j.doUnwanted(t.Context(), 64<<10, func() {
				time.Sleep(time.Second)
				done++
			}))
		}
		j.all.Wait()
		require.Equal(t, 1000, done)
	})
}
