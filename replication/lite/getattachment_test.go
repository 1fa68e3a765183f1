package lite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

const helloDigest = "sha1-Kq5sNclPz7QV2+lfQIuc6R7oRu0=" // of "hello world"

// attached tells a client of a document with an attachment, and returns its revision, which
// waits for the answer.
func attached(l *loopback, version protocol) (*client, *blip.Request) {
	l.write(syncstore.Edit{ID: "ra", Body: []byte(`{"n":1}`), Attachments: []syncstore.AttachmentEdit{l.attach("hello.txt", "hello world")}})
	c := l.connect(version)
	q, _ := c.followed()
	answer(q, "[[]]")
	c.caughtUp()
	return c, c.rev()
}

func TestAttachmentsAreFetchedWhileTheirRevisionIsTaken(t *testing.T) { // rows 64, 65, 68
	t.Parallel()
	for _, version := range []protocol{protocol2, protocol3, protocol4} {
		l := newLoopback(t, nil)
		c, rev := attached(l, version)
		require.False(t, rev.NoReply)
		require.Equal(t, `{"_attachments":{"hello.txt":{"content_type":"text/plain","digest":"`+helloDigest+
			`","length":11,"revpos":1,"stub":true}},"n":1}`, string(rev.Body), "as in the traces")
		props := []string{"digest", helloDigest, "compress", "true"}
		if version >= protocol3 {
			c.refused(400, "getAttachment", "", props...)
			c.refused(403, "getAttachment", "", append(props, "docID", "other")...)
			props = append(props, "docID", "ra")
		}
		require.Equal(t, "hello world", string(c.must("getAttachment", "", props...).Body))
		c.refused(400, "getAttachment", "", "docID", "ra")
		c.refused(403, "getAttachment", "", "docID", "ra", "digest", "sha1-nosuch")
		require.Equal(t, "hello world", string(c.must("getAttachment", "", append(props[:2:2], props[4:]...)...).Body), "as often as it likes")
		answer(rev, "")
		c.must("PING", "")
		c.refused(403, "getAttachment", "", props...)
	}
}

func TestAttachmentsOfARefusedRevisionAreNotGiven(t *testing.T) { // row 68
	t.Parallel()
	l := newLoopback(t, nil)
	c, rev := attached(l, protocol3)
	rev.Refuse("HTTP", 403, "validation")
	c.must("PING", "")
	c.refused(403, "getAttachment", "", "docID", "ra", "digest", helloDigest)
	l.edit("next", `{}`, "")
	require.Equal(t, []string{"next"}, c.pull(nil, "", "since", "1").ids(), "the connection goes on")
}

func TestDecision22_AttachmentsOfRESTAreNamedBySHA1(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	attachment := l.attach("a b/ü\"", "hello world")
	attachment.Digest, attachment.ContentType = attachment.Content.MD5Digest(), ""
	l.write(syncstore.Edit{ID: "ra", Attachments: []syncstore.AttachmentEdit{attachment, l.attach("z", "")}})
	rev := l.connect(protocol3).pull(nil, "").revs["ra"]
	require.Equal(t, `{"_attachments":{"a b/ü\"":{"digest":"`+helloDigest+`","length":11,"revpos":1,"stub":true},`+
		`"z":{"content_type":"text/plain","digest":"sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=","length":0,"revpos":1,"stub":true}}}`, string(rev.Body))
}

func TestSameContentInTwoDocuments(t *testing.T) { // row 65
	t.Parallel()
	for _, version := range []protocol{protocol2, protocol3} {
		l := newLoopback(t, nil)
		hello := []syncstore.AttachmentEdit{l.attach("f", "hello world"), l.attach("g", "hello world")}
		l.write(syncstore.Edit{ID: "a", Attachments: hello}, syncstore.Edit{ID: "b", Attachments: hello[:1]})
		c := l.connect(version)
		c.must("subChanges", "")
		q, _ := c.changes()
		answer(q, "[[],[]]")
		c.caughtUp()
		a, b := c.rev(), c.rev()
		answer(a, "")
		c.must("PING", "")
		require.Equal(t, "hello world", string(c.must("getAttachment", "", "docID", "b", "digest", helloDigest).Body))
		if version >= protocol3 {
			c.refused(403, "getAttachment", "", "docID", "a", "digest", helloDigest)
		}
		answer(b, "")
		c.must("PING", "")
		c.refused(403, "getAttachment", "", "docID", "b", "digest", helloDigest)
	}
}

func TestLargeAttachmentIsStreamedToTheClient(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	content := strings.Repeat("0123456789abcdef", 200_000) // 3.2 MB
	attachment := l.attach("big", content)
	l.write(syncstore.Edit{ID: "ra", Attachments: []syncstore.AttachmentEdit{attachment}})
	for _, compress := range []string{"true", "false"} {
		c := l.connect(protocol3)
		q, _ := c.followed()
		answer(q, "[[]]")
		c.caughtUp()
		rev := c.rev()
		response := c.must("getAttachment", "", "docID", "ra", "digest", attachment.Digest, "compress", compress)
		require.True(t, content == string(response.Body), "%d bytes", len(response.Body)) //nolint:testifylint // not to be printed
		answer(rev, "")
	}
}

func TestRevisionsThatWaitForAnswersAreBounded(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	hello := []syncstore.AttachmentEdit{l.attach("f", "hello world")}
	edits := docs(maxReplies+50, "d%03d")
	for i := range edits {
		edits[i].Attachments = hello
	}
	l.write(edits...)
	c := l.connect(protocol3)
	c.must("subChanges", "", "batch", "1000")
	q, rows := c.changes()
	answer(q, "["+strings.Repeat("[],", len(rows)-1)+"[]]")
	c.caughtUp()
	var waiting []*blip.Request
	for range maxReplies {
		waiting = append(waiting, c.rev())
	}
	c.quiet()
	for i := range 50 {
		answer(waiting[i], "")
	}
	for i := range 50 {
		require.Equal(t, fmt.Sprintf("d%03d", maxReplies+i), c.rev().Properties.Value("id"))
	}
}

func TestRevisionsWithManyAttachmentsAreBounded(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	hello := l.attach("", "hello world")
	many := make([]syncstore.AttachmentEdit, 2000)
	for i := range many {
		many[i] = hello
		many[i].Name = fmt.Sprint(i)
	}
	edits := docs(maxAttached/len(many)+1, "d%d")
	for i := range edits {
		edits[i].Attachments = many
	}
	l.write(edits...)
	c := l.connect(protocol3)
	c.must("subChanges", "")
	q, rows := c.changes()
	answer(q, "["+strings.Repeat("[],", len(rows)-1)+"[]]")
	c.caughtUp()
	first := c.rev()
	for range len(rows) - 2 {
		c.rev()
	}
	c.quiet()
	answer(first, "")
	c.rev()
}
