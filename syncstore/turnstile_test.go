package syncstore

import (
	"fmt"
	"runtime"
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
	for more.free > 0 {
		more.ask(nil) // others are reading, and go on for long
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

// Who waits for a turn by Turn is not held up by a Read before it, and gives the turn back at its end.
func TestAFeedReadsWhenItsTurnHasCome(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	for n := range 100 {
		f.in(fmt.Sprintf("d%03d", n), Rev{}, "big")
	}
	f.give("alice", "big")
	feed := f.Follow(Cursor{}, FeedOptions{Viewer: &Viewer{Name: "alice"}, Revocations: true})
	read := func() (rows []string) {
		_, err := feed.Read(t.Context(), 0, func(c *Change) error {
			rows = append(rows, fmt.Sprint(string(c.ID), " ", c.Revoked))
			return nil
		})
		require.NoError(t, err)
		return rows
	}
	<-feed.Turn()
	require.Len(t, read(), firstPiece)
	first, more := &f.store.viewers.first, &f.store.viewers.more
	more.rest = nil
	var others []*ticket
	for more.free > 0 {
		others = append(others, more.ask(nil))
	}
	waits := func() bool {
		select {
		case <-feed.Turn():
			return false
		default:
			return true
		}
	}
	told := func() { // of what was committed
		for f.db.broadcast.end().since < f.db.Info().Seq {
			runtime.Gosched()
		}
	}
	told()
	for !waits() { // now and then a feed is told for nothing, and what it sees after its first rows
		read()
	}
	require.Empty(t, read(), "it is not its turn")
	f.in("e", Rev{}, "big")
	told()
	require.True(t, waits(), "it finds the row when its turn has come")
	others[0].giveUp()
	<-feed.Turn()
	require.NotEmpty(t, read())

	// Its viewer loses the channel: it goes before those that read on.
	others[0] = more.ask(nil)
	for !waits() {
		read()
	}
	f.give("alice")
	for revoked := false; !revoked; {
		<-feed.Turn()
		for _, row := range read() {
			revoked = revoked || strings.HasSuffix(row, " true")
		}
	}
	_ = waits()
	feed.Close()
	for _, other := range others {
		other.giveUp()
		other.giveUp()
	}
	require.Zero(t, more.waiting.Load())
	require.Equal(t, max(1, runtime.GOMAXPROCS(0)/2), more.free)
	require.Equal(t, 8*runtime.GOMAXPROCS(0), first.free)
}

// It was up to date, and finds when it reads that what its viewer has changed.
func TestAFeedThatWaitsByTurnNeverWaitsWhenItReads(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.in("d", Rev{}, "big")
	f.give("alice", "x")
	feed := f.Follow(Cursor{}, FeedOptions{Viewer: &Viewer{Name: "alice"}})
	read := func() (rows []string) {
		_, err := feed.Read(t.Context(), 0, func(c *Change) error {
			rows = append(rows, string(c.ID))
			return nil
		})
		require.NoError(t, err)
		return rows
	}
	for f.db.broadcast.end().since < f.db.Info().Seq || feed.Behind() {
		<-feed.Turn()
		require.Empty(t, read())
	}
	first := &f.store.viewers.first
	var others []*ticket
	for first.free > 0 {
		others = append(others, first.ask(nil))
	}
	f.give("alice", "x", "big")
	for !feed.Behind() {
		<-feed.Turn()
		require.Empty(t, read())
	}
	select {
	case <-feed.Turn():
		require.Empty(t, read(), "it is not its turn")
	default:
	}
	others[0].giveUp()
	<-feed.Turn()
	require.Equal(t, []string{"d"}, read())
	feed.Close()
}

func TestWhoStepsAsideHoldsNobodyUpAndKeepsTheirPlace(t *testing.T) {
	t.Parallel()
	at := turnstile{free: 1}
	in := func(all ...*ticket) (inside []bool) {
		for _, k := range all {
			inside = append(inside, k.inside())
		}
		return inside
	}
	a, b, c, d := at.ask(nil), at.ask(nil), at.ask(nil), at.ask(nil)
	require.Equal(t, []bool{true, false, false, false}, in(a, b, c, d))
	b.stepAside()
	a.giveUp()
	require.Equal(t, []bool{false, false, true, false}, in(a, b, c, d))
	b.comeBack()
	c.giveUp()
	require.Equal(t, []bool{false, true, false, false}, in(a, b, c, d), "before d, who came later")
	b.stepAside()
	require.Equal(t, []bool{false, false, false, true}, in(a, b, c, d), "the turn goes on to the next")
	e := at.ask(nil)
	e.stepAside()
	d.giveUp()
	require.Equal(t, 1, at.free, "nobody wants it")
	b.comeBack()
	require.True(t, b.inside())
	b.giveUp()
	e.giveUp()
	e.comeBack()
	require.Equal(t, []bool{false, false, false, false, false}, in(a, b, c, d, e))
	require.Equal(t, 1, at.free)
	require.Zero(t, at.waiting.Load())
	require.Zero(t, at.queue.Len())
}

func TestFeedsThatGoOnRestWhileOthersWaitForFirstRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all turnstiles
		all.init(func() bool { return false })
		require.Zero(t, all.more.rest(time.Millisecond))
		first := turn{at: &all.first}
		var last *ticket
		for all.first.free > 0 {
			last = all.first.ask(nil)
		}
		entered := make(chan error)
		go func() {
			_, err := first.enter(t.Context())
			entered <- err
		}()
		synctest.Wait()
		require.Equal(t, moreLongest, all.more.rest(time.Millisecond))
		last.leave(0)
		require.NoError(t, <-entered)
		synctest.Wait()
		require.Zero(t, all.more.rest(time.Millisecond))
	})
}

// A channel that was given and taken many times has all its rows looked at for each time. One turn does
// not last for that long: others read in between, and the feed goes on where it was.
func TestATurnEndsWhereMuchIsLookedAtForLittle(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.store.viewers.idle = 50
	const docs, times = 20, 10
	for n := range docs {
		f.in(fmt.Sprintf("d%03d", n), Rev{}, "big")
	}
	since := At(f.db.Info().Seq)
	for range times {
		f.give("alice", "big")
		f.give("alice")
	}
	f.give("alice", "x")
	f.in("last", Rev{}, "x")
	o := FeedOptions{Viewer: &Viewer{Name: "alice"}, Revocations: true}
	feed := f.Follow(since, o)
	defer feed.Close()
	var rows []string
	show := func(c *Change) error {
		rows = append(rows, c.Cursor().String()+" "+string(c.ID))
		return nil
	}
	turns := 0
	for at := since; len(rows) == 0; {
		<-feed.Turn() // now and then for nothing
		_, err := feed.Read(t.Context(), 0, show)
		require.NoError(t, err)
		require.GreaterOrEqual(t, feed.Cursor().Compare(at), 0, "it does not go back")
		if feed.Cursor() != at {
			turns++
		}
		at = feed.Cursor()
	}
	require.Greater(t, turns, docs*times/60)
	want := rows
	for _, descending := range []bool{false, true} {
		rows = nil
		last, err := f.Changes(t.Context(), ChangesOptions{FeedOptions: o, Since: since, Limit: 4, Descending: descending}, show)
		require.NoError(t, err)
		require.Equal(t, want, rows, "who asks for a page gets all of it")
		require.Equal(t, At(f.db.Info().Seq), last)
	}
}
