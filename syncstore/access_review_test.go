package syncstore

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
)

// items is another collection of the fixture's database, and a fixture of its own.
func (f *fixture) items(policy Evaluator) *fixture {
	f.t.Helper()
	c, err := f.db.OpenCollection(f.t.Context(), "shop", "items")
	require.NoError(f.t, err)
	c.SetPolicy(Policy{Evaluator: policy})
	other := *f
	other.Collection = c
	return &other
}

func bodyIn(t *testing.T, channels ...string) []byte {
	t.Helper()
	body, err := json.Marshal(namedBody{Channels: channels})
	require.NoError(t, err)
	return body
}

func TestWhatIsDueInOtherCollectionsIsDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t).items(nil)
	r := f.write(Edit{ID: "short", Body: []byte(`{}`), Expires: f.clock.Now().Add(time.Minute)})
	require.NoError(t, r.Err)
	rev := f.put("d", `{"n":1}`, Rev{})
	f.put("d", `{"n":2}`, rev)
	require.Equal(t, 1, f.keys(kindBody))
	f.clock.advance(DefaultOldBodies + time.Minute)
	f.sweepNow()
	_, err := f.Get(t.Context(), "d", GetOptions{Rev: rev})
	require.ErrorIs(t, err, ErrNotFound, "the old body is dropped")
	_, err = f.Get(t.Context(), "short", GetOptions{})
	require.ErrorIs(t, err, ErrDeleted)
}

func TestContentThatOtherCollectionsNameIsKept(t *testing.T) {
	t.Parallel()
	main := newFixture(t)
	f := main.items(nil)
	content := f.upload([]byte("a photograph"))
	r := f.write(Edit{ID: "d", Attachments: []AttachmentEdit{{Name: "photo", Content: content}}})
	require.NoError(t, r.Err)
	for range 3 {
		f.clock.advance(unusedContent + time.Minute)
		f.sweepNow()
	}
	require.Equal(t, "a photograph", string(f.content(content)))

	// When the last document that names it does no more, it goes.
	f.put("d", `{}`, r.Rev)
	for range 3 {
		f.clock.advance(DefaultOldBodies + time.Minute)
		f.sweepNow()
	}
	_, err := f.db.OpenContent(t.Context(), content)
	require.ErrorIs(t, err, ErrNotFound)
}

func TestDecision22_AStubIsTakenOnlyFromWhatTheWriterMayRead(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a")
	alice := WriteOptions{Viewer: &Viewer{Name: "alice"}}
	photo := []AttachmentEdit{{Name: "photo", Content: f.upload([]byte("secret"))}}
	stub := []AttachmentEdit{{Name: "photo", Stub: true}}

	hidden := f.write(Edit{ID: "d", Body: bodyIn(t, "b"), Attachments: photo})
	require.NoError(t, hidden.Err)
	r := f.write(Edit{ID: "d", Body: bodyIn(t, "a"), Parent: hidden.Rev, Attachments: stub}, alice)
	require.ErrorIs(t, r.Err, ErrMissingStub, "of the revision that is extended")
	r = f.write(Edit{ID: "d", Body: bodyIn(t, "a"), History: revs(t, "1-0"), Attachments: stub}, alice)
	require.ErrorIs(t, r.Err, ErrMissingStub, "of another leaf")
	rev := f.in("d", hidden.Rev, "a")
	r = f.write(Edit{ID: "d", Body: bodyIn(t, "a"), Parent: rev, Attachments: stub}, alice)
	require.ErrorIs(t, r.Err, ErrMissingStub, "of an older revision")

	seen := f.write(Edit{ID: "e", Body: bodyIn(t, "a"), Attachments: photo})
	require.NoError(t, seen.Err)
	rev = f.in("e", seen.Rev, "a")
	r = f.write(Edit{ID: "e", Body: bodyIn(t, "a"), Parent: rev, Attachments: stub}, alice)
	require.NoError(t, r.Err, "of an older revision that the writer may read")
	r = f.write(Edit{ID: "e", Body: bodyIn(t, "b"), Parent: r.Rev, Attachments: stub}, alice)
	require.NoError(t, r.Err)
}

