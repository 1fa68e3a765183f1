package rest

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// selecting is the query of a feed with a selector.
func selecting(selector, more string) string {
	return "filter=_selector&selector=" + url.QueryEscape(selector) + more
}

func TestSelectorByPOSTAsPouchDBSendsIt(t *testing.T) {
	t.Parallel()
	site, db := feedSite(t)
	writeEdits(t, db,
		syncstore.Edit{ID: "a", Body: []byte(`{"type":"note","n":1}`)},
		syncstore.Edit{ID: "b", Body: []byte(`{"type":"task","n":12345678901234567890}`)},
		syncstore.Edit{ID: "c", Body: []byte(`{"type":"note","n":3}`)})
	const path = "_changes?style=all_docs&filter=_selector&since=0&limit=100"
	runExchanges(t, site, []exchange{
		{name: "field", method: "POST", path: path, body: `{"selector":{"type":"note"}}`,
			want: []string{`"id":"a"`, `"id":"c"`, `"last_seq":"3","pending":0`}, not: []string{`"id":"b"`, `"doc"`}},
		{name: "exact number", method: "POST", path: path, body: `{"selector":{"n":12345678901234567890}}`,
			want: []string{`"id":"b"`}, not: []string{`"id":"a"`, `"id":"c"`}},
		{name: "number beside it", method: "POST", path: path, body: `{"selector":{"n":12345678901234567891}}`, want: []string{"[\n],"}},
		{name: "everything", method: "POST", path: path, body: `{"selector":{}}`, want: []string{`"id":"a"`, `"id":"b"`, `"id":"c"`}},
		{name: "filter in the body", method: "POST", path: "_changes", body: `{"filter":"_selector","selector":{"_id":"b"}}`,
			want: []string{`"id":"b"`}, not: []string{`"id":"a"`}},
		{name: "without the name of the filter", method: "POST", path: "_changes", body: `{"selector":{"_id":"b"}}`,
			want: []string{`"id":"b"`}, not: []string{`"id":"a"`}},
		{name: "missing", method: "POST", path: path, body: `{}`, status: 400, want: []string{`needs the option selector`}},
		{name: "no object", method: "POST", path: path, body: `{"selector":["a"]}`, status: 400, want: []string{`expected a JSON object`}},
		{name: "unknown operator", method: "POST", path: path, body: `{"selector":{"a":{"$like":"x"}}}`, status: 400,
			want: []string{`"error":"bad_request"`, `a.$like: there is no such operator; there are $lt,`}},
		{name: "wrong argument", method: "POST", path: path, body: `{"selector":{"a":{"$in":"x"}}}`, status: 400,
			want: []string{`a.$in: it needs an array, such as {\"$in\": [1, 2]}`}},
		{name: "other filter", path: "_changes?filter=mine", status: 400, want: []string{`_selector`}},
		{name: "not JSON", path: "_changes?filter=_selector&selector={a", status: 400, want: []string{`Invalid JSON`}},
	})
}

func TestSelectorSeesTheWinnerAndItsTombstone(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	revs := writeEdits(t, db,
		syncstore.Edit{ID: "gone", Body: []byte(`{"type":"note"}`)},
		syncstore.Edit{ID: "said-goodbye", Body: []byte(`{"type":"note"}`)},
		replicated("conflict", false, "3-c", "2-b", "1-a"), replicated("conflict", false, "4-f", "3-e", "2-d", "1-a"))
	writeEdits(t, db,
		syncstore.Edit{ID: "gone", Parent: revs[0], Deleted: true},
		syncstore.Edit{ID: "said-goodbye", Parent: revs[1], Deleted: true, Body: []byte(`{"type":"note"}`)})
	for selector, ids := range map[string][]string{
		`{"type":"note"}`:                       {"said-goodbye"},
		`{"_deleted":true}`:                     {"gone", "said-goodbye"},
		`{"_deleted":{"$exists":false}}`:        {"conflict"},
		`{"v":"4-f"}`:                           {"conflict"},
		`{"v":"3-c"}`:                           {},
		`{"_rev":{"$beginsWith":"4-"}}`:         {"conflict"},
		`{"_id":{"$gt":"d"},"_deleted":true}`:   {"gone", "said-goodbye"},
		`{"$nor":[{"_deleted":true},{"v":""}]}`: {},
	} {
		page := parsePage(t, runFeed(t, db, selecting(selector, "&style=all_docs")))
		require.Equal(t, ids, page.ids(), selector)
		require.Equal(t, 0, *page.Pending)
		for _, row := range page.Results {
			if row.ID == "conflict" {
				require.Len(t, row.Changes, 2, "all leaves, though the selector knows only the winner")
			}
		}
	}
	text := runFeed(t, db, selecting(`{"v":"4-f"}`, "&include_docs=true&conflicts=true"))
	require.Contains(t, text, `"doc":{"_id":"conflict","_rev":"4-f","_conflicts":["3-c"],"v":"4-f"}}`)
}

