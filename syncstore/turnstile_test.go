package syncstore

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A feed that is far behind, and waits for its turn to go on, hears at once that its viewer lost
// what it is reading.
func TestALossIsReadBeforeTheRestOfAGain(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	for n := range 100 {
		f.in(fmt.Sprintf("d%03d", n), Rev{}, "big")
	}
	f.give(RolePrincipal("crowd"), "role:crowd")
	f.give("alice", "role:crowd")
	feed := f.Follow(Cursor{}, FeedOptions{Viewer: &Viewer{Name: "alice"}, Revocations: true})
	defer feed.Close()
	read := func() (rows []string) {
		_, err := feed.Read(t.Context(), 0, func(c *Change) error {
			rows = append(rows, fmt.Sprint(c.Cursor(), " ", string(c.ID), " ", c.Revoked))
			return nil
		})
		require.NoError(t, err)
		return rows
	}
	require.Empty(t, read())
	f.give(RolePrincipal("crowd"), "role:crowd", "big")
	var first []string
	for len(first) == 0 { // now and then a feed is ready for nothing
		<-feed.Ready()
		first = read()
	}
	require.Len(t, first, firstPiece)
	more := &f.store.viewers.more
	for range cap(more.slots) {
		more.slots <- struct{}{} // others are reading, and go on for long
	}
	revoked := make(chan string)
	go func() {
		for {
			// That its access had changed with the gain may be told after its first rows, and gives it
			// some more.
			for _, row := range read() {
				if strings.HasSuffix(row, " true") {
					revoked <- row
					return
				}
			}
		}
	}()
	f.give(RolePrincipal("crowd"), "role:crowd")
	require.Contains(t, <-revoked, "d000 true")
}

func TestFeedsThatGoOnRestWhileOthersWaitForFirstRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all turnstiles
		all.init(func() bool { return false })
		require.Zero(t, all.more.rest(time.Millisecond))
		first := turn{at: &all.first}
		for range cap(all.first.slots) {
			require.NoError(t, first.enter(t.Context()))
		}
		entered := make(chan error)
		go func() { entered <- first.enter(t.Context()) }()
		synctest.Wait()
		require.Equal(t, moreLongest, all.more.rest(time.Millisecond))
		first.leave(0)
		require.NoError(t, <-entered)
		synctest.Wait()
		require.Zero(t, all.more.rest(time.Millisecond))
	})
}
