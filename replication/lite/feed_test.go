package lite

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestOneShotBringsEverythingAndThenSaysOnceThatItHas(t *testing.T) { // row 19
	t.Parallel()
	for _, version := range []protocol{protocol2, protocol3, protocol4} {
		l := newLoopback(t, nil)
		l.write(docs(45, "d%02d")...)
		c := l.connect(version)
		p := c.pull(nil, "", "batch", "20")
		require.Len(t, p.batches, 3, version)
		require.Len(t, p.batches[0], 20)
		require.Len(t, p.rows(), 45)
		require.Len(t, p.revs, 45)
		require.Empty(t, p.norevs)
		require.Equal(t, `{"n":44}`, string(p.revs["d44"].Body))
		c.quiet()
		require.EqualValues(t, 1, l.counters.CaughtUp.Load())
		require.EqualValues(t, 45, l.counters.DocumentsPulled.Load())
	}
}

func TestCaughtUpIsToldWithoutChangesToo(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	c.must("subChanges", "", "continuous", "true")
	c.caughtUp()
	l.edit("a", `{}`, "")
	q, rows := c.changes()
	require.Len(t, rows, 1)
	answer(q, "[]")
	c.quiet() // and not again
	require.EqualValues(t, 1, l.counters.CaughtUp.Load())
}

func TestCaughtUpIsToldWhenAllIsAnswered(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(docs(15, "d%02d")...)
	c := l.connect(protocol3)
	c.must("subChanges", "", "continuous", "true", "batch", "10")
	first, rows := c.changes()
	require.Len(t, rows, 10)
	second, rows := c.changes()
	require.Len(t, rows, 5)
	c.quiet()
	l.edit("more", `{}`, "")
	answer(second, "[]")
	c.quiet() // nor is the client told of something new before
	answer(first, "[]")
	c.caughtUp()
	_, rows = c.changes()
	require.Equal(t, "more", rows[0].id)
}

func TestFeedPausesWhileBatchesAreUnanswered(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(docs(60, "d%02d")...)
	c := l.connect(protocol3)
	c.must("subChanges", "", "batch", "10")
	first, _ := c.changes()
	second, _ := c.changes()
	c.quiet()
	answer(second, "[]")
	third, rows := c.changes()
	require.Equal(t, "21", rows[0].seq)
	c.quiet()
	answer(first, "[]")
	answer(third, "[]")
	c.changes()
}

func TestChangesDoNotOvertakeEachOther(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(docs(250, strings.Repeat("l", 200)+"%d")...) // of which the second message is short
	c := l.connect(protocol3)
	c.must("subChanges", "", "batch", "240")
	for _, n := range []int{240, 10} {
		_, rows := c.changes()
		require.Len(t, rows, n)
	}
}

func TestContinuousFeedBringsEveryUpdate(t *testing.T) { // row 18
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(docs(25, "d%02d")...)
	c := l.connect(protocol3)
	var mu sync.Mutex
	got := make(map[string]string)
	all := make(chan struct{})
	c.on("changes", func(q *blip.Request) {
		if string(q.Body) == "null" {
			return
		}
		var rows []json.RawMessage
		_ = json.Unmarshal(q.Body, &rows)
		if len(rows) > 10 {
			t.Errorf("a batch of %d", len(rows))
		}
		answer(q, "["+strings.TrimSuffix(strings.Repeat("[],", len(rows)), ",")+"]")
	})
	c.on("rev", func(q *blip.Request) {
		mu.Lock()
		defer mu.Unlock()
		got[q.Properties.Value("id")] = string(q.Body)
		if len(got) == 125 && got["d00"] == `{"last":true}` {
			close(all)
		}
	})
	c.must("subChanges", "", "continuous", "true", "batch", "10")
	rev := l.edit("x00", `{}`, "")
	l.write(docs(98, "y%02d")...)
	l.edit("x00", `{"v":2}`, rev)
	l.edit("z", `{}`, "")
	d, err := l.coll().Get(t.Context(), "d00", syncstore.GetOptions{})
	require.NoError(t, err)
	l.edit("d00", `{"last":true}`, d.Rev.String())
	select {
	case <-all:
	case <-time.After(waitFor):
		mu.Lock()
		defer mu.Unlock()
		require.Fail(t, "documents are missing", len(got))
	}
}

