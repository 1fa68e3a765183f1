package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestDecision38_FeedsEndWithACompleteBody(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*openFeed, *syncstore.Database){
		"lease":  func(o *openFeed, _ *syncstore.Database) { close(o.lease.ended) },
		"server": func(o *openFeed, _ *syncstore.Database) { close(o.stopping) },
	}
	for query, end := range map[string]string{
		"feed=longpoll&since=now&heartbeat=60000":    "{\"results\":[\n],\n\"last_seq\":\"1\",\"pending\":0}\n",
		"feed=continuous&since=now&heartbeat=60000":  "\n{\"last_seq\":\"1\",\"pending\":0}\n",
		"feed=eventsource&since=now&heartbeat=60000": ":\n\nevent: last_seq\ndata: {\"last_seq\":\"1\",\"pending\":0}\nid: 1\n\n",
	} {
		for name, cause := range ends {
			synctest.Test(t, func(t *testing.T) {
				db := feedDatabase(t)
				writeDocs(t, db, "a")
				open := startFeed(t, db, query)
				time.Sleep(10 * time.Second)
				begin := time.Now()
				cause(open, db)
				<-open.over
				require.Less(t, time.Since(begin), time.Second)
				require.NoError(t, open.err, "%s %s", name, query)
				require.Equal(t, end, open.seen(), "%s %s", name, query)
				<-open.lease.closed
			})
		}
	}
}

func TestDecision38_ARefusedLeaseIsTheAnswer(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"feed=longpoll&since=now", "feed=continuous", "feed=eventsource"} {
		db := feedDatabase(t)
		writeDocs(t, db, "a")
		open, ctx := prepareFeed(t, db, query)
		open.refuse = &auth.Error{Status: http.StatusUnauthorized, Name: "unauthorized"}
		open.run(ctx)
		require.ErrorIs(t, open.err, open.refuse)
		require.Empty(t, open.all(), "nothing was sent, so that the 401 can be")
		require.False(t, open.feed.out.rq.answered)
	}
}

// A client that reads nothing must not keep a feed alive beyond its lease.
func TestDecision38_AStuckFeedIsCutWhenItsLeaseEnds(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"feed=normal", "feed=continuous&heartbeat=60000"} {
		synctest.Test(t, func(t *testing.T) {
			db := feedDatabase(t)
			writeDocs(t, db, numbered("document-with-a-longer-name-", 1000)...)
			open, ctx := prepareFeed(t, db, query)
			open.stall()
			go open.run(ctx)
			time.Sleep(time.Hour)
			synctest.Wait()
			require.True(t, open.running())
			require.Equal(t, 1, open.leases, "after a second it has a lease")
			begin := time.Now()
			close(open.lease.ended)
			<-open.over
			require.Less(t, time.Since(begin), time.Second)
			require.Error(t, open.err)
		})
	}
}

func TestDecision38_ASlowPageTakesALeaseAndEndsCompleteWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		writeDocs(t, db, numbered("document-with-a-longer-name-", 2000)...)
		open, ctx := prepareFeed(t, db, "")
		open.feed.out.rq.w = &slowAnswer{answer: open.answer, after: func() { close(open.lease.ended) }}
		open.run(ctx)
		require.NoError(t, open.err)
		require.Equal(t, 1, open.leases)
		page := parsePage(t, open.all())
		n := len(page.Results)
		require.Less(t, n, 2000)
		require.Equal(t, string(page.Results[n-1].Seq), strings.Trim(string(page.LastSeq), `"`), "the client can go on there")
		require.Equal(t, 2000-n, *page.Pending)
	})
}

// slowAnswer takes 1.5 s for its first write.
type slowAnswer struct {
	*answer
	after func()
}

func (a *slowAnswer) Write(p []byte) (int, error) {
	if a.after != nil {
		time.Sleep(1500 * time.Millisecond)
		a.after()
		a.after = nil
	}
	return a.answer.Write(p)
}

