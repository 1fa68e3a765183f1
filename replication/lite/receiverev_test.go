package lite

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// get reads the current revision of a document, with its history.
func (l *loopback) get(id string) *syncstore.Document {
	l.t.Helper()
	doc, err := l.coll().Get(l.ctx, id, syncstore.GetOptions{History: true})
	require.NoError(l.t, err)
	return doc
}

// push sends a revision that is to be taken. props are more properties.
func (c *client) push(id, rev, body string, props ...string) {
	c.t.Helper()
	require.Empty(c.t, c.must("rev", body, append([]string{"id", id, "rev", rev, "sequence", "1", "noconflicts", "1"}, props...)...).Properties)
}

func TestRevIsStoredAsItCame_row35_row36(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	for _, version := range []protocol{protocol2, protocol3} {
		c := l.connect(version)
		id := version.String()
		c.push(id, treeRev(1, "a"), ` {"n" : 9223372036854775807, "x":1.50} `)
		c.push(id, treeRev(2, "b"), `{"n":9223372036854775807,"v":2}`, "history", treeRev(1, "a"))
		doc := l.get(id)
		require.Equal(t, `{"n":9223372036854775807,"v":2}`, string(doc.Body))
		require.Equal(t, parsed(t, treeRev(2, "b"), treeRev(1, "a")), doc.History)
		require.False(t, doc.Version.IsZero(), "every write has a version")
		c.push(id, treeRev(2, "b"), `{"n":9223372036854775807,"v":2}`, "history", treeRev(1, "a")) // again
		require.Equal(t, doc.Seq, l.get(id).Seq)
		c.close()
	}
	require.EqualValues(t, 6, l.counters.DocumentsPushed.Load())
}

func TestRevWithAVersion_row87(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol4)
	first, second := versionAt(1, sourceX), versionAt(2, sourceX)
	c.push("doc", first, `{"v":1}`)
	require.Equal(t, first, l.get("doc").Version.String())
	c.push("doc", second, `{"v":2}`)
	c.push("doc", versionAt(3, sourceY), `{"v":3}`, "history", second)
	doc := l.get("doc")
	require.Equal(t, versionAt(3, sourceY), doc.Version.String())
	require.Equal(t, second, string(doc.Vector.AppendHistory(nil)))
	require.EqualValues(t, 3, doc.Rev.Gen, "each write is a child in the tree (row 94)")
	c.refused(409, "rev", `{"v":4}`, "id", "doc", "rev", versionAt(4, sourceX), "history", versionAt(1, sourceY))
	c.push("doc", versionAt(5, sourceX), `{"v":5}`, "history", versionAt(4, sourceX)+", "+versionAt(3, sourceY)+";")
	require.Len(t, l.get("doc").Vector.Merged, 2)
	c.refused(422, "rev", `{}`, "id", "doc", "rev", "zz@"+sourceX)
	c.refused(422, "rev", `{}`, "id", "doc", "rev", versionAt(6, sourceX), "history", "nothing")
	c.push("doc", versionAt(1, sourceX), `{"v":1}`) // long known
	require.Equal(t, `{"v":5}`, string(l.get("doc").Body))
}

func TestRevTreeIDsOverVersion4_row88_row93(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol4)
	c.push("doc", treeRev(2, "b"), `{"v":2}`, "history", treeRev(1, "a"))
	doc := l.get("doc")
	require.Equal(t, treeRev(2, "b"), doc.Rev.String())
	require.Equal(t, syncstore.VersionOfRev(doc.Rev), doc.Version)
	c.push("doc", doc.Version.String(), `{"v":2}`)
	require.Equal(t, doc.Seq, l.get("doc").Seq, "its version says the same revision")
	c.push("doc", versionAt(1, sourceX), `{"v":3}`, "history", treeRev(2, "b")+","+treeRev(1, "a"))
	doc = l.get("doc")
	require.Equal(t, versionAt(1, sourceX), doc.Version.String())
	require.Equal(t, parsed(t, treeRev(2, "b"), treeRev(1, "a")), doc.History[1:])
}

func TestRevOfAnOlderClientKeepsToTheTree_row40(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	c.push("doc", treeRev(1, "a"), `{"v":1}`)
	for _, more := range [][]string{nil, {"noconflicts", "1"}} {
		c.refused(409, "rev", `{}`, append([]string{"id", "doc", "rev", treeRev(1, "b")}, more...)...)
		c.refused(409, "rev", `{}`, append([]string{"id", "doc", "rev", treeRev(2, "b"), "history", treeRev(1, "c")}, more...)...)
	}
	require.Equal(t, "Document update conflict", c.refused(409, "rev", `{}`, "id", "doc", "rev", treeRev(9, "b")))
	c.refused(400, "rev", `{}`, "id", "doc", "rev", "x")
	c.refused(400, "rev", `{}`, "id", "doc", "rev", "0-aa")
	c.refused(400, "rev", `{}`, "id", "doc", "rev", treeRev(2, "b"), "history", "1-a,x")
	c.refused(400, "rev", `{}`, "id", "doc", "rev", versionAt(1, sourceX))
	c.refused(400, "rev", `{}`, "id", "doc")
	c.refused(400, "rev", `{}`, "rev", treeRev(1, "a"))
	c.refused(400, "rev", `{}`, "id", "a\x01b", "rev", treeRev(1, "a"))
	require.Equal(t, `{"v":1}`, string(l.get("doc").Body))
}