func TestADocumentThatMovedIsNotLostBetweenPages(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "x", "y", "z")
	rev := f.in("moved", Rev{}, "x")
	edits := make([]Edit, viewedPage+50)
	for n := range edits {
		edits[n] = Edit{ID: fmt.Sprint(n), Body: bodyIn(t, "z")}
	}
	for _, r := range f.Write(t.Context(), edits, WriteOptions{}) {
		require.NoError(t, r.Err)
	}
	f.in("moved", rev, "y")
	for range 40 { // channels are read in random order
		require.Len(t, f.feedOf("alice", Cursor{}, FeedOptions{}), len(edits)+1)
	}
}

func (f *fixture) shows(feed *Feed) (ids []string) {
	f.t.Helper()
	_, err := feed.Read(f.t.Context(), 0, func(c *Change) error {
		require.NotEmpty(f.t, c.Leaves)
		ids = append(ids, string(c.ID))
		return nil
	})
	require.NoError(f.t, err)
	return ids
}

func TestALiveFeedFollowsAnotherPolicy(t *testing.T) {
	t.Parallel()
	for what, options := range map[string]FeedOptions{"all": {}, "active": {ActiveOnly: true}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.give("alice", "a")
			options.Viewer = &Viewer{Name: "alice"}
			feed := f.Follow(Cursor{}, options)
			defer feed.Close()
			f.in("shared", Rev{}, "b")
			require.Equal(t, []string{"shared"}, f.until(feed, 1))
			f.drain(feed)
			f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}, Version: "2"})
			f.in("hidden", Rev{}, "b")
			f.in("mine", Rev{}, "a")
			require.Equal(t, []string{"mine"}, f.until(feed, 1))
			f.drain(feed)
			f.Collection.SetPolicy(Policy{})
			f.in("again", Rev{}, "b")
			require.Contains(t, f.until(feed, 1), "again")
		})
	}
}

func (f *fixture) drain(feed *Feed) {
	f.t.Helper()
	for {
		f.shows(feed)
		select {
		case <-feed.Ready():
		default:
			return
		}
	}
}

func (f *fixture) until(feed *Feed, rows int) (ids []string) {
	f.t.Helper()
	for deadline := time.After(waitFor); ; {
		if ids = append(ids, f.shows(feed)...); len(ids) >= rows {
			return ids
		}
		select {
		case <-feed.Ready():
		case <-deadline:
			require.Fail(f.t, "the feed shows nothing more", "%v", ids)
		}
	}
}

func TestALiveFeedGivesNoRowWithoutALeaf(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a")
	feed := f.Follow(Cursor{}, FeedOptions{Viewer: &Viewer{Name: "alice"}})
	defer feed.Close()
	told := func() bool { return f.db.broadcast.end().since == f.db.Info().Seq }
	require.Eventually(t, told, waitFor, tick)
	f.drain(feed)
	for _, w := range []struct{ id, channel, history string }{
		{"d", "a", "2-a 1-a"}, {"d", "b", "1-b"}, {"d", "b", "3-a 2-a"}, {"e", "a", "1-a"},
	} {
		f.pushed(w.id, string(bodyIn(t, w.channel)), strings.Fields(w.history)...)
		require.Eventually(t, told, waitFor, tick, "each is told by itself")
	}
	for ids := []string{}; !slices.Contains(ids, "e"); {
		ids = append(ids, f.until(feed, 1)...)
	}
}