func TestDecision38_FeedsHoldNoBufferWhileTheyWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		open := startFeed(t, db, "feed=continuous&heartbeat=60000")
		writeDocs(t, db, "a")
		synctest.Wait()
		require.Contains(t, open.seen(), `"id":"a"`)
		require.Nil(t, open.feed.out.buf)
		require.Nil(t, open.feed.rows)
		open.closeConn()
		<-open.over
	})
}

// Where thousands of feeds have much to read, each waits for its turn, for minutes: it lives and ends
// as one that waits for changes.
func TestDecision38_AFeedThatWaitsForItsTurnBeatsAndEndsWithItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, give := bigChannel(t)
		open := startFeed(t, g.db, "feed=continuous&since=now&heartbeat=10000")
		synctest.Wait()
		free := holdUpReaders(t, g.db)
		give("big")
		synctest.Wait()
		rows := strings.Count(open.seen(), `"id":"d`)
		require.True(t, 0 < rows && rows < bigDocuments, "the first rows: %d", rows)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		require.True(t, strings.HasSuffix(open.seen(), "]}\n\n\n"), "two heartbeats: %q", open.seen())
		close(open.lease.ended)
		<-open.over
		require.NoError(t, open.err)
		require.Regexp(t, `\n\{"last_seq":"\d+:4"\}\n$`, open.all(), "that nothing is left would not be true")

		open = startFeed(t, g.db, "feed=continuous&since=now&heartbeat=10000")
		give("x")
		give("x", "big")
		synctest.Wait()
		close(free)
		time.Sleep(5 * time.Second) // who reads on rests while somebody writes
		synctest.Wait()
		require.Equal(t, bigDocuments, strings.Count(open.seen(), `"id":"d`), "those who ended gave their turns back")
		open.closeConn()
		<-open.over
	})
}

func TestDecision38_AFeedThatWaitsForItsFirstRowsBeatsAndEndsWithItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, give := bigChannel(t)
		open := startFeed(t, g.db, "feed=continuous&since=now&heartbeat=10000")
		synctest.Wait()
		free := make(chan struct{})
		for range 8 * runtime.GOMAXPROCS(0) {
			go func() {
				options := syncstore.ChangesOptions{FeedOptions: syncstore.FeedOptions{Channels: []string{syncstore.AllChannel}}}
				_, _ = g.db.Default().Changes(t.Context(), options, func(*syncstore.Change) error { <-free; return nil })
			}()
		}
		defer close(free)
		synctest.Wait()
		before := open.seen()
		give("big")
		time.Sleep(25 * time.Second)
		synctest.Wait()
		require.Equal(t, before+"\n\n", open.seen(), "two heartbeats")
		close(open.lease.ended)
		<-open.over
	})
}

func TestADescendingLongpollHoldsUpNobodysTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, give := accessOf(t)
		edits := make([]syncstore.Edit, 400)
		for n, id := range numbered("d", len(edits)) {
			body := fmt.Appendf(nil, `{"channels":["big"],"hit":%v,"x":%q}`, n >= 124, strings.Repeat("x", 2000))
			edits[n] = syncstore.Edit{ID: id, Body: body}
		}
		writeEdits(t, g.db, edits...)
		give("x")
		other := startFeed(t, g.db, "feed=continuous&since=now&heartbeat=10000")
		query := url.Values{
			"feed": {"longpoll"}, "descending": {"true"}, "include_docs": {"true"}, "heartbeat": {"60000"},
			"filter": {"_selector"}, "selector": {`{"hit":true}`},
		}
		var stuck []*openFeed
		for range max(1, runtime.GOMAXPROCS(0)/2) {
			s := startFeed(t, g.db, query.Encode())
			synctest.Wait()
			s.stall()
			stuck = append(stuck, s)
		}
		give("x", "big")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, len(edits), strings.Count(other.seen(), `"id":"d`))
		for _, s := range stuck {
			close(s.lease.ended)
			<-s.over
		}
		other.closeConn()
		<-other.over
	})
}

