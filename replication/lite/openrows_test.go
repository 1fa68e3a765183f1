package lite

import (
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// awaits begins a continuous feed and has the client ask for the document a, whose revision it
// does not answer: it may be waiting for the attachment.
func (c *client) awaits() (rev *blip.Request) {
	c.t.Helper()
	c.must("subChanges", "", "continuous", "true", "revocations", "true")
	q, rows := c.changes()
	require.Equal(c.t, "a", rows[0].id)
	answer(q, "[[]]")
	c.caughtUp()
	rev = c.rev()
	require.False(c.t, rev.NoReply)
	return rev
}

// told waits for changes of one document, which the client says it has.
func (c *client) told(id string) told {
	c.t.Helper()
	q, rows := c.changes()
	require.Len(c.t, rows, 1)
	require.Equal(c.t, id, rows[0].id)
	answer(q, "[0]")
	return rows[0]
}

// The client may have made the document anew, so that it has nothing to ask for, and would take
// the tombstone in after that (seed 17 of test/lite with 500 documents).
func TestATombstoneIsNotSentToWhoMadeTheDocumentAnewMeanwhile(t *testing.T) {
	t.Parallel()
	for _, replace := range []bool{false, true} {
		l := newLoopback(t, nil)
		gone := l.remove("a", l.edit("a", `{}`, ""))
		c := l.connect(protocol3)
		var props []string
		if replace {
			props = []string{"sendReplacementRevs", "1"}
		}
		q, row := c.followed(props...)
		require.Equal(t, gone, row.rev)
		c.must("rev", `{"life":2}`, "id", "a", "rev", tree(2, "a"), "history", tree(1, "a"), "sequence", "1", "noconflicts", "1")
		answer(q, `[["`+tree(2, "a")+`"]]`)
		got := c.brought()
		require.Equal(t, row.seq, got.Properties.Value("sequence"))
		if !replace {
			require.Equal(t, "norev", got.Profile())
			continue
		}
		require.Equal(t, "rev", got.Profile())
		require.Equal(t, tree(2, "a"), got.Properties.Value("rev"))
		require.Equal(t, gone, got.Properties.Value("replacedRev"))
		require.Empty(t, got.Properties.Value("history"), "it is known itself")
		require.Equal(t, `{"life":2}`, string(got.Body))
	}
}

func TestAnAncestorIsSentThoughTheDocumentWentOn(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	first := l.edit("a", `{"n":1}`, "")
	c := l.connect(protocol3)
	q, _ := c.followed()
	l.edit("a", `{"n":2}`, first)
	answer(q, "[[]]")
	require.Equal(t, first, c.brought().Properties.Value("rev"))
}

// Another leaf that came or went gives the document a new sequence, and changes nothing that the
// client is told (seeds 6 and 88).
func TestWhatIsOnItsWayIsNotToldAgain(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol2, protocol3, protocol4} {
		l := newLoopback(t, nil)
		l.write(syncstore.Edit{ID: "a", Body: []byte(`{}`), Attachments: []syncstore.AttachmentEdit{l.attach("x", "content")}})
		c := l.connect(version)
		rev := c.awaits()
		l.write(grown(t, "a", `{}`, tree(1, "0")))
		l.edit("b", `{}`, "")
		c.told("b")
		answer(rev, "")
		c.quiet()
		l.write(grown(t, "a", `{}`, tree(1, "00")[:34]))
		c.told("a") // it is done with that, and may be told
	}
}

// The client would take in the second revision first, and then believe that the document went
// over to the first.
func TestADocumentThatWentAnotherWayWaitsForTheRevisionOnItsWay(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol2, protocol3} {
		l := newLoopback(t, nil)
		l.write(syncstore.Edit{ID: "a", Body: []byte(`{}`), Attachments: []syncstore.AttachmentEdit{l.attach("x", "content")}})
		c := l.connect(version)
		rev := c.awaits()
		l.write(grown(t, "a", `{}`, tree(2, "b"), tree(1, "b")))
		l.edit("b", `{}`, "")
		c.quiet()
		answer(rev, "")
		var rows []told
		for len(rows) < 2 { // in one message, or in two
			q, some := c.changes()
			rows = append(rows, some...)
			answer(q, "[]")
		}
		require.Equal(t, tree(2, "b"), rows[0].rev)
		require.Equal(t, "b", rows[1].id)
		c.quiet()
	}
}

func TestADocumentThatGoesOnDoesNotWait(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol3, protocol4} {
		l := newLoopback(t, nil)
		first := l.write(syncstore.Edit{ID: "a", Body: []byte(`{}`), Attachments: []syncstore.AttachmentEdit{l.attach("x", "content")}})[0]
		c := l.connect(version)
		rev := c.awaits()
		second := l.edit("a", `{"n":2}`, first.String())
		c.told("a")
		l.edit("a", `{"n":3}`, second)
		c.told("a")
		answer(rev, "")
		c.quiet()
	}
}

// Else the client would purge what it does not have, and then have it.
func TestALossWaitsForTheRevisionOnItsWay(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol3, protocol4} {
		l := newLoopback(t, nil)
		l.share("bob", "b")
		l.write(syncstore.Edit{ID: "a", Body: []byte(`{"channels":["b"]}`), Attachments: []syncstore.AttachmentEdit{l.attach("x", "content")}})
		c := l.connect(version)
		rev := c.awaits()
		l.give("bob")
		c.quiet()
		answer(rev, "")
		require.NotEmpty(t, c.told("a").flags)
	}
}

// A revision of several frames could be overtaken by a short message.
func TestALongRevisionIsDoneWhenItIsSent(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.edit("a", `{"long":"`+strings.Repeat("x", 100_000)+`"}`, "")
	c := l.connect(protocol3)
	c.must("subChanges", "", "continuous", "true")
	q, _ := c.changes()
	answer(q, "[[]]")
	c.caughtUp()
	require.True(t, c.rev().NoReply)
	l.write(grown(t, "a", `{}`, tree(2, "b"), tree(1, "b")))
	c.told("a")
}
