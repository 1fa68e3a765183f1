package lite

import (
	"context"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestDeltaIsAppliedToWhatItNames_row81_row83(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	for _, version := range []protocol{protocol2, protocol3} {
		c := l.connect(version)
		id := version.String()
		c.push(id, treeRev(1, "a"), `{"n":9223372036854775807,"text":"hello","gone":1}`)
		c.push(id, treeRev(2, "b"), `{"text":["olleh"],"gone":[],"new":[{"a":1}]}`,
			"history", treeRev(1, "a"), "deltaSrc", treeRev(1, "a"))
		require.Equal(t, `{"n":9223372036854775807,"text":"olleh","new":{"a":1}}`, string(l.get(id).Body))
		// From a revision that is not the current one any more, but kept.
		c.push(id, treeRev(3, "c"), `{"v":3}`, "history", treeRev(2, "b"), "deltaSrc", treeRev(1, "a"))
		require.Equal(t, `{"n":9223372036854775807,"text":"hello","gone":1,"v":3}`, string(l.get(id).Body))
		c.close()
	}
	c := l.connect(protocol4)
	first, second := versionAt(1, sourceX), versionAt(2, sourceX)
	c.push("doc", first, `{"v":1,"x":1}`)
	c.push("doc", second, `{"v":2}`, "deltaSrc", first)
	require.Equal(t, `{"v":2,"x":1}`, string(l.get("doc").Body))
	c.push("doc", versionAt(3, sourceX), `{"v":3}`, "deltaSrc", first)
	require.Equal(t, `{"v":3,"x":1}`, string(l.get("doc").Body))
	c.push("doc", versionAt(4, sourceX), `{}`, "deltaSrc", versionAt(3, sourceX)) // no change
	require.Equal(t, `{"v":3,"x":1}`, string(l.get("doc").Body))
}

func TestDeltaThatCannotBeAppliedIsAskedForInFull(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	c.push("doc", treeRev(1, "a"), `{"v":1}`)
	c.push("dead", treeRev(1, "a"), `{"v":1}`)
	c.push("dead", treeRev(2, "b"), `{}`, "history", treeRev(1, "a"), "deleted", "1")
	refused := func(id, source, delta string) {
		t.Helper()
		c.refused(422, "rev", delta, "id", id, "rev", treeRev(3, "c"), "history", treeRev(2, "b")+","+treeRev(1, "a"), "deltaSrc", source)
	}
	refused("doc", treeRev(1, "b"), `{"v":2}`)
	refused("doc", "x", `{"v":2}`)
	refused("doc", versionAt(1, sourceX), `{"v":2}`)
	refused("none", treeRev(1, "a"), `{"v":2}`)
	refused("dead", treeRev(2, "b"), `{"v":2}`)
	refused("doc", treeRev(1, "a"), `{"v":2`)
	refused("doc", treeRev(1, "a"), `[]`)
	refused("doc", treeRev(1, "a"), ``)
	refused("doc", treeRev(1, "a"), `{"v":["x","=",2]}`)
	refused("doc", treeRev(1, "a"), `{"_rev":"1-a"}`)
	refused("doc", treeRev(1, "a"), `{"_attachments":[[]]}`)
	// A tombstone's body is never a delta.
	c.push("doc", treeRev(2, "b"), `{}`, "history", treeRev(1, "a"), "deleted", "1", "deltaSrc", treeRev(1, "a"))
}

func TestDeltasAreRefusedWhereTheyAreOff_row81(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.NoDeltas = true })
	c := l.connect(protocol3)
	c.push("doc", treeRev(1, "a"), `{"v":1}`)
	c.refused(400, "rev", `{"v":2}`, "id", "doc", "rev", treeRev(2, "b"), "history", treeRev(1, "a"), "deltaSrc", treeRev(1, "a"))
}

func TestDeltaFromWhatOneMayNotRead_row84(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.Viewer = &syncstore.Viewer{Name: "mallory"} })
	l.coll().SetPolicy(syncstore.Policy{Version: "1", Evaluator: evaluator(func(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
		channel := "private"
		if strings.Contains(string(write.New.Body), "public") {
			channel = syncstore.PublicChannel
		}
		return syncstore.Outcome{Channels: []string{channel}}, nil
	})})
	l.write(replicated(t, "doc", `{"secret":"s"}`, treeRev(1, "a")))
	c := l.connect(protocol3)
	c.refused(422, "rev", `{"public":true}`, "id", "doc", "rev", treeRev(2, "b"), "history", treeRev(1, "a"), "deltaSrc", treeRev(1, "a"))
	// Nor from what one could read before it was made private.
	c.push("mine", treeRev(1, "a"), `{"public":true}`)
	l.write(replicated(t, "mine", `{"secret":"s"}`, treeRev(2, "b"), treeRev(1, "a")))
	c.refused(422, "rev", `{"public":true}`, "id", "mine", "rev", treeRev(3, "c"), "history", treeRev(2, "b"), "deltaSrc", treeRev(2, "b"))
}

