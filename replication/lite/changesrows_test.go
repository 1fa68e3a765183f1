package lite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestRowsOfEachVersion(t *testing.T) { // row 24
	t.Parallel()
	rows := []row{
		{at: syncstore.Cursor{Seq: 1}, id: `a "quoted"`, rev: "1-abc"},
		{at: syncstore.Cursor{Event: 5, Seq: 2}, id: "ü", rev: "2-abc", flags: rowDeleted},
		{at: syncstore.Cursor{Seq: 18446744073709551615}, id: "c<", rev: "18eab9b5d68f0001@UI154sPAT+GNjAKK6RxxmA", flags: rowRevoked | rowRemoved},
	}
	for version, want := range map[protocol]string{
		protocol2: `[[1,"a \"quoted\"","1-abc"],["5:2","ü","2-abc",true],[18446744073709551615,"c<","18eab9b5d68f0001@UI154sPAT+GNjAKK6RxxmA"]]`,
		protocol3: `[[1,"a \"quoted\"","1-abc"],["5:2","ü","2-abc",1],[18446744073709551615,"c<","18eab9b5d68f0001@UI154sPAT+GNjAKK6RxxmA",6]]`,
		protocol4: `[[1,"a \"quoted\"","1-abc"],["5:2","ü","2-abc",1],[18446744073709551615,"c<","18eab9b5d68f0001@UI154sPAT+GNjAKK6RxxmA",6]]`,
	} {
		require.Equal(t, want, string(version.appendRows(nil, rows)), version)
	}
	require.Equal(t, "[]", string(protocol3.appendRows(nil, nil)))
}

func TestRowsNameTreeIDsAndVersions(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	rev := l.edit("a", `{}`, "")
	for _, version := range []protocol{protocol2, protocol3} {
		require.Equal(t, []told{{seq: "1", id: "a", rev: rev}}, l.connect(version).pull(nil, "").rows())
	}
	doc, err := l.coll().Get(t.Context(), "a", syncstore.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, []told{{seq: "1", id: "a", rev: doc.Version.String()}}, l.connect(protocol4).pull(nil, "").rows())
}

func TestDecision27_WhatCouchbaseLiteCannotHoldIsLeftOut(t *testing.T) {
	t.Parallel()
	for version, left := range map[protocol][]string{protocol2: {"fit", "last"}, protocol3: {"fit", "last"}, protocol4: {"short digest", "upper case", "fit", "last"}} {
		l := newLoopback(t, nil)
		l.write(
			syncstore.Edit{ID: "_design/x"},
			syncstore.Edit{ID: strings.Repeat("ü", 121)},
			grown(t, "short digest", `{}`, "1-abc"),
			grown(t, "upper case", `{}`, "1-"+strings.Repeat("A", 40)),
			syncstore.Edit{ID: "fit"},
			syncstore.Edit{ID: strings.Repeat("l", 241)},
			syncstore.Edit{ID: "last"},
		)
		p := l.connect(version).pull(nil, "")
		require.Equal(t, left, p.ids(), version)
		require.EqualValues(t, 6-len(left), l.counters.Unfit.Load(), version)
	}
}

func TestDecision27_LeftOutDocumentsAreWarnedOfOnce(t *testing.T) {
	t.Parallel()
	core, log := observer.New(zap.WarnLevel)
	r := &replication{server: New(Config{}), logger: zap.New(core), version: protocol3}
	for _, id := range []string{strings.Repeat("secret", 50), "short"} {
		_, ok := r.fit(&syncstore.Change{ID: []byte(id), Leaves: []syncstore.ChangeLeaf{{Rev: []byte("1-abc")}}})
		require.False(t, ok)
	}
	require.EqualValues(t, 2, r.server.counters.Unfit.Load())
	require.Len(t, log.All(), 1)
	require.NotContains(t, log.All()[0].Message, "secret")
}

func TestFitTreeIDs(t *testing.T) {
	t.Parallel()
	for rev, fit := range map[string]bool{
		"1-" + strings.Repeat("a", 32): true, "1-" + strings.Repeat("0", 40): true, "1-" + strings.Repeat("f", 34): true,
		"1-" + strings.Repeat("a", 30): false, "1-" + strings.Repeat("a", 42): false, "1-" + strings.Repeat("a", 33): false,
		"1-" + strings.Repeat("g", 32): false, "1-" + strings.Repeat("A", 32): false, strings.Repeat("a", 32): false, "": false,
	} {
		require.Equal(t, fit, syncstore.RevFitsLite(rev), rev)
	}
}

