package lite

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// blobs are what a client has, by their digests, and a count of what it was asked.
type blobs struct {
	content      map[string]string
	gets, proofs atomic.Int32
}

// serve answers what the server asks about attachments as LiteCore does.
func (c *client) serve(contents ...string) *blobs {
	b := &blobs{content: make(map[string]string)}
	for _, content := range contents {
		b.content[digestOf(content)] = content
	}
	find := func(q *blip.Request) (string, bool) {
		content, ok := b.content[q.Properties.Value("digest")]
		if !ok {
			q.Refuse("LiteCore", 7, "not found")
		}
		return content, ok
	}
	c.on("getAttachment", func(q *blip.Request) {
		b.gets.Add(1)
		if content, ok := find(q); ok {
			q.Reply(&blip.Message{Body: []byte(content), Compressed: true})
		}
	})
	c.on("proveAttachment", func(q *blip.Request) {
		b.proofs.Add(1)
		if content, ok := find(q); ok {
			q.Reply(&blip.Message{Body: []byte(proof(q.Body, content))})
		}
	})
	return b
}

func digestOf(content string) string {
	sum := sha1.Sum([]byte(content))
	return "sha1-" + base64.StdEncoding.EncodeToString(sum[:])
}

func proof(nonce []byte, content string) string {
	return digestOf(string(rune(len(nonce))) + string(nonce) + content)
}

// stub is the member of _attachments that LiteCore writes of a blob.
func stub(content string, revpos int) string {
	pos := ""
	if revpos > 0 {
		pos = fmt.Sprintf(`,"revpos":%d`, revpos)
	}
	return fmt.Sprintf(`{"digest":%q,"length":%d,"content_type":"text/plain","stub":true%s}`, digestOf(content), len(content), pos)
}

func withFile(content string, revpos int) string {
	return `{"_attachments":{"blob_/file":` + stub(content, revpos) + `}}`
}

// content reads an attachment of a document's current revision.
func (l *loopback) content(id, name string) (string, syncstore.Attachment) {
	l.t.Helper()
	for _, a := range l.get(id).Attachments {
		if a.Name == name {
			reader, err := l.db.OpenContent(l.ctx, a.Content)
			require.NoError(l.t, err)
			text, err := io.ReadAll(reader)
			require.NoError(l.t, err)
			return string(text), a
		}
	}
	require.Fail(l.t, "no attachment", name)
	return "", syncstore.Attachment{}
}

// The messages are those of blip-traces/lite-3.2.2-attach.txt: an attachment, its removal, the
// same one again, and an edit of something else.
func TestAttachmentsOfRevTreeClients_row64_row66(t *testing.T) {
	t.Parallel()
	for _, version := range []protocol{protocol2, protocol3} {
		l := newLoopback(t, nil)
		c := l.connect(version)
		file := strings.Repeat("file", 3000)
		asked := make(chan blip.Properties, 1)
		b := c.serve(file)
		c.on("getAttachment", func(q *blip.Request) {
			b.gets.Add(1)
			asked <- q.Properties
			q.Reply(&blip.Message{Body: []byte(file), Compressed: true})
		})
		c.push("pa", treeRev(1, "a"), withFile(file, 1))
		expected := blip.Properties{{Name: "Profile", Value: "getAttachment"}, {Name: "digest", Value: digestOf(file)}, {Name: "compress", Value: "true"}}
		if version >= protocol3 {
			expected = append(expected, blip.Property{Name: "docID", Value: "pa"})
		}
		require.ElementsMatch(t, expected, <-asked)
		text, a := l.content("pa", "blob_/file")
		require.Equal(t, file, text)
		require.Equal(t, digestOf(file), a.Digest)
		require.Equal(t, "text/plain", a.ContentType)
		c.push("pa", treeRev(2, "b"), `{"nofile":1}`, "history", treeRev(1, "a"))
		require.Empty(t, l.get("pa").Attachments)
		require.EqualValues(t, 0, b.proofs.Load())
		c.push("pa", treeRev(3, "c"), withFile(file, 3), "history", treeRev(2, "b"))
		require.EqualValues(t, 1, b.proofs.Load(), "the document has it, if not in its current revision")
		c.push("pa", treeRev(4, "d"), withFile(file, 4), "history", treeRev(3, "c"))
		require.EqualValues(t, 1, b.proofs.Load(), "the current revision has it")
		require.EqualValues(t, 1, b.gets.Load())
		_, a = l.content("pa", "blob_/file")
		require.EqualValues(t, 3, a.RevPos)
	}
}