// A client that edited more often than its tree keeps names the revision that it has from the
// server behind a gap.
func TestRevWithAGapInItsHistory_row36_row94(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	c.push("doc", treeRev(3, "a"), `{"v":3}`)
	c.push("doc", treeRev(30, "b"), `{"v":30}`, "history", treeRev(29, "b")+","+treeRev(28, "b")+","+treeRev(3, "a"))
	require.Equal(t, `{"v":30}`, string(l.get("doc").Body))
	c.push("doc", treeRev(31, "c"), `{"v":31}`, "history", treeRev(30, "b"))
	doc := l.get("doc")
	require.Equal(t, `{"v":31}`, string(doc.Body))
	require.Len(t, doc.History, 29)
	require.Equal(t, parsed(t, treeRev(31, "c"), treeRev(30, "b"), treeRev(29, "b"), treeRev(28, "b")), doc.History[:4])
	require.Equal(t, treeRev(3, "a"), doc.History[28].String(), "no gap is left for CouchDB's clients")
	for _, rev := range doc.History {
		require.True(t, syncstore.RevFitsLite(rev.String()), rev)
	}
	c.push("new", treeRev(30, "b"), `{}`, "history", treeRev(29, "b")+", "+treeRev(12, "b")+","+treeRev(12, "c"))
	c.push("new", treeRev(31, "c"), `{}`, "history", treeRev(30, "b"))
	c.refused(409, "rev", `{}`, "id", "new", "rev", treeRev(40_000, "d"), "history", treeRev(31, "c"))
}

func TestRevDeletes_row37_row44_row45(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	for i, value := range []string{"1", "true", "", "odd", "0", "false"} {
		id := "doc" + strconv.Itoa(i)
		c.push(id, treeRev(1, "a"), `{}`)
		c.push(id, treeRev(2, "b"), "{}", "history", treeRev(1, "a"), "deleted", value)
		_, err := l.coll().Get(l.ctx, id, syncstore.GetOptions{})
		if i < 4 {
			require.ErrorIs(t, err, syncstore.ErrDeleted, value)
		} else {
			require.NoError(t, err, value)
		}
	}
	c.push("empty", treeRev(1, "a"), "", "deleted", "1")
	c.push("empty", treeRev(1, "b"), `{"again":true}`) // resurrection without a parent
	require.Equal(t, `{"again":true}`, string(l.get("empty").Body))
	c.push("doc0", treeRev(3, "c"), `{"again":1}`, "history", treeRev(2, "b")+","+treeRev(1, "a"))
	require.Equal(t, `{"again":1}`, string(l.get("doc0").Body))
	v4 := l.connect(protocol4)
	v4.push("late", versionAt(1, sourceX), `{}`)
	v4.push("late", versionAt(2, sourceX), ``, "deleted", "1")
	_, err := l.coll().Get(l.ctx, "late", syncstore.GetOptions{})
	require.ErrorIs(t, err, syncstore.ErrDeleted)
}

func TestRevRefusesWhatIsNoDocument_row38(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.MaxDocument = 100 })
	c := l.connect(protocol3)
	for _, body := range []string{"", "{", `{"a":1,}`, "[]", "null", "{}{}", `{"a":1,"a":2}`, "{\"a\":\"\xff\"}", strings.Repeat(`{"a":`, 600)} {
		c.refused(400, "rev", body, "id", "doc", "rev", treeRev(1, "a"))
	}
	c.refused(413, "rev", `{"a":"`+strings.Repeat("x", 100)+`"}`, "id", "doc", "rev", treeRev(1, "a"))
	require.EqualValues(t, 9, l.counters.Refusals()[400])
}

// One document that is far too large is given up, and no more than that: by a connection that ends because
// of a message, a client stops for good.
func TestARevThatIsFarTooLargeIsRefusedAlone(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.MaxDocument = 100 })
	c := l.connect(protocol3)
	require.Equal(t, "too large", c.refused(413, "rev", `{"a":"`+strings.Repeat("x", 10<<20)+`"}`, "id", "large", "rev", treeRev(1, "a")))
	c.push("small", treeRev(1, "a"), `{}`)
	require.Equal(t, `{}`, string(l.get("small").Body))
}