func TestDecision33_ACachedHeadIsNotJudgedByLaterAccess(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	rev := f.in("d", Rev{}, "b")
	h, _ := f.store.cache.get(f.scope.head("d"))
	require.NotNil(t, h)
	f.in("d", rev, "c")
	f.give("alice", "b")
	_, err := f.winner(t.Context(), "d", h, GetOptions{Viewer: &Viewer{Name: "alice"}})
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrNotFound, "it is to be read again")
}

func TestManyStopAResyncAtOnce(t *testing.T) {
	t.Parallel()
	for range 50 {
		run := &resyncRun{cancel: func() {}, stopped: make(chan struct{})}
		var all sync.WaitGroup
		for range 8 {
			all.Go(run.stop)
		}
		all.Wait()
	}
}

func TestAResyncMovesLosingLeavesToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Collection.SetPolicy(Policy{Evaluator: switching{"old"}, Version: "1"})
	f.pushed("d", `{}`, "2-a", "1-a")
	f.pushed("d", `{"loser":1}`, "1-b")
	f.Collection.SetPolicy(Policy{Evaluator: switching{"new"}, Version: "2"})
	require.NoError(t, f.StartResync(t.Context()))
	f.resynced()
	results, err := f.GetRevs(t.Context(), "d", nil, GetOptions{Viewer: &Viewer{Name: "alice"}})
	require.NoError(t, err)
	require.Len(t, results, 2)
	for _, r := range results {
		require.NotNil(t, r.Doc, "%s", r.Rev)
	}
}

type scanCounter struct {
	engine.Engine
	scans atomic.Int64
}

type countedReader struct {
	engine.Reader
	scans *atomic.Int64
}

func (e *scanCounter) View(ctx context.Context, fn func(engine.Reader) error) error {
	return e.Engine.View(ctx, func(r engine.Reader) error { return fn(countedReader{r, &e.scans}) })
}

func (r countedReader) Scan(in engine.Range) (iter.Seq2[[]byte, []byte], func() error) {
	r.scans.Add(1)
	return r.Reader.Scan(in)
}

func TestAFeedOpensAChannelOnlyForWhatItHas(t *testing.T) {
	t.Parallel()
	const n = 2000
	for what, grants := range map[string]bool{"one after the other": true, "at once": false} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newAccessFixture(t)
			edits, names := make([]Edit, n), make([]string, n)
			for i := range edits {
				names[i] = fmt.Sprintf("c%d", i)
				body := namedBody{Channels: names[i : i+1]}
				if grants {
					body.Grants = [][]string{{"alice", names[i]}}
				}
				edits[i].ID = names[i]
				edits[i].Body, _ = json.Marshal(body)
			}
			for _, r := range f.Write(t.Context(), edits, WriteOptions{}) {
				require.NoError(t, r.Err)
			}
			if !grants {
				f.give("alice", names...)
			}
			f.reopen()
			counted := &scanCounter{Engine: f.store.engine}
			f.store.engine = counted
			f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})
			before := counted.scans.Load()
			require.Len(t, f.feedOf("alice", Cursor{}, FeedOptions{}), n)
			require.Less(t, counted.scans.Load()-before, int64(2*n+100))
		})
	}
}

// What a write costs does not grow with the square of its channels.
func TestADocumentInManyChannelsIsNotStoredManyTimes(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	names := make([]string, 200)
	for i := range names {
		names[i] = fmt.Sprintf("%03d%s", i, strings.Repeat("x", 500))
	}
	f.give("alice", names[0]) // 1
	f.in("d", Rev{}, names...)
	f.in("few", Rev{}, "a", names[0])
	size := 0
	require.NoError(t, f.engine.View(t.Context(), func(r engine.Reader) error {
		pairs, failed := r.Scan(engine.PrefixRange(f.scope.prefix(kindChannel, 0)))
		for _, value := range pairs {
			size += len(value)
		}
		return failed()
	}))
	require.Less(t, size, 64<<10)
	f.give("alice", names[0], names[1], "a") // 4
	require.Empty(t, f.feedOf("alice", At(3), FeedOptions{}), "it was seen before, by another channel")
	f.give("bob", names[1]) // 5
	f.give("bob", names[1], names[2])
	require.Equal(t, []string{"5:2 d"}, f.feedOf("bob", Cursor{}, FeedOptions{}))
}