// The messages are those of blip-traces/lite-4.0.3-attach.txt.
func TestAttachmentsOfVersionClients_row66(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol4)
	c.must("getCollections", `{"checkpoint_ids":["a"],"collections":["_default"]}`)
	file, large := strings.Repeat("file", 3000), strings.Repeat("large", 1<<20)
	b := c.serve(file, large)
	push := func(seconds int, body string) {
		c.push("pa", versionAt(seconds, sourceX), body, "collection", "0")
	}
	push(1, withFile(file, 0))
	push(2, `{"nofile":1,"_attachments":{}}`)
	require.EqualValues(t, 0, b.proofs.Load())
	push(3, withFile(file, 0))
	require.EqualValues(t, 1, b.proofs.Load())
	push(4, withFile(file, 0))
	require.EqualValues(t, 2, b.proofs.Load(), "without revpos it is proved, even if the current revision has it")
	push(5, `{"_attachments":{"blob_/file":`+stub(file, 0)+`,"b":`+stub(large, 0)+`}}`)
	require.EqualValues(t, 2, b.gets.Load())
	require.EqualValues(t, 3, b.proofs.Load())
	push(6, `{"v":6,"_attachments":{"b":`+stub(large, 0)+`}}`)
	require.EqualValues(t, 3, b.proofs.Load(), "what is large and stays is not read again")
	text, _ := l.content("pa", "b")
	require.Equal(t, large, text)
	many := make([]string, 20)
	for i := range many {
		many[i] = fmt.Sprintf(`"photo%d":%s`, i, stub(fmt.Sprint("photo", i), 0))
		b.content[digestOf(fmt.Sprint("photo", i))] = fmt.Sprint("photo", i)
	}
	push(7, `{"_attachments":{`+strings.Join(many, ",")+`}}`)
	push(8, `{"v":8,"_attachments":{`+strings.Join(many, ",")+`}}`)
	require.EqualValues(t, 3+mostProvedKept, b.proofs.Load())
	require.Len(t, l.get("pa").Attachments, 20)
}

// As in blip-traces/lite-3.2.2-dedup.txt: another document's content proves nothing.
func TestSameAttachmentInTwoDocuments_row65(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	b := c.serve("same")
	c.push("b-1", treeRev(1, "a"), withFile("same", 1))
	c.push("b-2", treeRev(1, "a"), withFile("same", 1))
	require.EqualValues(t, 2, b.gets.Load())
	require.EqualValues(t, 0, b.proofs.Load())
	c.push("b-3", treeRev(1, "a"), `{"_attachments":{"x":`+stub("same", 1)+`,"y":`+stub("same", 1)+`}}`)
	require.EqualValues(t, 3, b.gets.Load(), "one revision asks for it once")
}

func TestAttachmentUnderAnotherName_row70(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	b := c.serve("text")
	c.push("doc", treeRev(1, "a"), withFile("text", 1))
	c.push("doc", treeRev(2, "b"), `{"_attachments":{"renamed":`+stub("text", 1)+`}}`, "history", treeRev(1, "a"))
	require.EqualValues(t, 1, b.gets.Load())
	require.EqualValues(t, 1, b.proofs.Load())
	_, a := l.content("doc", "renamed")
	require.EqualValues(t, 2, a.RevPos)
	// Another content under the known name, with a revpos that says otherwise.
	b.content[digestOf("other")] = "other"
	c.push("doc", treeRev(3, "c"), `{"_attachments":{"renamed":`+stub("other", 1)+`}}`, "history", treeRev(2, "b"))
	require.EqualValues(t, 2, b.gets.Load())
}

func TestAttachmentOfAPrunedAncestor_row67(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	b := c.serve("text")
	c.push("doc", treeRev(40, "a"), withFile("text", 1), "history", treeRev(39, "a"))
	require.EqualValues(t, 1, b.gets.Load())
	_, a := l.content("doc", "blob_/file")
	require.EqualValues(t, 40, a.RevPos)
}