func TestRevReservedMembers_row42(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	for member, code := range map[string]int{
		`"_id":"a"`: 400, `"_rev":"1-a"`: 400, `"_deleted":true`: 400, `"_revisions":{}`: 400, `"_sync":{}`: 400, `"_purged":true`: 400,
		`"_removed":true`: 404, `"_sync_cookies":1`: 400, `"_sync_":1`: 400,
		`"_exp":"soon"`: 400, `"_exp":-1`: 400, `"_exp":true`: 400, `"_exp":{}`: 400, `"_exp":1e300`: 400, `"_exp":"NaN"`: 400,
		`"_attachments":[]`: 400, `"_attachments":null`: 400, `"_attachments":"x"`: 400, `"_attachments":{"a":1}`: 400,
		`"_attachments":{"a":{"stub":true}}`: 400, `"_attachments":{"a":{"digest":1}}`: 400, `"_attachments":{"":{"data":""}}`: 400,
		`"_attachments":{"a":{"data":"!"}}`: 400, `"_attachments":{"a":{"data":"QQ"}}`: 400, `"_attachments":{"a":{"data":1}}`: 400,
		`"_attachments":{"a":{"data":"QQ==","digest":"sha1-AAAA"}}`: 400, `"_attachments":{"a":{"data":"QQ==","length":2}}`: 400,
		`"_attachments":{"a":{"data":"QQ==","length":0}}`: 400, `"_attachments":{"a":{"data":"QQ==","length":1.5}}`: 400,
	} {
		c.refused(code, "rev", `{"a":1,`+member+`}`, "id", "doc", "rev", treeRev(1, "a"))
	}
	c.push("doc", treeRev(1, "a"), `{"_Sync":1,"_cookie":"\"x\"","a":{"_id":1,"_attachments":[]},"_ID":null}`)
	doc := l.get("doc")
	require.Equal(t, `{"a":{"_id":1,"_attachments":[]}}`, string(doc.Body))
	require.Equal(t, `{"_Sync":1,"_cookie":"\"x\"","_ID":null}`, string(doc.Extra), "for Couchbase Lite alone (DECISIONS 26)")
}

func TestExpiry_row42(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for value, expected := range map[string]time.Time{
		`null`: {}, `0`: {}, `60`: now.Add(time.Minute), `"60"`: now.Add(time.Minute), `2592000`: now.Add(30 * 24 * time.Hour),
		`2592001`: time.Unix(2592001, 0), `1900000000`: time.Unix(1_900_000_000, 0), `1.9e9`: time.Unix(1_900_000_000, 0),
		`"2030-01-31T12:00:00Z"`:      time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC),
		`"2030-01-31T12:00:00+01:00"`: time.Date(2030, 1, 31, 11, 0, 0, 0, time.UTC),
	} {
		body, err := readReceived([]byte(`{"_exp":`+value+`}`), now)
		require.NoError(t, err, value)
		require.True(t, expected.Equal(body.expires), "%s: %s", value, body.expires)
	}
}

// evaluator is a policy of a test.
type evaluator func(context.Context, syncstore.Evaluation) (syncstore.Outcome, error)

func (e evaluator) Evaluate(ctx context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	return e(ctx, write)
}

func TestRevThatThePolicyRefuses_row39(t *testing.T) {
	t.Parallel()
	rejected := 0
	l := newLoopback(t, func(p *Peer) {
		p.Viewer = &syncstore.Viewer{Name: "alice"}
		p.Rejected = func() { rejected++ }
	})
	l.coll().SetPolicy(syncstore.Policy{Version: "1", Evaluator: evaluator(func(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
		if strings.Contains(string(write.New.Body), "bad") {
			return syncstore.Outcome{}, &access.RejectionError{Status: 403, Reason: "no bad docs"}
		}
		return syncstore.Outcome{Channels: []string{syncstore.PublicChannel}}, nil
	})})
	c := l.connect(protocol3)
	require.Equal(t, "no bad docs", c.refused(403, "rev", `{"bad":true}`, "id", "rej-1", "rev", treeRev(1, "a")))
	c.push("rej-2", treeRev(1, "a"), `{"ok":true}`)
	_, err := l.coll().Get(l.ctx, "rej-1", syncstore.GetOptions{})
	require.ErrorIs(t, err, syncstore.ErrNotFound)
	require.Equal(t, 1, rejected)
	require.EqualValues(t, 1, l.counters.DocumentsPushed.Load())
	require.EqualValues(t, 1, l.counters.Refusals()[403])
}

func TestPutRevIsRev(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	c.must("putRev", `{"v":1}`, "id", "doc", "rev", treeRev(1, "a"))
	require.Equal(t, `{"v":1}`, string(l.get("doc").Body))
}

// REST could not name such a document, nor could PouchDB take it.
func TestReservedIDsAndNamesAreRefused(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	for _, id := range []string{"_local/x", "_x", "_design/", "_design", "_"} {
		c.refused(400, "rev", `{}`, "id", id, "rev", treeRev(1, "a"))
		require.Equal(t, "[400]", string(c.must("proposeChanges", `[["`+id+`","`+treeRev(1, "a")+`"]]`).Body))
	}
	c.push("_design/x", treeRev(1, "a"), `{}`)
	c.refused(400, "rev", `{"_attachments":{"_a":{"data":""}}}`, "id", "doc", "rev", treeRev(1, "a"))
	c.close()
}