func TestGrantBringsABackfillInTheMiddleOfAFeed(t *testing.T) { // rows 27, 8
	t.Parallel()
	l := newLoopback(t, nil)
	l.share("bob", "b")
	l.edit("old", `{"channels":"a"}`, "")
	l.edit("mine", `{"channels":"b"}`, "")
	c := l.connect(protocol3)
	c.must("subChanges", "", "continuous", "true", "revocations", "true")
	q, rows := c.changes()
	require.Len(t, rows, 1)
	require.Equal(t, "mine", rows[0].id)
	answer(q, "[]")
	c.caughtUp()
	l.give("bob", "a", "b")
	q, rows = c.changes()
	require.Equal(t, `"4:2" old `, rows[0].seq+" "+rows[0].id+" "+rows[0].flags)
	answer(q, "[[]]")
	require.Equal(t, `"4:2"`, c.rev().Properties.Value("sequence")) // exactly as it was told
}

// losses makes a document leave a channel, and then takes another channel away.
func losses(l *loopback) {
	l.share("bob", "a", "b")
	first := l.edit("left", `{"channels":"b","secret":1}`, "")
	l.edit("kept", `{"channels":["a","b"]}`, "")
	l.edit("lost", `{"channels":"a","secret":2}`, "")
	l.edit("left", `{"channels":"c","secret":3}`, first)
	l.give("bob", "b")
}

func TestLostDocumentsAreFlagged(t *testing.T) { // rows 59, 60
	t.Parallel()
	for _, version := range []protocol{protocol3, protocol4} {
		l := newLoopback(t, nil)
		losses(l)
		p := l.connect(version).pull(nil, "", "since", "4", "revocations", "true")
		require.Equal(t, []string{"left 4", "lost 2"}, flagged(p.rows()), version)
		require.Empty(t, p.revs)
		require.Empty(t, p.norevs)
	}
}

func TestLostDocumentsAreNotToldWithoutRevocations(t *testing.T) { // row 62
	t.Parallel()
	l := newLoopback(t, nil)
	losses(l)
	require.Empty(t, l.connect(protocol3).pull(nil, "", "since", "4").rows())
}

func TestClientsOfVersion2GetARemovedBody(t *testing.T) { // row 63
	t.Parallel()
	l := newLoopback(t, nil)
	losses(l)
	p := l.connect(protocol2).pull(nil, "", "since", "4", "revocations", "true")
	require.Equal(t, []string{"left "}, flagged(p.rows()))
	require.Equal(t, `{"_removed":true}`, string(p.revs["left"].Body))
	require.Empty(t, p.revs["left"].Properties.Value("deleted"))
}

func TestDocumentThatIsDeletedAndLost(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol2, protocol3, protocol4} {
		l := newLoopback(t, nil)
		l.share("bob", "a")
		rev := l.edit("d", `{"channels":"a"}`, "")
		l.write(syncstore.Edit{ID: "d", Deleted: true, Parent: mustRev(t, rev), Body: []byte(`{"channels":"z","secret":1}`)})
		p := l.connect(version).pull(nil, "", "since", "2", "revocations", "true")
		require.Len(t, p.rows(), 1)
		require.Equal(t, map[protocol]string{protocol2: "true", protocol3: "5", protocol4: "5"}[version], p.rows()[0].flags)
		require.Equal(t, "{}", string(p.revs["d"].Body))
		require.Equal(t, "1", p.revs["d"].Properties.Value("deleted"))
	}
}

func TestDocumentMovesBetweenChannelsOfAUser(t *testing.T) { // rows 59, 61
	t.Parallel()
	l := newLoopback(t, nil)
	l.share("bob", "a", "b")
	rev := l.edit("d", `{"channels":"a"}`, "")
	l.edit("d", `{"channels":"b"}`, rev)
	c := l.connect(protocol3)
	require.Equal(t, []string{"d "}, flagged(c.pull(nil, "", "since", "2", "revocations", "true").rows()))
	filter := []string{"filter", "sync_gateway/bychannel", "channels", "a", "since", "2", "revocations", "true"}
	require.Empty(t, c.pull(nil, "", filter...).rows(), "it left the feed, but the user sees it")

	l.edit("e", `{"channels":"a"}`, "")
	rev = l.edit("f", `{"channels":"a"}`, "")
	filter[5] = "5"
	l.edit("f", `{"channels":"z"}`, rev)
	require.Equal(t, []string{"f 4"}, flagged(c.pull(nil, "", filter...).rows()))
}

