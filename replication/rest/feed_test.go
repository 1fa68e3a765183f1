package rest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestLongpollAnswersAtOnceIfThereAreChanges(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeDocs(t, db, "a")
	open, ctx := prepareFeed(t, db, "feed=longpoll")
	open.run(ctx)
	require.NoError(t, open.err)
	page := parsePage(t, open.all())
	require.Equal(t, []string{"a"}, page.ids())
	require.Zero(t, open.leases)
}

func TestLongpollWaitsForTheNextChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		writeDocs(t, db, "a")
		open := startFeed(t, db, "feed=longpoll&since=now&heartbeat=10000")
		synctest.Wait()
		opening := `{"results":[`
		require.Equal(t, opening, open.seen(), "headers and opening go out at once")
		time.Sleep(25 * time.Second)
		synctest.Wait()
		require.Equal(t, opening+"\n\n", open.seen(), "a newline every 10 s")
		require.True(t, open.running())

		writeDocs(t, db, "b", "c")
		<-open.over
		require.NoError(t, open.err)
		page := parsePage(t, open.seen())
		require.Equal(t, "b", page.ids()[0])
		require.Equal(t, 1, open.leases)
		<-open.lease.closed
	})
}

func TestFeedWithoutHeartbeatEndsAfterItsTimeout(t *testing.T) {
	t.Parallel()
	for query, end := range map[string]string{
		"feed=longpoll&since=1":                   "{\"results\":[\n],\n\"last_seq\":\"1\",\"pending\":0}\n",
		"feed=longpoll&since=1&timeout=7000":      "{\"results\":[\n],\n\"last_seq\":\"1\",\"pending\":0}\n",
		"feed=continuous&since=1&timeout=0":       "\n{\"last_seq\":\"1\",\"pending\":0}\n",
		"feed=continuous&since=1":                 "\n{\"last_seq\":\"1\",\"pending\":0}\n",
		"feed=eventsource&since=now&timeout=7000": ":\n\nevent: last_seq\ndata: {\"last_seq\":\"1\",\"pending\":0}\nid: 1\n\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			db := feedDatabase(t)
			writeDocs(t, db, "a")
			begin := time.Now()
			open := startFeed(t, db, query)
			<-open.over
			require.NoError(t, open.err)
			require.Equal(t, end, open.seen())
			switch {
			case strings.Contains(query, "timeout=0"):
				require.Zero(t, time.Since(begin))
			case strings.Contains(query, "timeout=7000"):
				require.Equal(t, 7*time.Second, time.Since(begin))
			default:
				require.Equal(t, time.Minute, time.Since(begin))
			}
		})
	}
}

func TestContinuousFeedGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		revs := writeDocs(t, db, "a", "b")
		open := startFeed(t, db, "feed=continuous&heartbeat=true&include_docs=true&limit=4")
		synctest.Wait()
		require.Equal(t, []string{
			`{"seq":1,"id":"a","changes":[{"rev":"` + revs[0].String() + `"}],"doc":{"_id":"a","_rev":"` + revs[0].String() + `","n":0}}`,
			`{"seq":2,"id":"b","changes":[{"rev":"` + revs[1].String() + `"}],"doc":{"_id":"b","_rev":"` + revs[1].String() + `","n":1}}`,
		}, lines(open.seen()))
		require.Equal(t, http.StatusOK, open.status)

		writeEdits(t, db, syncstore.Edit{ID: "c", Body: []byte("{\r\n\t\"text\": \"two\\nlines\"\n}")})
		synctest.Wait()
		got := lines(open.seen())
		require.Len(t, got, 3, "a body's line breaks do not break the row")
		require.Contains(t, got[2], `"text": "two\nlines" }`)

		time.Sleep(61 * time.Second)
		synctest.Wait()
		require.Len(t, lines(open.seen()), 4, "heartbeat")
		require.True(t, open.running())
		writeDocs(t, db, "d", "e")
		<-open.over
		got = lines(open.seen())
		require.Contains(t, got[4], `"id":"d"`)
		require.JSONEq(t, `{"last_seq":"4","pending":1}`, got[5], "it ends at its limit")
	})
}

func TestEventSourceSendsEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		rev := writeDocs(t, db, "a", "b")[1].String()
		open := startFeed(t, db, "feed=eventsource&since=0&heartbeat=5000", "1")
		synctest.Wait()
		event := ":\n\n" + `data: {"seq":2,"id":"b","changes":[{"rev":"` + rev + `"}]}` + "\nid: 2\n\n"
		require.Equal(t, event, open.seen(), "Last-Event-ID says where to go on")
		require.Equal(t, "text/event-stream", open.Header().Get("Content-Type"))
		time.Sleep(6 * time.Second)
		synctest.Wait()
		require.Equal(t, event+":\n\n", open.seen())
		close(open.lease.ended)
		<-open.over
		require.True(t, strings.HasSuffix(open.seen(), "event: last_seq\ndata: {\"last_seq\":\"2\",\"pending\":0}\nid: 2\n\n"))
	})
}

func TestFilteredFeedWakesOnlyItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		open := startFeed(t, db, `feed=longpoll&doc_ids=["mine"]&timeout=60000`)
		synctest.Wait()
		time.Sleep(40 * time.Second)
		writeDocs(t, db, "other", "another")
		synctest.Wait()
		require.True(t, open.running())
		writeDocs(t, db, "mine")
		<-open.over
		page := parsePage(t, open.seen())
		require.Equal(t, []string{"mine"}, page.ids())
		require.Equal(t, `"3"`, string(page.LastSeq))

		// What the filter keeps back is no sign of life: the time goes on.
		open = startFeed(t, db, `feed=longpoll&since=now&doc_ids=["mine"]&timeout=60000`)
		begin := time.Now()
		time.Sleep(40 * time.Second)
		writeDocs(t, db, "yet-another")
		<-open.over
		require.Equal(t, time.Minute, time.Since(begin))
		page = parsePage(t, open.seen())
		require.Equal(t, `"4"`, string(page.LastSeq), "the cursor moves all the same")
	})
}

func TestFeedEndsWithItsDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, db := feedStore(t)
		open := startFeed(t, db, "feed=longpoll&heartbeat=60000")
		synctest.Wait()
		require.NoError(t, store.DeleteDatabase(t.Context(), "notes"))
		<-open.over
		parsePage(t, open.seen())
	})
}

func TestFeedEndsWhenTheClientIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := startFeed(t, feedDatabase(t), "feed=continuous&heartbeat=60000")
		synctest.Wait()
		open.closeConn()
		<-open.over
		require.ErrorIs(t, open.err, context.Canceled)
		<-open.lease.closed
	})
}

func TestLongFeedsReachTheClientWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		ids := numbered("document-with-a-longer-name-", 1500)
		writeDocs(t, db, ids[:700]...)
		open := startFeed(t, db, "feed=continuous&heartbeat=60000")
		synctest.Wait()
		writeDocs(t, db, ids[700:]...)
		synctest.Wait()
		got := lines(open.seen())
		require.Len(t, got, len(ids))
		for i, line := range got {
			require.Contains(t, line, ids[i])
		}
		open.closeConn()
		<-open.over
	})
}

func TestDescendingContinuousFeedGoesOnForward(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		writeDocs(t, db, "a", "b")
		open := startFeed(t, db, "feed=continuous&descending=true&heartbeat=60000&limit=4")
		synctest.Wait()
		writeDocs(t, db, "c")
		writeDocs(t, db, "d")
		<-open.over
		got := lines(open.seen())
		require.Len(t, got, 5)
		for i, id := range []string{"b", "a", "c", "d"} {
			require.Contains(t, got[i], `"id":"`+id+`"`)
		}
	})
}

// laggingCounters is a database whose counters come after its commits.
type laggingCounters struct {
	collectionChanges
	lag uint64
}

func (c laggingCounters) Info() syncstore.Info {
	info := c.collectionChanges.Info()
	info.Seq -= c.lag
	return info
}

func (c laggingCounters) Follow(since syncstore.Cursor, o syncstore.FeedOptions) liveChanges {
	if since.Seq > c.Info().Seq {
		since = syncstore.Cursor{}
	}
	return c.collectionChanges.Follow(since, o)
}

func TestDecision35_ACommitThatIsNotCountedYetIsNotTheFuture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		writeDocs(t, db, "a", "b", "c")
		open, ctx := prepareFeed(t, db, "feed=continuous&heartbeat=60000&limit=4")
		open.feed.source = laggingCounters{collectionChanges{db.Default(), db}, 1}
		go open.run(ctx)
		synctest.Wait()
		require.Len(t, lines(open.seen()), 3, "nothing is shown twice")
		writeDocs(t, db, "d")
		<-open.over
		got := lines(open.seen())
		require.Len(t, got, 5)
		require.Contains(t, got[3], `"id":"d"`)
	})
}

func TestChangesAreSignsOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		begin := time.Now()
		open := startFeed(t, db, "feed=continuous&timeout=60000")
		time.Sleep(40 * time.Second)
		writeDocs(t, db, "a")
		<-open.over
		require.Equal(t, 100*time.Second, time.Since(begin), "the time runs from the last change")
	})
}
