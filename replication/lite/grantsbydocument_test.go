package lite

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// granting makes documents give their channel to whom they name, and lets a user replicate.
func (l *loopback) granting(user string) {
	l.t.Helper()
	l.share(user)
	function, err := access.NewSyncFunction("sync.js", `function (doc) { channel(doc.channels); access(doc.to, doc.channels) }`, access.Options{})
	require.NoError(l.t, err)
	l.coll().SetPolicy(syncstore.Policy{Evaluator: function, Version: "2"})
}

func TestManyRevsThatGiveTheirWriterChannelsAtOnce_row6(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.granting("alice")
	const n = 100
	for i := range n { // what each of them opens
		l.edit(fmt.Sprintf("old%d", i), fmt.Sprintf(`{"channels":"c%d"}`, i), "")
	}
	c := l.connect(protocol3)
	require.Empty(t, c.pull(nil, "").ids())
	var answered sync.WaitGroup
	for i := range n {
		answered.Add(1)
		m := message("rev", fmt.Sprintf(`{"channels":"c%d","to":"alice"}`, i), "id", fmt.Sprint("new", i), "rev", treeRev(1, "a"))
		require.NoError(t, c.conn.Start(c.ctx, m, func(_ *blip.Response, err error) {
			if err != nil {
				t.Error(err)
			}
			answered.Done()
		}))
		if i%10 == 0 { // who reads meanwhile has an access that is outdated at once
			l.connect(protocol4).pull(nil, "")
		}
	}
	answered.Wait()
	require.Len(t, c.pull(nil, "").revs, 2*n)
	require.Len(t, l.connect(protocol4).pull(nil, "").revs, 2*n)
}

func TestGrantByADocumentBringsABackfillInTheMiddleOfAFeed_row27(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol2, protocol3, protocol4} {
		l := newLoopback(t, nil)
		l.granting("bob")
		l.edit("old", `{"channels":"a"}`, "")
		c := l.connect(version)
		c.must("subChanges", "", "continuous", "true", "revocations", "true")
		c.caughtUp()
		gift := l.edit("gift", `{"channels":"a","to":"bob"}`, "")
		var ids []string
		for len(ids) < 2 {
			q, rows := c.changes()
			for _, row := range rows {
				ids = append(ids, row.id)
			}
			answer(q, "[]")
		}
		require.ElementsMatch(t, []string{"old", "gift"}, ids, version)
		l.edit("gift", `{"channels":"b"}`, gift) // it gives nothing any more
		if version == protocol2 {
			continue // nobody tells it of what was lost
		}
		lost := map[string]bool{}
		for len(lost) < 2 {
			q, rows := c.changes()
			for _, row := range rows {
				lost[row.id] = row.flags == "2" || row.flags == "4" || row.flags == "6"
			}
			answer(q, "[]")
		}
		require.Equal(t, map[string]bool{"old": true, "gift": true}, lost, version)
	}
}

// DECISIONS 33: what a user may see is read in the snapshot that the rows are of, so that no
// feed passes a grant over that was there when it began.
func TestAFeedBeginsWithTheGrantsOfItsMoment_row28(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.share("bob")
	c := l.connect(protocol3)
	var channels []string
	for i := range 50 {
		channel := fmt.Sprint("c", i)
		l.edit(fmt.Sprint("in ", channel), `{"channels":"`+channel+`"}`, "")
		channels = append(channels, channel)
		l.give("bob", channels...)
		require.Len(t, c.pull(nil, "").revs, i+1)
	}
	l.give("bob")
	require.Empty(t, c.pull(nil, "").revs)
}

func TestRevThatLeaves19Of20Channels_row46(t *testing.T) {
	t.Parallel()
	all := `"c0"`
	for i := 1; i < 20; i++ {
		all += fmt.Sprintf(`,"c%d"`, i)
	}
	for _, version := range []protocol{protocol2, protocol3, protocol4} {
		l := newLoopback(t, nil)
		l.share("writer", "*")
		keep, lose := [][]string{{"c19"}, {"c0", "c7", "c19"}}, [][]string{{"c0"}, {"c3", "c18"}}
		for i, channels := range append(keep, lose...) {
			l.give(fmt.Sprint("user", i), channels...)
		}
		names, history := []string{treeRev(1, "a"), treeRev(2, "b")}, treeRev(1, "a")
		if version == protocol4 {
			names, history = []string{versionAt(1, sourceX), versionAt(2, sourceX)}, ""
		}
		writer := l.connect(version)
		writer.push("d", names[0], `{"channels":[`+all+`]}`)
		since := fmt.Sprint(l.coll().Info().Seq)
		writer.push("d", names[1], `{"channels":["c19"],"n":2}`, "history", history)
		for i := range len(keep) + len(lose) {
			l.setPeer(func(p *Peer) { p.Viewer = &syncstore.Viewer{Name: fmt.Sprint("user", i)} })
			p := l.connect(version).pull(nil, "", "since", since, "revocations", "true")
			switch {
			case i < len(keep):
				require.Equal(t, []string{"d "}, flagged(p.rows()), "it is not removed (%v)", version)
				require.Equal(t, `{"channels":["c19"],"n":2}`, string(p.revs["d"].Body))
			case version == protocol2:
				require.Equal(t, `{"_removed":true}`, string(p.revs["d"].Body))
			default:
				require.Equal(t, []string{"d 4"}, flagged(p.rows()), version)
				require.Empty(t, p.revs)
			}
		}
	}
}

func TestChannelsOfAnyName_row47(t *testing.T) {
	t.Parallel()
	names := []string{
		"a b", " lead", "ü", "u\u0308", "日本", "🙂", `"q"`, `\`, "a/b", "a:b", "%2C", "a=b&c", "'", "<c>", "!x", "x*", "_x", "a;b", "tab\tin", "0", "null", "[a]",
	}
	l := newLoopback(t, nil)
	l.share("bob", names...)
	c := l.connect(protocol3)
	for i, name := range names {
		body, err := json.Marshal(map[string]any{"channels": []string{name}})
		require.NoError(t, err)
		c.push(fmt.Sprint("in ", i), treeRev(1, "a"), string(body))
	}
	c.push("hidden", treeRev(1, "a"), `{"channels":["a"]}`)
	for _, version := range []protocol{protocol2, protocol3, protocol4} {
		c := l.connect(version)
		require.Len(t, c.pull(nil, "").ids(), len(names))
		for i, name := range names {
			p := c.pull(nil, "", "filter", "sync_gateway/bychannel", "channels", name)
			require.Equal(t, []string{fmt.Sprint("in ", i)}, p.ids(), name)
		}
		p := c.pull(nil, "", "filter", "sync_gateway/bychannel", "channels", strings.Join(names, ","))
		require.Len(t, p.ids(), len(names))
	}
	// A list in a property has no name with a comma: no document can have one.
	c.refused(403, "rev", `{"channels":["a,b"]}`, "id", "comma", "rev", treeRev(1, "a"))
}