func TestSelectorSeesAttachments(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	stored := uploadContent(t, db, []byte("hello"))
	writeEdits(t, db,
		syncstore.Edit{ID: "with", Attachments: []syncstore.AttachmentEdit{{Name: "a.txt", ContentType: "text/plain", Content: stored}}},
		syncstore.Edit{ID: "without"})
	for selector, ids := range map[string][]string{
		`{"_attachments":{"a\\.txt":{"content_type":"text/plain","stub":true,"length":5}}}`: {"with"},
		`{"_attachments":{"$exists":false}}`:                                                {"without"},
		`{"_attachments":{"$keyMapMatch":{"$regex":"\\.txt"}}}`:                             {"with"},
	} {
		page := parsePage(t, runFeed(t, db, selecting(selector, "")))
		require.Equal(t, ids, page.ids(), selector)
	}
}

// Pages of any limit, one after the other, show what one page shows, across pieces.
func TestSelectorPagesGoOnWhereTheyEnded(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeDocs(t, db, numbered("n", 5*docRows/2)...)
	const selector = `{"n":{"$mod":[7,3]}}`
	all := parsePage(t, runFeed(t, db, selecting(selector, "")))
	require.Len(t, all.Results, 36)
	for _, limit := range []int{1, 5, 14, 15, 35, 36, 37, 1000} {
		for _, docs := range []string{"", "&include_docs=true"} {
			since, ids := "0", []string{}
			for {
				page := parsePage(t, runFeed(t, db, selecting(selector, fmt.Sprintf("&limit=%d&since=%s%s", limit, since, docs))))
				ids = append(ids, page.ids()...)
				since, _ = strconv.Unquote(string(page.LastSeq))
				if len(page.Results) < limit {
					require.Equal(t, "250", since, "what does not match has been seen too")
					break
				}
				require.Equal(t, string(page.Results[limit-1].Seq), since)
				require.Equal(t, docs != "", page.Results[0].Doc != nil)
			}
			require.Equal(t, all.ids(), ids, limit)
		}
	}
	down := parsePage(t, runFeed(t, db, selecting(selector, "&descending=true&limit=20")))
	require.Len(t, down.Results, 20)
	for i, id := range down.ids() {
		require.Equal(t, all.ids()[35-i], id)
	}
	require.Len(t, parsePage(t, runFeed(t, db, selecting(selector, "&descending=true"))).Results, 36)
}

// snapshots fails when a document is read in the middle of a read of the feed.
type snapshots struct {
	collectionChanges
	t    *testing.T
	open bool
}

func (s *snapshots) Changes(
	ctx context.Context, o syncstore.ChangesOptions, fn func(*syncstore.Change) error,
) (syncstore.Cursor, error) {
	s.open = true
	defer func() { s.open = false }()
	return s.collectionChanges.Changes(ctx, o, fn)
}

func (s *snapshots) Get(ctx context.Context, id string, o syncstore.GetOptions) (*syncstore.Document, error) {
	require.False(s.t, s.open, "a document is read while the feed's snapshot is open")
	return s.collectionChanges.Get(ctx, id, o)
}

