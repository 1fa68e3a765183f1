package syncstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestConcurrentWritersOfOneDocumentAllGetTheirTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const writers, each = 8, 30
	f.put("counter", `{}`, Rev{})
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < each; {
				doc, err := f.Get(context.Background(), "counter", GetOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				r := f.Write(context.Background(), []Edit{{ID: "counter", Parent: doc.Rev}}, WriteOptions{})
				switch {
				case r[0].Err == nil:
					done++
				case !errors.Is(r[0].Err, ErrConflict):
					t.Error(r[0].Err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, uint64(writers*each+1), f.get("counter", GetOptions{}).Rev.Gen, "no update is lost")
	require.Equal(t, uint64(writers*each+1), f.db.Info().Seq, "sequences are gapless")
}

func TestDecision31OvertakenWritesArePreparedAgainUnderTheirKeysLock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// Replicated branches never conflict, so each of these must succeed however often it is overtaken.
	const writers, each = 8, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				e := Edit{ID: "a", History: []Rev{{Gen: uint64(n + 1), Digest: fmt.Sprintf("%d", w)}}}
				if n > 0 {
					e.History = append(e.History, Rev{Gen: uint64(n), Digest: fmt.Sprintf("%d", w)})
				}
				if err := f.Write(context.Background(), []Edit{e}, WriteOptions{})[0].Err; err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, f.leaves("a"), writers)
	require.Equal(t, uint64(writers*each), f.db.Info().Seq)
	require.Empty(t, f.store.locks.locks)
}

func TestDecision31GroupsAreBoundedAndTakenInTurn(t *testing.T) {
	t.Parallel()
	s := &Store{}
	c := newCommitter(s)
	big := &commitRequest{done: make(chan struct{})}
	for range 5000 {
		set := &changeSet{}
		set.put([]byte("k"), make([]byte, 10))
		big.sets = append(big.sets, set)
	}
	small := &commitRequest{done: make(chan struct{}), sets: []*changeSet{{}}}
	c.foreground = []*commitRequest{big, small}
	g, ok := c.take()
	require.True(t, ok)
	require.Equal(t, maxGroupKeys, g.keys)
	require.Same(t, small, g.members[1].request, "the small request does not wait for the big one")

	heavy := &commitRequest{done: make(chan struct{})}
	for range 3 {
		set := &changeSet{}
		set.put([]byte("k"), make([]byte, 300<<10))
		heavy.sets = append(heavy.sets, set)
	}
	c.foreground = []*commitRequest{heavy}
	g, _ = c.take()
	require.Len(t, g.sets, 1, "two of 300 KiB are over 512 KiB")
	huge := &changeSet{}
	huge.put([]byte("k"), make([]byte, 4<<20))
	c.foreground = []*commitRequest{{done: make(chan struct{}), sets: []*changeSet{huge}}}
	g, _ = c.take()
	require.Len(t, g.sets, 1, "one that is too large for any group goes alone")
}

func TestRecentJudgesFreshness(t *testing.T) {
	t.Parallel()
	r := newRecent(3)
	r.begin(1)
	r.write("a")
	require.False(t, r.fresh("a", 0))
	require.True(t, r.fresh("a", 1))
	require.True(t, r.fresh("b", 0))
	for n := uint64(2); n < 6; n++ {
		r.begin(n)
		r.write(fmt.Sprint(n))
	}
	require.False(t, r.fresh("b", 1), "what is forgotten counts as written")
	require.True(t, r.fresh("b", 5))
	require.LessOrEqual(t, len(r.written), 3)
}

func TestDecision32ADoubtfulCommitStopsWritesUntilTheStoreIsRecovered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.put("a", `{"n":1}`, Rev{})
	feed := f.Follow(At(1), FeedOptions{})
	defer feed.Close()
	f.engine.FailNext(engine.ErrDoubtful)
	r := f.write(Edit{ID: "a", Body: []byte(`{"n":2}`), Parent: first})
	require.ErrorIs(t, r.Err, ErrUnavailable, "it is not acknowledged")

	var next Rev
	require.Eventually(t, func() bool {
		r := f.write(Edit{ID: "b"})
		next = r.Rev
		if r.Err != nil {
			require.ErrorIs(t, r.Err, ErrUnavailable)
		}
		return r.Err == nil
	}, waitFor, tick)
	require.NotZero(t, next)
	// The doubtful write is there after all, with sequence 2: it must not be given out again.
	require.Equal(t, `{"n":2}`, string(f.get("a", GetOptions{}).Body))
	rows, last := f.changes(ChangesOptions{})
	require.Equal(t, []string{"a", "b"}, ids(rows))
	require.Equal(t, uint64(3), last)
	var seen []string
	for len(seen) < 2 {
		<-feed.Ready()
		seen = append(seen, ids(f.read(feed, 0))...)
	}
	require.Equal(t, []string{"a", "b"}, seen, "a live feed shows both")
}