// What REST attached is kept, by the digest that a client was told (row 69, row 71).
func TestAttachmentFromElsewhereIsKept(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	edit := replicated(t, "doc", `{}`, treeRev(1, "a"))
	edit.Attachments = []syncstore.AttachmentEdit{l.attach("note.txt", "by REST")}
	edit.Attachments[0].Digest = "" // the MD5 form
	l.write(edit)
	c := l.connect(protocol3)
	b := c.serve()
	c.push("doc", treeRev(2, "b"), `{"v":2,"_attachments":{"note.txt":`+stub("by REST", 1)+`}}`, "history", treeRev(1, "a"))
	require.EqualValues(t, 0, b.gets.Load()+b.proofs.Load())
	text, a := l.content("doc", "note.txt")
	require.Equal(t, "by REST", text)
	require.True(t, strings.HasPrefix(a.Digest, "md5-"), "REST goes on showing the digest that its writer named (DECISIONS 22)")
}

func TestAttachmentInTheBody_row69(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	large := strings.Repeat("large ", 100_000)
	c.push("doc", treeRev(1, "a"), `{"_attachments":{"hello":{"content_type":"text/plain","data":"aGVsbG8="},"large":{"data":"`+
		base64.StdEncoding.EncodeToString([]byte(large))+`","digest":"`+digestOf(large)+`","length":600000}}}`)
	text, a := l.content("doc", "hello")
	require.Equal(t, "hello", text)
	require.Equal(t, digestOf("hello"), a.Digest)
	text, _ = l.content("doc", "large")
	require.Equal(t, large, text)
}

func TestAttachmentsInsideOfTheBodyAreData_row72(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	body := `{"deep":{"_attachments":{"a":{"stub":true,"digest":"sha1-x"}}}}`
	c.push("doc", treeRev(1, "a"), body)
	require.Equal(t, body, string(l.get("doc").Body))
}

func TestAttachmentsThatAreNotWhatTheySay(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.MaxAttachment = 1000 })
	c := l.connect(protocol3)
	answer := func(content string) {
		c.on("getAttachment", func(q *blip.Request) { q.Reply(&blip.Message{Body: []byte(content)}) })
	}
	refused := func(code int, body, says string) {
		t.Helper()
		require.Contains(t, c.refused(code, "rev", body, "id", "doc", "rev", treeRev(1, "a")), says)
	}
	without := `{"_attachments":{"f":{"stub":true,"digest":"` + digestOf("text") + `"}}}`
	answer("tex")
	refused(400, withFile("text", 1), "shorter")
	answer("texts")
	refused(400, withFile("text", 1), "longer")
	answer("txet")
	refused(400, withFile("text", 1), "digest")
	refused(400, without, "digest")
	answer(strings.Repeat("x", 1001))
	refused(413, without, "too large")
	refused(413, withFile(strings.Repeat("x", 1001), 1), "too large")
	c.on("getAttachment", func(q *blip.Request) { q.Refuse("LiteCore", 7, "not found") })
	refused(404, without, "missing")
	c.on("getAttachment", func(q *blip.Request) { q.Refuse("POSIX", 5, "I/O error") })
	refused(400, without, "not sent")
	for _, digest := range []string{`sha1-\u0000`, strings.Repeat("x", 200<<10)} {
		refused(400, `{"_attachments":{"f":{"stub":true,"digest":"`+digest+`"}}}`, "cannot be") // nor be asked for
	}
	_, err := l.coll().Get(l.ctx, "doc", syncstore.GetOptions{})
	require.ErrorIs(t, err, syncstore.ErrNotFound)
	answer("text")
	c.push("doc", treeRev(1, "a"), without)
}

func TestWrongProofIsRefused(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	b := c.serve("text")
	c.push("doc", treeRev(1, "a"), withFile("text", 1))
	renamed := `{"_attachments":{"b":` + stub("text", 1) + `}}`
	c.on("proveAttachment", func(q *blip.Request) {
		require.Len(t, q.Body, nonceSize)
		q.Reply(&blip.Message{Body: []byte(proof(q.Body, "test"))})
	})
	c.refused(403, "rev", renamed, "id", "doc", "rev", treeRev(2, "b"), "history", treeRev(1, "a"))
	c.on("proveAttachment", func(q *blip.Request) { q.Refuse("BLIP", 404, "No handler for BLIP request") })
	c.push("doc", treeRev(2, "b"), renamed, "history", treeRev(1, "a"))
	require.EqualValues(t, 2, b.gets.Load(), "a client that cannot prove it sends it")
}