func TestSelectorReadsDocumentsWithoutTheSnapshot(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeDocs(t, db, numbered("n", 3*docRows)...)
	open, ctx := prepareFeed(t, db, selecting(`{"n":{"$gte":0}}`, ""))
	open.feed.source = &snapshots{collectionChanges: collectionChanges{db.Default(), db}, t: t}
	open.run(ctx)
	require.NoError(t, open.err)
	page := parsePage(t, open.all())
	require.Len(t, page.Results, 3*docRows)
}

// slowDocuments takes a second to read each document.
type slowDocuments struct{ collectionChanges }

func (s slowDocuments) Get(ctx context.Context, id string, o syncstore.GetOptions) (*syncstore.Document, error) {
	time.Sleep(time.Second)
	return s.collectionChanges.Get(ctx, id, o)
}

// Clients and proxies give up a connection that says nothing for so long, begin anew, and never get
// behind what does not match.
func TestFeedsBeatWhileAFilterLooksForWhatMatches(t *testing.T) {
	t.Parallel()
	const opening = `{"results":[`
	for query, seen := range map[string]string{
		"":                                   opening + "\n\n\n\n",
		"&feed=longpoll":                     opening + "\n\n\n\n",
		"&feed=longpoll&include_docs=true":   opening + "\n\n\n\n",
		"&feed=continuous":                   "\n" + "\n\n\n\n",
		"&feed=eventsource":                  ":\n\n" + ":\n\n:\n\n:\n\n:\n\n",
		"&feed=continuous&include_docs=true": "\n" + "\n\n\n\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			db := feedDatabase(t)
			writeDocs(t, db, numbered("n", docRows/2)...)
			open, ctx := prepareFeed(t, db, selecting(`{"n":49}`, "&heartbeat=10000&limit=1"+query))
			open.feed.source = slowDocuments{collectionChanges{db.Default(), db}}
			go open.run(ctx)
			time.Sleep(49 * time.Second)
			synctest.Wait()
			require.Equal(t, seen, open.seen(), query)
			<-open.over
			require.NoError(t, open.err)
			require.Contains(t, open.all(), `"id":"n0049"`, query)
		})
	}
}

// To PouchDB a page without rows says that there are no more.
func TestAPageThatEndsAmongHeartbeatsIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		writeDocs(t, db, numbered("n", docRows/2)...)
		open, ctx := prepareFeed(t, db, selecting(`{"n":49}`, "&heartbeat=10000"))
		open.feed.source = slowDocuments{collectionChanges{db.Default(), db}}
		go open.run(ctx)
		time.Sleep(15 * time.Second)
		close(open.lease.ended)
		<-open.over
		require.ErrorIs(t, open.err, errNothingShown)
		require.Equal(t, "{\"results\":[\n", open.all())
	})
}

func TestSelectedLongpollWaitsForWhatMatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := feedDatabase(t)
		writeDocs(t, db, "a")
		open := startFeed(t, db, selecting(`{"type":"mine"}`, "&feed=longpoll&timeout=60000"))
		synctest.Wait()
		time.Sleep(40 * time.Second)
		writeDocs(t, db, "b")
		synctest.Wait()
		require.True(t, open.running())
		rev := writeEdits(t, db, syncstore.Edit{ID: "c", Body: []byte(`{"type":"mine"}`)})[0]
		<-open.over
		page := parsePage(t, open.seen())
		require.Equal(t, []string{"c"}, page.ids())
		require.Equal(t, `"3"`, string(page.LastSeq))

		// It changes so that it does not match: no row, as with CouchDB.
		open = startFeed(t, db, selecting(`{"type":"mine"}`, "&feed=longpoll&timeout=60000&since=3"))
		synctest.Wait()
		writeEdits(t, db, syncstore.Edit{ID: "c", Parent: rev, Body: []byte(`{"type":"yours"}`)})
		<-open.over
		page = parsePage(t, open.seen())
		require.Empty(t, page.Results)
		require.Equal(t, `"4"`, string(page.LastSeq), "the cursor moves all the same")
	})
}

func TestSelectedContinuousFeedEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	for _, feed := range []string{"continuous", "eventsource"} {
		synctest.Test(t, func(t *testing.T) {
			db := feedDatabase(t)
			open := startFeed(t, db, selecting(`{"n":{"$gt":148}}`, "&heartbeat=10000&limit=3&include_docs=true&feed="+feed))
			synctest.Wait()
			writeDocs(t, db, numbered("n", 3*docRows/2)...)
			synctest.Wait()
			require.True(t, open.running())
			require.Equal(t, 1, strings.Count(open.seen(), `"doc":{`))
			writeDocs(t, db, numbered("m", 3*docRows)...)
			<-open.over
			require.NoError(t, open.err)
			require.Equal(t, 3, strings.Count(open.seen(), `"doc":{`))
			require.Contains(t, open.seen(), `"last_seq":"301"`, "that of the last row, not what was read beyond it")
		})
	}
}

// unreadable are documents that cannot be read any more when their rows have been.
type unreadable struct {
	collectionChanges
	row func(c *syncstore.Change)
	ids []string
}

func (u *unreadable) Changes(
	ctx context.Context, o syncstore.ChangesOptions, fn func(*syncstore.Change) error,
) (syncstore.Cursor, error) {
	return u.collectionChanges.Changes(ctx, o, func(c *syncstore.Change) error {
		u.row(c)
		return fn(c)
	})
}

func (u *unreadable) Get(ctx context.Context, id string, o syncstore.GetOptions) (*syncstore.Document, error) {
	if slices.Contains(u.ids, id) {
		return nil, syncstore.ErrNotFound
	}
	return u.collectionChanges.Get(ctx, id, o)
}

func TestSelectorLeavesOutWhatWasReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeDocs(t, db, "a", "b")
	open, ctx := prepareFeed(t, db, selecting(`{}`, ""))
	open.feed.source = &unreadable{collectionChanges{db.Default(), db}, func(*syncstore.Change) {}, []string{"a"}}
	open.run(ctx)
	require.NoError(t, open.err)
	page := parsePage(t, open.all())
	require.Equal(t, []string{"b"}, page.ids(), "the new revision has a row of its own")
}

func TestSelectorPassesOnWhatTheReaderLost(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeDocs(t, db, "a", "b", "c", "d")
	open, ctx := prepareFeed(t, db, selecting(`{"n":3}`, ""))
	open.feed.source = &unreadable{collectionChanges{db.Default(), db}, func(c *syncstore.Change) {
		switch string(c.ID) {
		case "b":
			c.Revoked = true
		case "c":
			c.Removed = []string{"team"}
		}
	}, []string{"b", "c"}}
	open.run(ctx)
	require.NoError(t, open.err)
	page := parsePage(t, open.all())
	require.Equal(t, []string{"b", "c", "d"}, page.ids(), "the client may have them from before")
}

func TestSelectorThatCostsTooMuchIsRefused(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	writeDocs(t, db, "a")
	writeEdits(t, db, syncstore.Edit{ID: "big", Body: []byte(`{"s":"` + strings.Repeat("x", 1<<20) + `"}`)})
	query := selecting(`{"$or":[{"n":0},{"s":{"$regex":"(x?){200}y"}}]}`, "")
	open, ctx := prepareFeed(t, db, query)
	open.run(ctx)
	require.Equal(t, 400, asAnswer(open.err).status)
	require.Contains(t, asAnswer(open.err).reason, "Document big: the selector costs too much")

	open, ctx = prepareFeed(t, db, query+"&feed=continuous&heartbeat=10000")
	open.run(ctx)
	require.NoError(t, open.err, "the answer had begun")
	require.Contains(t, open.all(), `{"last_seq":"0"}`, "it says where to go on from, which is before the document")
}
