package lite

import (
	"testing"

	"github.com/caddysync/caddy-sync/replication/lite/delta"
	"github.com/stretchr/testify/require"
)

// Deltas are sent if the database has them and the client says that it takes them; that it may
// send some it is told if the database has them, whatever it says.
func TestWhoIsSentDeltas_row86(t *testing.T) {
	t.Parallel()
	for _, off := range []bool{false, true} {
		l := newLoopback(t, func(p *Peer) { p.NoDeltas = off })
		first, _ := changed(l)
		first[protocol2] = first[protocol3]
		for _, version := range []protocol{protocol2, protocol3, protocol4} {
			for said, takes := range map[string]bool{"": false, "true": true, "1": true, "false": false, "0": false} {
				var props []string
				if said != "" {
					props = []string{"deltas", said}
				}
				c := l.connect(version)
				rev := c.updated(first[version], props...)
				_, sent := rev.Properties.Get("deltaSrc")
				require.Equal(t, takes && !off, sent, "off %v, %v, deltas=%q", off, version, said)
				require.Equal(t, sent, !rev.NoReply, "a delta may be refused")
				answer(rev, "")
				proposed := `[["new","` + treeRev(1, "a") + `"]]`
				if version == protocol4 {
					proposed = `[["new","` + versionAt(1, sourceX) + `"]]`
				}
				told := c.must("proposeChanges", proposed).Properties.Value("deltas")
				require.Equal(t, map[bool]string{false: "true", true: ""}[off], told, version)
				c.close()
			}
		}
	}
}

func TestTheRevisionChangesBeforeItsDeltaIsMade_row85(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol3, protocol4} {
		l := newLoopback(t, nil)
		first, second := changed(l)
		c := l.connect(version)
		q, row := c.followed("sendReplacementRevs", "1")
		require.Equal(t, second[version], row.rev)
		l.edit("a", long(`,"n":3`), second[protocol3])
		answer(q, `[["`+first[version]+`"]]`, "deltas", "true")
		rev := c.brought()
		body := rev.Body
		if src := rev.Properties.Value("deltaSrc"); src != "" {
			require.Equal(t, first[version], src)
			var err error
			body, err = delta.Apply([]byte(long(`,"n":1`)), rev.Body)
			require.NoError(t, err)
		}
		switch rev.Properties.Value("rev") {
		case second[version]:
			require.JSONEq(t, long(`,"n":2`), string(body))
		default:
			require.Equal(t, l.version("a"), rev.Properties.Value("rev"))
			require.Equal(t, second[version], rev.Properties.Value("replacedRev"))
			require.JSONEq(t, long(`,"n":3`), string(body))
		}
	}
}

// A device that was upgraded to version 4 holds revisions that have tree IDs alone.
func TestDeltasFromTreeIDsOverVersion4_row92(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.write(grown(t, "a", long(`,"n":1`), tree(1, "a")), grown(t, "a", long(`,"n":2`), tree(2, "b"), tree(1, "a")))
	rev := l.connect(protocol4).updated(tree(1, "a"), "deltas", "true")
	require.Equal(t, l.version("a"), rev.Properties.Value("rev"))
	require.Equal(t, tree(1, "a"), rev.Properties.Value("deltaSrc"))
	require.Equal(t, tree(2, "b")+","+tree(1, "a"), rev.Properties.Value("history"))
	require.Equal(t, `{"n":2}`, string(rev.Body))
	answer(rev, "")

	c := l.connect(protocol4) // both sides hold tree IDs
	c.push("b", treeRev(1, "a"), long(`,"n":1`))
	c.push("b", treeRev(2, "b"), `{"n":2}`, "history", treeRev(1, "a"), "deltaSrc", treeRev(1, "a"))
	require.Equal(t, long(`,"n":2`), string(l.get("b").Body))
	c.push("b", versionAt(1, sourceX), `{"n":3}`, "history", treeRev(2, "b"), "deltaSrc", treeRev(2, "b"))
	require.Equal(t, long(`,"n":3`), string(l.get("b").Body))
}

// Whoever sees it through whichever channel: a deletion comes whole.
func TestADeletionIsNoDelta_row79(t *testing.T) {
	t.Parallel()
	for _, channel := range []string{"a", "*"} {
		for _, version := range []protocol{protocol2, protocol3, protocol4} {
			l := newLoopback(t, nil)
			l.share("bob", channel)
			rev := l.edit("d", long(`,"channels":"a"`), "")
			known := rev
			if version == protocol4 {
				known = l.version("d")
			}
			// Another client has had the delta to what is deleted then.
			second := l.edit("d", long(`,"channels":"a","n":2`), rev)
			other := l.connect(version)
			_, isDelta := other.updated(known, "deltas", "true").Properties.Get("deltaSrc")
			require.True(t, isDelta)
			l.remove("d", second)
			c := l.connect(version)
			gone := c.updated(known, "deltas", "true")
			require.Equal(t, "{}", string(gone.Body))
			require.Equal(t, "1", gone.Properties.Value("deleted"))
			_, isDelta = gone.Properties.Get("deltaSrc")
			require.False(t, isDelta)
		}
	}
}