func TestBurstComesAsOneBatch(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	c.must("subChanges", "", "continuous", "true")
	c.caughtUp()
	l.edit("first", `{}`, "")
	first, _ := c.changes()
	l.edit("second", `{}`, "")
	second, _ := c.changes()
	l.write(docs(50, "d%02d")...) // while two are unanswered
	answer(first, "[]")
	_, rows := c.changes()
	require.Len(t, rows, 50)
	answer(second, "[]")
}

func TestDocumentIDsFilterBothKindsOfFeeds(t *testing.T) { // row 20
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(docs(300, "d%03d")...)
	ids := make([]string, 0, 30)
	for i := range 30 {
		ids = append(ids, fmt.Sprintf(`"d%03d"`, i*10))
	}
	body := `{"docIDs":["nosuch","_design/x",` + strings.Join(ids, ",") + `]}`
	c := l.connect(protocol3)
	p := c.pull(nil, body, "batch", "20")
	require.Len(t, p.batches, 2)
	require.Len(t, p.revs, 30)

	c.must("subChanges", body, "continuous", "true", "since", "291")
	c.caughtUp()
	l.edit("other", `{}`, "")
	l.edit("nosuch", `{}`, "")
	_, rows := c.changes()
	require.Len(t, rows, 1)
	require.Equal(t, "nosuch", rows[0].id)
}

func TestLookedUpDocumentsComeAsThoseThatAreRead(t *testing.T) { // row 20
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(docs(30, "d%02d")...)
	gone := l.edit("gone", `{}`, "")
	l.remove("gone", gone)
	l.coll().SetPolicy(syncstore.Policy{Evaluator: access.Channels{}})
	l.give("alice", "*")
	l.give("bob", "!")
	body := `{"docIDs":["d03","gone","d01","nosuch","_x","` + strings.Repeat("l", 241) + `"]}`
	for user, want := range map[string][]string{"": {"d01", "d03", "gone"}, "alice": {"d01", "d03", "gone"}, "bob": nil} {
		l.setPeer(func(p *Peer) {
			if p.Viewer = nil; user != "" {
				p.Viewer = &syncstore.Viewer{Name: user}
			}
		})
		c := l.connect(protocol3)
		require.Equal(t, want, c.pull(nil, body, "since", "1").ids(), user)
	}
	l.setPeer(func(p *Peer) { p.Viewer = nil })
	c := l.connect(protocol3)
	require.Equal(t, []string{"d03", "gone"}, c.pull(nil, body, "since", "2").ids())
	require.Equal(t, []string{"gone"}, c.pull(nil, body, "since", "4").ids())
	require.Equal(t, []string{"d01", "d03"}, c.pull(nil, body, "activeOnly", "true").ids())
	require.Equal(t, []string{"d01", "d03", "gone"}, c.pull(nil, body, "since", "4294967301").ids())
	require.Empty(t, c.pull(nil, body, "since", "32").ids())
	require.Empty(t, c.pull(nil, body, "future", "true").ids())
}

// Who is given everything has documents by that which are older than where their client stands: it
// hears of those that it asks for, wherever it was in hearing of them.
func TestDocumentsByIDComeToWhoIsGivenEverything(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.share("alice", "a")
	for _, id := range []string{"d1", "d2", "d3"} {
		l.edit(id, `{"channels":["b"]}`, "")
	}
	const body = `{"docIDs":["d1","d2","d3"]}`
	pull := func(since string) []told { return l.connect(protocol3).pull(nil, body, "since", since).rows() }
	since := fmt.Sprint(l.coll().Info().Seq)
	require.Empty(t, pull(since))
	l.give("alice", "a", "*")
	given := l.coll().Info().Seq
	rows := pull(since)
	require.Len(t, rows, 3)
	require.Len(t, pull(rows[0].seq), 2)
	l.edit("d2", `{}`, rows[1].rev)
	rows = pull(fmt.Sprint(given))
	require.Len(t, rows, 1)
	require.Equal(t, "d2", rows[0].id)
}