// A feed of what is there tells nobody of what is gone, also where one event gave and took.
func TestActiveOnlyTellsOfNoLoss(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	rev := f.in("d", Rev{}, "x", "y") // 1
	f.give("alice", "x")              // 2
	f.in("d", rev, "x")               // 3
	f.give("alice", "y")              // 4
	o := FeedOptions{Revocations: true}
	require.Equal(t, []string{"4:3 d revoked"}, f.feedOf("alice", At(3), o))
	o.ActiveOnly = true
	require.Empty(t, f.feedOf("alice", At(3), o))
}

func TestDescendingFeedsOfViewersAreLimited(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a")
	const n = 1000
	edits := make([]Edit, n)
	for i := range edits {
		edits[i] = Edit{ID: fmt.Sprint(i), Body: bodyIn(t, "a")}
	}
	for _, r := range f.Write(t.Context(), edits, WriteOptions{}) {
		require.NoError(t, r.Err)
	}
	for _, limit := range []int{0, 1, 3, n - 1, n, n + 1, math.MaxInt} {
		var ids []string
		last, err := f.Changes(t.Context(), ChangesOptions{
			FeedOptions: FeedOptions{Viewer: &Viewer{Name: "alice"}}, Limit: limit, Descending: true,
		}, func(c *Change) error {
			ids = append(ids, string(c.ID))
			return nil
		})
		require.NoError(t, err)
		want := n
		if limit > 0 && limit < want {
			want = limit
			require.Equal(t, At(uint64(n+1-limit+1)), last)
		}
		require.Len(t, ids, want)
		for i, id := range ids {
			require.Equal(t, fmt.Sprint(n-1-i), id)
		}
	}
}

// What gives too much is refused by itself, and what others write at the same time is not.
func TestGrantsThatNoTransactionTakesAreRefusedAlone(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	give := func(principal string, n, size int) error {
		given := make([]Given, n)
		for i := range given {
			given[i].Channel = fmt.Sprintf("%0*d", size, i)
		}
		return f.update(func(tx RecordTx) error {
			tx.Put(f.db.ID(), []byte(principal), []byte("record"), time.Time{})
			tx.SetGrants(f.db.ID(), principal, GrantedByAdmin, given)
			return nil
		})
	}
	require.ErrorIs(t, give("many", maxGivenKeys+1, 8), ErrTooLarge)
	require.ErrorIs(t, give("long", 1, engine.MaxKeySize), ErrTooLarge)
	require.ErrorIs(t, give("wide", 3100, 1000), ErrTooLarge)
	require.Zero(t, f.keys(kindRecord), "all or nothing")
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() { require.NoError(t, give(fmt.Sprint(n), 1500, 8)) })
	}
	all.Wait()
	require.Equal(t, 8*1500, f.keys(kindGrant))
}

// A document that goes in and out of a channel does not grow with each turn, and who had it
// before is told still.
func TestADocumentThatTogglesAChannelStaysSmall(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a")
	rev := f.in("d", Rev{}, "a", "b") // 2
	for range 100 {
		rev = f.in("d", rev, "b")
		rev = f.in("d", rev, "a", "b")
	}
	f.in("d", rev, "b") // 203
	h, err := f.readHead(t.Context(), f.scope.head("d"))
	require.NoError(t, err)
	require.Less(t, len(h.Spans), 2*maxSpans)
	require.Equal(t, []string{"203 d removed [a]"}, f.feedOf("alice", At(2), FeedOptions{}))
	require.Empty(t, f.feedOf("alice", Cursor{}, FeedOptions{}))
	require.Equal(t, []string{"203 d removed"}, f.channelRows("a"))
}