func TestAClientThatDoesNotReadHoldsUpNobodysTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, give := bigChannel(t)
		stuck := startFeed(t, g.db, "feed=continuous&since=now&heartbeat=10000")
		other := startFeed(t, g.db, "feed=continuous&since=now&heartbeat=10000")
		synctest.Wait()
		free := holdUpReaders(t, g.db)
		give("big")
		synctest.Wait()
		stuck.stall()
		time.Sleep(12 * time.Second) // until it is to get a heartbeat
		close(free)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, bigDocuments, strings.Count(other.seen(), `"id":"d`))
		close(stuck.lease.ended)
		<-stuck.over
		other.closeConn()
		<-other.over
	})
}

const bigDocuments = 50

// bigChannel is a database where alice may be given a channel of more than a feed shows at first.
func bigChannel(t *testing.T) (*gate, func(all ...string)) {
	t.Helper()
	g, give := accessOf(t)
	edits := make([]syncstore.Edit, bigDocuments)
	for i, id := range numbered("d", bigDocuments) {
		edits[i] = syncstore.Edit{ID: id, Body: []byte(`{"channels":["big"]}`)}
	}
	writeEdits(t, g.db, edits...)
	give("x")
	return g, give
}

// holdUpReaders takes all turns in which feeds read on after their first rows, until free is closed.
func holdUpReaders(t *testing.T, db *syncstore.Database) (free chan struct{}) {
	t.Helper()
	free = make(chan struct{})
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		feed := db.Default().Follow(syncstore.Cursor{}, syncstore.FeedOptions{Channels: []string{syncstore.AllChannel}})
		read := func(take func(*syncstore.Change) error) {
			_, err := feed.Read(t.Context(), 0, take)
			require.NoError(t, err)
		}
		read(func(*syncstore.Change) error { return nil }) // its first rows
		go func() {
			defer feed.Close()
			read(func(*syncstore.Change) error {
				<-free
				return nil
			})
		}()
	}
	synctest.Wait()
	return free
}

func TestDecision38_LiveFeedsAreNotTransformed(t *testing.T) {
	t.Parallel()
	for feed, want := range map[feedKind]string{
		feedNormal: "", feedLongpoll: "private, no-cache, no-transform",
		feedContinuous: "private, no-cache, no-transform", feedEventSource: "private, no-cache, no-transform",
	} {
		a := newAnswer()
		feed.setHeaders(&request{w: a})
		require.Equal(t, want, a.Header().Get("Cache-Control"))
	}
}

// pacedAnswer takes some time for each write; each is counted.
type pacedAnswer struct {
	*answer
	pace   time.Duration
	writes int
	after  func(writes int)
}

func (a *pacedAnswer) Write(p []byte) (int, error) {
	time.Sleep(a.pace)
	a.writes++
	if a.after != nil {
		a.after(a.writes)
	}
	return a.answer.Write(p)
}

func TestDecision38_APageOfManyPiecesTakesALease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		writeDocs(t, db, numbered(strings.Repeat("long", 100), 1000)...)
		open, ctx := prepareFeed(t, db, "")
		paced := &pacedAnswer{answer: open.answer, pace: 300 * time.Millisecond}
		open.feed.out.rq.w = paced
		open.run(ctx)
		require.NoError(t, open.err)
		require.Greater(t, paced.writes, 5)
		require.Equal(t, 1, open.leases)
		require.Len(t, parsePage(t, open.all()).Results, 1000)
		<-open.lease.closed
	})
}

func TestDecision38_AFeedThatEndsAmongItsDocumentsSaysWhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		for _, id := range numbered("d", 60) {
			writeEdits(t, db, syncstore.Edit{ID: id, Body: []byte(`{"x":"` + strings.Repeat("x", 20_000) + `"}`)})
		}
		open, ctx := prepareFeed(t, db, "include_docs=true")
		open.feed.out.rq.w = &pacedAnswer{answer: open.answer, pace: 600 * time.Millisecond, after: func(writes int) {
			if writes == 4 {
				close(open.lease.ended)
			}
		}}
		open.run(ctx)
		require.NoError(t, open.err)
		page := parsePage(t, open.all())
		n := len(page.Results)
		require.Less(t, n, 60)
		require.Equal(t, string(page.Results[n-1].Seq), strings.Trim(string(page.LastSeq), `"`))
		require.Equal(t, 60-n, *page.Pending)
	})
}