func TestChannelFilterShowsNoMoreThanTheUserSees(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.share("bob", "a", "b")
	for _, channel := range []string{"a", "b", "c"} {
		l.edit("in "+channel, `{"channels":"`+channel+`"}`, "")
	}
	c := l.connect(protocol3)
	for channels, want := range map[string][]string{"a": {"in a"}, "a,c": {"in a"}, "*": {"in a", "in b"}, "c": nil} {
		require.Equal(t, want, c.pull(nil, "", "filter", "sync_gateway/bychannel", "channels", channels).ids(), channels)
	}
}

func TestActiveOnlyLeavesOutWhatWasLost(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	losses(l)
	require.Equal(t, []string{"kept"}, l.connect(protocol3).pull(nil, "", "activeOnly", "true", "revocations", "true").ids())
}

func flagged(rows []told) (all []string) {
	for _, row := range rows {
		all = append(all, row.id+" "+row.flags)
	}
	return all
}

// A client of version 2 is told by a revision that a document is lost, and by no other row if
// that revision is not the last one any more.
func TestALostDocumentThatChangesOnIsPurged_row63(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.share("ann", "a")
	first := l.edit("doc", `{"channels":["a"]}`, "")
	since := l.coll().Info().Seq
	second := l.edit("doc", `{"channels":["b"]}`, first)
	c := l.connect(protocol2)
	c.must("subChanges", "", "since", fmt.Sprint(since), "continuous", "true")
	q, rows := c.changes()
	require.Equal(t, second, rows[0].rev)
	l.edit("doc", `{"channels":["b"],"n":2}`, second)
	answer(q, "[[]]")
	for q := c.request(); q.Profile() != "rev"; q = c.request() { // before it: the feed has caught up
		require.Equal(t, "null", string(q.Body), "%v", q.Properties)
	}
}

// A client of a later version asks for a tombstone that left its user's channels. If the document has gone
// on where its user does not see it, no other row tells it to let go of what it has.
func TestALostTombstoneOfADocumentThatChangesOnIsSent(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol3, protocol4} {
		l := newLoopback(t, nil)
		l.share("ann", "a")
		first := l.edit("doc", `{"channels":["a"]}`, "")
		since := l.coll().Info().Seq
		gone := l.write(syncstore.Edit{ID: "doc", Parent: mustRev(t, first), Deleted: true, Body: []byte(`{"channels":["b"]}`)})[0].String()
		c := l.connect(version)
		q, row := c.followed("since", fmt.Sprint(since), "revocations", "true", "sendReplacementRevs", "1")
		require.Equal(t, "5", row.flags)
		l.edit("doc", `{"channels":["b"],"secret":1}`, gone)
		answer(q, "[[]]")
		rev := c.brought()
		require.Equal(t, "rev", rev.Profile(), version)
		require.Equal(t, row.rev, rev.Properties.Value("rev"))
		require.Equal(t, "1", rev.Properties.Value("deleted"))
		require.Equal(t, "{}", string(rev.Body))
	}
}

// A document that is damaged does not stop the feeds of those in whose channels it is, or was.
func TestADamagedDocumentDoesNotStopTheFeedOfAUser(t *testing.T) { // row 52
	t.Parallel()
	eng := &failing{Engine: memory.New()}
	l := newLoopbackOn(t, eng, nil)
	l.share("ann", "a")
	gone := l.edit("bad1", `{"channels":["a"]}`, "")
	first := l.edit("bad2", `{"channels":["a"]}`, "")
	since := l.coll().Info().Seq
	l.edit("bad1", `{"channels":["b"]}`, gone)
	second := l.edit("bad2", `{"channels":["a"],"n":2}`, first)
	l.write(syncstore.Edit{ID: "bad2", History: []syncstore.Rev{mustRev(t, "1-"+strings.Repeat("0", 32))}, Body: []byte(`{"channels":["b"]}`)})
	l.edit("good", `{"channels":["a"]}`, "")
	damage := func(_, value []byte) ([]byte, error) { return value[:len(value)-1], nil }
	eng.get.Store(&damage)
	p := l.connect(protocol3).pull(nil, "", "since", fmt.Sprint(since), "revocations", "true")
	require.Equal(t, []string{"bad2", "good"}, p.ids())
	require.Equal(t, second, p.rows()[0].rev)
	require.Equal(t, "500", p.norevs["bad2"].Properties.Value("error"))
	require.Contains(t, p.revs, "good")
	c := l.connect(protocol3)
	l.give("ann", "a", "b")
	require.Equal(t, []string{"bad2", "good", "bad1"}, c.pull(nil, "", "since", fmt.Sprint(since), "revocations", "true").ids())
}