func TestDeltaOfADocumentWithAttachments_row73_row74_row75(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol3, protocol4} {
		l := newLoopback(t, nil)
		c := l.connect(version)
		b := c.serve("text", "more")
		names := []string{treeRev(1, "a"), treeRev(2, "b"), treeRev(3, "c"), treeRev(4, "d")}
		if version == protocol4 {
			names = []string{versionAt(1, sourceX), versionAt(2, sourceX), versionAt(3, sourceX), versionAt(4, sourceX)}
		}
		history := func(gen int) string {
			if version == protocol4 {
				return ""
			}
			return names[gen]
		}
		c.push("doc", names[0], `{"v":1,"_attachments":{"a":`+stub("text", 1)+`},"_x":1}`)
		c.push("doc", names[1], `{"v":2}`, "history", history(0), "deltaSrc", names[0])
		require.Len(t, l.get("doc").Attachments, 1, "the delta says nothing of attachments")
		require.Equal(t, `{"_x":1}`, string(l.get("doc").Extra))
		c.push("doc", names[2], `{"_attachments":{"a":{"revpos":3},"b":[`+stub("more", 3)+`]}}`, "history", history(1), "deltaSrc", names[1])
		require.Len(t, l.get("doc").Attachments, 2)
		require.EqualValues(t, 2, b.gets.Load())
		require.EqualValues(t, 0, b.proofs.Load())
		c.push("doc", names[3], `{"_attachments":[]}`, "history", history(2), "deltaSrc", names[2])
		require.Empty(t, l.get("doc").Attachments)
		require.Equal(t, `{"v":2}`, string(l.get("doc").Body))
	}
}

// Couchbase Lite up to 3 adds what mirrors blobs to both sides of a delta, or to neither where none is left: then
// the delta says nothing of attachments (seen with 3.2.4).
func TestADeltaThatTakesTheLastBlobAwayTakesItsAttachment(t *testing.T) {
	t.Parallel()
	blob := `{"@type":"blob","digest":"` + digestOf("text") + `","length":4}`
	for name, test := range map[string]struct {
		delta string
		kept  []string
	}{
		"the last blob":            {`{"v":2,"p":[],"list":[]}`, []string{"mine"}},
		"its place has another":    {`{"p":[{"@type":"blob?"}],"list":[["@type"]]}`, []string{"mine"}},
		"nothing":                  {`{"v":2}`, []string{"blob_/list/0", "blob_/p", "mine"}},
		"one of two":               {`{"p":[],"_attachments":{"blob_/p":[]}}`, []string{"blob_/list/0", "mine"}},
		"blobs, and their mirrors": {`{"p":[],"list":[],"_attachments":{"blob_/p":[],"blob_/list/0":[]}}`, []string{"mine"}},
		"blobs, and an attachment": {`{"p":[],"list":[],"_attachments":{"mine":[]}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLoopback(t, nil)
			c := l.connect(protocol3)
			c.serve("text", "more")
			c.push("doc", treeRev(1, "a"), `{"v":1,"p":`+blob+`,"list":[`+blob+`],"_attachments":{"blob_/p":`+stub("text", 1)+
				`,"blob_/list/0":`+stub("text", 1)+`,"mine":`+stub("more", 1)+`}}`)
			c.push("doc", treeRev(2, "b"), test.delta, "history", treeRev(1, "a"), "deltaSrc", treeRev(1, "a"))
			var kept []string
			for _, a := range l.get("doc").Attachments {
				kept = append(kept, a.Name)
			}
			require.Equal(t, test.kept, kept)
		})
	}
}

// A device keeps an attachment that mirrors none of its blobs, whatever its name is, and its deltas say nothing of it.
func TestADeltaLeavesAttachmentsThatWereNoBlobs(t *testing.T) {
	t.Parallel()
	for name, member := range map[string]string{
		"another program's":               `"p":{"file":"blob_/p"}`,
		"the blob in a member of its own": `"_p":{"@type":"blob","digest":"` + digestOf("text") + `","length":4}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLoopback(t, nil)
			c := l.connect(protocol3)
			c.serve("text")
			c.push("doc", treeRev(1, "a"), `{"v":1,`+member+`,"_attachments":{"blob_/p":`+stub("text", 1)+`}}`)
			c.push("doc", treeRev(2, "b"), `{"v":2}`, "history", treeRev(1, "a"), "deltaSrc", treeRev(1, "a"))
			require.Contains(t, string(l.get("doc").Body), `"v":2`)
			require.Len(t, l.get("doc").Attachments, 1)
		})
	}
}

// A small delta makes a large body, and thousands of them may be open.
func TestBodiesThatDeltasMakeAreBounded(t *testing.T) {
	t.Parallel()
	var u pushQueue
	var list []*push
	for {
		p := new(push)
		if !u.grow(p, 1<<20) {
			break
		}
		list = append(list, p)
	}
	require.Len(t, list, maxGrown>>20)
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	large := `{"s":"` + strings.Repeat("x", 5<<20) + `"}`
	c.push("doc", treeRev(1, "a"), large)
	for i := 2; i < 12; i++ { // what is written is not counted any more
		c.push("doc", treeRev(i, "a"), `{"n":1}`, "history", treeRev(i-1, "a"), "deltaSrc", treeRev(i-1, "a"))
	}
}
