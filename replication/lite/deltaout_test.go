package lite

import (
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/replication/lite/delta"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// long is a body that is worth a delta.
func long(more string) string { return `{"text":"` + strings.Repeat("x", 300) + `"` + more + `}` }

// changed makes a document of two revisions and returns how versions 3 and 4 name the first,
// and the second.
func changed(l *loopback) (first, second map[protocol]string) {
	l.t.Helper()
	rev := l.edit("a", long(`,"n":1`), "")
	first = map[protocol]string{protocol3: rev, protocol4: l.version("a")}
	rev = l.edit("a", long(`,"n":2`), rev)
	return first, map[protocol]string{protocol3: rev, protocol4: l.version("a")}
}

// updated asks for the one change there is, as who has known.
func (c *client) updated(known string, props ...string) *blip.Request {
	c.t.Helper()
	q, _ := c.followed()
	answer(q, `[["`+known+`"]]`, props...)
	c.caughtUp()
	return c.rev()
}

func TestDeltaOfTheKnownRevision(t *testing.T) { // rows 76, 84
	t.Parallel()
	for _, version := range []protocol{protocol3, protocol4} {
		l := newLoopback(t, nil)
		first, second := changed(l)
		c := l.connect(version)
		rev := c.updated(first[version], "deltas", "true")
		require.Equal(t, first[version], rev.Properties.Value("deltaSrc"))
		require.Equal(t, second[version], rev.Properties.Value("rev"))
		require.False(t, rev.NoReply)
		require.Equal(t, `{"n":2}`, string(rev.Body))
		answer(rev, "")
		c.quiet()

		rev = c.updated(first[version]) // deltas are announced once
		require.Equal(t, first[version], rev.Properties.Value("deltaSrc"))
		rev = l.connect(version).updated(first[version])
		require.Equal(t, long(`,"n":2`), string(rev.Body))
		l.setPeer(func(p *Peer) { p.NoDeltas = true })
		rev = l.connect(version).updated(first[version], "deltas", "true")
		require.Equal(t, long(`,"n":2`), string(rev.Body))
	}
}

func TestDeltaThatIsRefusedIsFollowedByTheWhole(t *testing.T) { // row 77
	t.Parallel()
	for code, again := range map[int]bool{422: true, 404: true, 403: false, 500: false} {
		l := newLoopback(t, nil)
		first, _ := changed(l)
		c := l.connect(protocol3)
		delta := c.updated(first[protocol3], "deltas", "true")
		delta.Refuse("HTTP", code, "no")
		if again {
			rev := c.rev()
			require.Equal(t, long(`,"n":2`), string(rev.Body))
			require.True(t, rev.NoReply)
			require.Equal(t, delta.Properties.Value("sequence"), rev.Properties.Value("sequence"))
			require.Equal(t, delta.Properties.Value("rev"), rev.Properties.Value("rev"))
		}
		c.quiet()
	}
}

func TestNoDeltaWithoutABase(t *testing.T) { // rows 78, 79, 83
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(l *loopback) (known string)
		body    string // "": none has to be
	}{
		"unknown base": {prepare: func(l *loopback) string { changed(l); return tree(1, "f") }, body: long(`,"n":2`)},
		"no revision":  {prepare: func(l *loopback) string { changed(l); return "x" }, body: long(`,"n":2`)},
		"the same one": {prepare: func(l *loopback) string { _, second := changed(l); return second[protocol3] }, body: long(`,"n":2`)},
		"to a tombstone": {prepare: func(l *loopback) string {
			first, second := changed(l)
			l.remove("a", second[protocol3])
			return first[protocol3]
		}, body: "{}"},
		"from a tombstone": {prepare: func(l *loopback) string {
			_, second := changed(l)
			gone := l.remove("a", second[protocol3])
			l.edit("a", long(`,"n":3`), "")
			return gone
		}, body: long(`,"n":3`)},
		"short": {prepare: func(l *loopback) string {
			first := l.edit("a", `{"a":1,"b":2}`, "")
			l.edit("a", `{"a":1,"b":3}`, first)
			return first
		}, body: `{"a":1,"b":3}`},
		"longer than the whole": {prepare: func(l *loopback) string {
			first := l.edit("a", long(`,"n":1`), "")
			l.edit("a", `{"other":"`+strings.Repeat("y", 300)+`"}`, first)
			return first
		}, body: `{"other":"` + strings.Repeat("y", 300) + `"}`},
	} {
		l := newLoopback(t, nil)
		known := test.prepare(l)
		rev := l.connect(protocol3).updated(known, "deltas", "true")
		_, isDelta := rev.Properties.Get("deltaSrc")
		require.False(t, isDelta, name)
		require.Equal(t, test.body, string(rev.Body), name)
	}
}

func TestNoDeltaFromWhatTheUserMayNotRead(t *testing.T) { // row 84
	t.Parallel()
	l := newLoopback(t, nil)
	l.share("bob", "a")
	secret := l.edit("d", long(`,"channels":"z","secret":1`), "")
	l.edit("d", long(`,"channels":"a"`), secret)
	rev := l.connect(protocol3).updated(secret, "deltas", "true")
	require.Equal(t, long(`,"channels":"a"`), string(rev.Body))
}

func TestDeltaWithAttachments(t *testing.T) { // rows 74, 75
	t.Parallel()
	l := newLoopback(t, nil)
	old := l.attach("old", "old")
	first := l.write(syncstore.Edit{ID: "a", Body: []byte(long(`,"n":1`)), Attachments: []syncstore.AttachmentEdit{old}})[0]
	l.write(syncstore.Edit{ID: "a", Parent: first, Body: []byte(long(`,"n":1`)), Attachments: []syncstore.AttachmentEdit{
		{Name: "old", Stub: true}, l.attach("hello.txt", "hello world"),
	}})
	whole := string(l.connect(protocol3).updated(first.String()).Body)
	require.Contains(t, whole, `"_attachments":{"hello.txt":`)

	c := l.connect(protocol3)
	rev := c.updated(first.String(), "deltas", "true")
	require.NotContains(t, string(rev.Body), "old")
	require.NotContains(t, string(rev.Body), "text\"")
	base := `{"_attachments":{"old":{"content_type":"text/plain","digest":"` + old.Digest + `","length":3,"revpos":1,"stub":true}},` + long(`,"n":1`)[1:]
	applied, err := delta.Apply([]byte(base), rev.Body)
	require.NoError(t, err)
	require.JSONEq(t, whole, string(applied))
	require.Equal(t, "hello world", string(c.must("getAttachment", "", "docID", "a", "digest", helloDigest).Body))
	rev.Refuse("HTTP", 422, "no")
	rev = c.rev() // the whole one allows its attachments too
	require.False(t, rev.NoReply)
	require.Equal(t, "hello world", string(c.must("getAttachment", "", "docID", "a", "digest", helloDigest).Body))
	answer(rev, "")
}