func TestAFullDiskRefusesWritesAndServesReads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.put("a", `{}`, Rev{})
	f.engine.FailNext(engine.ErrNoSpace)
	require.ErrorIs(t, f.write(Edit{ID: "a", Parent: first}).Err, ErrInsufficientStorage)
	require.Equal(t, first, f.get("a", GetOptions{}).Rev)
	f.put("a", `{"n":2}`, first)
	require.Equal(t, uint64(2), f.db.Info().Seq)
}

func TestAFullDiskIsLoggedOnceAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	f := newFixture(t, func(o *Options) { o.Logger = zap.New(core) })
	for range 3 {
		f.engine.FailNext(engine.ErrNoSpace)
		require.ErrorIs(t, f.write(Edit{ID: "a"}).Err, ErrInsufficientStorage)
	}
	f.put("a", `{}`, Rev{})
	f.put("b", `{}`, Rev{})
	require.Equal(t, 1, logs.FilterMessageSnippet("the disk is full").Len())
	require.Equal(t, 1, logs.FilterMessageSnippet("there is room on the disk again").Len())
}

func TestAnUnexplainedFailureIsReportedAndNothingIsLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken := errors.New("broken")
	f.engine.FailNext(broken)
	require.ErrorIs(t, f.write(Edit{ID: "a"}).Err, broken)
	f.put("a", `{}`, Rev{})
}

func TestAClosedStoreRefusesWrites(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, f.store.Close())
	require.ErrorIs(t, f.write(Edit{ID: "a"}).Err, ErrUnavailable)
	require.NoError(t, f.store.Close())
}

func TestACanceledRequestWritesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, f.Write(ctx, []Edit{{ID: "a"}}, WriteOptions{})[0].Err, context.Canceled)
	require.Zero(t, f.db.Info().Seq)
}

func TestDecision29TheFirstKeyIsTheFormatVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{}`, Rev{})
	require.NoError(t, f.engine.View(t.Context(), func(r engine.Reader) error {
		pairs, failed := r.Scan(engine.Range{})
		for key, value := range pairs {
			require.Equal(t, []byte{kindFormat}, key)
			require.Equal(t, []byte{storeFormat}, value)
			break
		}
		return failed()
	}))
}

func TestCachedDocumentsAreNeverOlderThanTheFeed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	feed := f.Follow(At(0), FeedOptions{})
	defer feed.Close()
	const writes = 400
	var wg sync.WaitGroup
	wg.Go(func() {
		rev := Rev{}
		for n := range writes {
			r := f.Write(context.Background(), []Edit{{ID: "a", Parent: rev, Body: fmt.Appendf(nil, `{"n":%d}`, n)}}, WriteOptions{})
			rev = r[0].Rev
		}
	})
	wg.Go(func() { // keeps reading the document into the cache
		for {
			doc, err := f.Get(context.Background(), "a", GetOptions{})
			if err == nil && doc.Rev.Gen >= writes {
				return
			}
		}
	})
	for gen := uint64(0); gen < writes; {
		<-feed.Ready()
		_, err := feed.Read(t.Context(), 0, func(c *Change) error {
			rev, err := ParseRev(string(c.Leaves[0].Rev))
			require.NoError(t, err)
			gen = rev.Gen
			doc, err := f.Get(t.Context(), "a", GetOptions{})
			require.NoError(t, err)
			require.GreaterOrEqual(t, doc.Rev.Gen, gen, "the feed told of a revision that a read did not show")
			return nil
		})
		require.NoError(t, err)
	}
	wg.Wait()
}

// Who imports for hours, from two clients or more, fills each group of commits. What goes on in the background gets on all the
// same: an index that is being built has people who wait for it.
func TestDecision30_BackgroundWorkGetsOnBesideWhoFillsEveryGroup(t *testing.T) {
	t.Parallel()
	c := newCommitter(&Store{})
	keys := func(n int) *changeSet {
		set := &changeSet{}
		for i := range n {
			set.put(fmt.Append(nil, i), nil)
		}
		return set
	}
	index := &commitRequest{done: make(chan struct{}), sets: []*changeSet{keys(maxBackgroundKeys), keys(maxBackgroundKeys)}}
	sweep := &commitRequest{done: make(chan struct{})}
	for range maxBackgroundKeys {
		sweep.sets = append(sweep.sets, keys(2))
	}
	c.background = []*commitRequest{index, sweep}
	groups, taken := 0, 0
	for ; len(c.background) > 0 && groups < 1000; groups++ {
		bulk := &commitRequest{done: make(chan struct{})}
		for range maxGroupKeys {
			bulk.sets = append(bulk.sets, keys(1))
		}
		c.foreground, c.waiting = []*commitRequest{bulk}, len(bulk.sets)
		g, ok := c.take()
		require.True(t, ok)
		require.LessOrEqual(t, g.keys, maxGroupKeys)
		require.Equal(t, len(bulk.sets)-bulk.taken, c.waiting)
		taken += bulk.taken
	}
	require.LessOrEqual(t, groups, 6*(maxPassedOver+1))
	require.GreaterOrEqual(t, taken, groups*maxGroupKeys*8/10, "and holds up nobody much")
}