// A digest alone gets at nothing: neither at what another document has, nor at what another
// user's revision of the same document has (DECISIONS 22).
func TestDecision22_DigestsOfWhatOneMayNotReadAreFetched(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.Viewer = &syncstore.Viewer{Name: "mallory"} })
	l.coll().SetPolicy(syncstore.Policy{Version: "1", Evaluator: evaluator(func(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
		if strings.Contains(string(write.New.Body), "public") {
			return syncstore.Outcome{Channels: []string{syncstore.PublicChannel}}, nil
		}
		return syncstore.Outcome{Channels: []string{"private"}}, nil
	})})
	edit := replicated(t, "doc", `{}`, treeRev(1, "a"))
	edit.Attachments = []syncstore.AttachmentEdit{l.attach("blob_/file", "secret")}
	l.write(edit)
	for _, version := range []protocol{protocol3, protocol4} {
		c := l.connect(version)
		b := c.serve()
		for _, id := range []string{"doc", "mine"} {
			c.refused(404, "rev", `{"public":1,"_attachments":{"blob_/file":`+stub("secret", 1)+`}}`,
				"id", id, "rev", treeRev(2, "b"), "history", treeRev(1, "a"))
		}
		require.EqualValues(t, 2, b.gets.Load())
		require.EqualValues(t, 0, b.proofs.Load())
		c.close()
	}
}

// Revisions that wait for attachments do not hold up others, nor do they wait for each other.
func TestRevThatWaitsForAnAttachmentHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	var answers []chan error
	for i := range 2 * maxFetching {
		answered := make(chan error, 1)
		answers = append(answers, answered)
		m := message("rev", withFile(fmt.Sprint("file", i), 1), "id", fmt.Sprint("doc", i), "rev", treeRev(1, "a"))
		require.NoError(t, c.conn.Start(c.ctx, m, func(_ *blip.Response, err error) { answered <- err }))
	}
	var asked []*blip.Request
	for range maxFetching {
		asked = append(asked, c.request())
	}
	c.push("other", treeRev(1, "a"), `{}`)
	c.push("kept", treeRev(1, "a"), `{}`)
	contents := make(map[string]string)
	for i := range answers {
		contents[digestOf(fmt.Sprint("file", i))] = fmt.Sprint("file", i)
	}
	for n := range answers {
		q := asked[n]
		q.Reply(&blip.Message{Body: []byte(contents[q.Properties.Value("digest")])})
		if n < maxFetching {
			asked = append(asked, c.request())
		}
	}
	for _, answered := range answers {
		require.NoError(t, <-answered)
	}
}

func TestNextRevOfADocumentWaitsForItsAttachment(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	answers := make(chan error, 2)
	done := func(_ *blip.Response, err error) { answers <- err }
	require.NoError(t, c.conn.Start(c.ctx, message("rev", withFile("one", 1), "id", "doc", "rev", treeRev(1, "a")), done))
	require.NoError(t, c.conn.Start(c.ctx, message("rev", `{"v":2}`, "id", "doc", "rev", treeRev(2, "b"), "history", treeRev(1, "a")), done))
	q := c.request()
	require.Empty(t, answers)
	q.Reply(&blip.Message{Body: []byte("one")})
	require.NoError(t, <-answers)
	require.NoError(t, <-answers)
	require.Equal(t, `{"v":2}`, string(l.get("doc").Body))
	require.Len(t, l.get("doc").History, 2)
}

// When the connection ends, nothing of it goes on: goleak finds what does.
func TestConnectionEndsWhileAttachmentsAreAwaited(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	for i := range 20 {
		m := message("rev", withFile("one", 1), "id", fmt.Sprint(i), "rev", treeRev(1, "a"))
		require.NoError(t, c.conn.Start(c.ctx, m, func(*blip.Response, error) {}))
	}
	c.request()
	c.conn.Drop(io.ErrUnexpectedEOF)
	<-c.conn.Done()
	require.Eventually(t, func() bool { return l.counters.Active.Load() == 0 }, waitFor, time.Millisecond)
}

func TestLargeAttachmentOfAPushIsStreamed(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // 8 MiB
	c.on("getAttachment", func(q *blip.Request) {
		q.Reply(&blip.Message{Stream: io.NopCloser(bytes.NewReader(content))})
	})
	c.push("doc", treeRev(1, "a"), withFile(string(content), 1))
	_, a := l.content("doc", "blob_/file")
	require.EqualValues(t, len(content), a.Content.Length)
}