func TestActiveOnlyIsForTheCatchUpAlone(t *testing.T) { // row 25
	t.Parallel()
	l := newLoopback(t, nil)
	kept, gone := l.edit("kept", `{}`, ""), l.edit("gone", `{}`, "")
	l.remove("gone", gone)
	c := l.connect(protocol3)
	c.must("subChanges", "", "continuous", "true", "activeOnly", "true")
	q, rows := c.changes()
	require.Len(t, rows, 1)
	require.Equal(t, "kept", rows[0].id)
	answer(q, "[[]]")
	c.caughtUp()
	c.rev()
	l.remove("kept", kept)
	q, rows = c.changes()
	require.Equal(t, []told{{seq: "4", id: "kept", rev: rows[0].rev, flags: "1"}}, rows)
	answer(q, "[[]]")
	rev := c.rev()
	require.Equal(t, "1", rev.Properties.Value("deleted"))
	require.Equal(t, "{}", string(rev.Body))
}

func TestActiveOnlyTellsOfWhatIsDeletedDuringTheCatchUp(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	revs := l.write(docs(25, "d%02d")...)
	c := l.connect(protocol3)
	c.must("subChanges", "", "activeOnly", "true", "batch", "10")
	first, _ := c.changes()
	second, _ := c.changes()
	l.remove("d00", revs[0].String()) // which the client has been told of
	answer(first, "[]")
	third, rows := c.changes()
	require.Equal(t, "d00", rows[len(rows)-1].id)
	require.Equal(t, "1", rows[len(rows)-1].flags)
	answer(second, "[]")
	answer(third, "[]")
	c.caughtUp()
}

func TestFutureBeginsWithWhatComes(t *testing.T) { // row 23
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(docs(3, "d%d")...)
	c := l.connect(protocol3)
	c.must("subChanges", "", "continuous", "true", "future", "true", "requestPlus", "true")
	c.caughtUp()
	l.edit("new", `{}`, "")
	_, rows := c.changes()
	require.Equal(t, "new", rows[0].id)
}

func TestSinceBeyondTheEndBeginsAnew(t *testing.T) { // DECISIONS 35
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(docs(3, "d%d")...)
	require.Len(t, l.connect(protocol3).pull(nil, "", "since", "4294967301").rows(), 3)
}

func TestCollectionsAreFollowedApart(t *testing.T) { // row 16
	t.Parallel()
	l := newLoopback(t, nil)
	items, err := l.db.OpenCollection(t.Context(), "lists", "items")
	require.NoError(t, err)
	l.write(docs(3, "d%d")...)
	for _, result := range items.Write(t.Context(), docs(30, "i%02d"), syncstore.WriteOptions{}) {
		require.NoError(t, result.Err)
	}
	c := l.connect(protocol3)
	c.must("getCollections", `{"checkpoint_ids":["a","b"],"collections":["_default","lists.items"]}`)
	c.must("subChanges", "", "collection", "1", "batch", "20")
	q, rows := c.changes()
	require.Len(t, rows, 20)
	require.Equal(t, "1", q.Properties.Value("collection"))
	p := c.pull(nil, "", "collection", "0")
	require.Len(t, p.rows(), 13) // those of the other feed too: the first is not answered yet
	require.Equal(t, "0", p.revs["d0"].Properties.Value("collection"))
}

func TestRefusedChangesDropTheConnection(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]func(*blip.Request){
		"an error":  func(q *blip.Request) { q.Refuse("HTTP", 500, "no") },
		"no JSON":   func(q *blip.Request) { answer(q, "[[") },
		"no answer": func(q *blip.Request) { answer(q, `{"a":1}`) },
	} {
		l := newLoopback(t, nil)
		l.edit("a", `{}`, "")
		c := l.connect(protocol3)
		c.must("subChanges", "", "continuous", "true")
		q, _ := c.changes()
		reply(q)
		select {
		case err := <-c.ended:
			require.Error(t, err, name) // no close frame: the client comes back
		case <-time.After(waitFor):
			require.Fail(t, "the connection goes on", name)
		}
	}
}
