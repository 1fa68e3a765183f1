package lite

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestOutletsGoToWhoWaitsLongest(t *testing.T) {
	t.Parallel()
	var o outlets
	var began []int
	for i := range 3 * maxOutlets {
		o.take(func() { began = append(began, i) })
	}
	require.Len(t, began, maxOutlets)
	for next := o.give(); next != nil; next = o.give() {
		next()
	}
	require.Len(t, began, 3*maxOutlets)
	require.IsIncreasing(t, began)
	for range maxOutlets - 1 {
		require.Nil(t, o.give())
	}
	require.Zero(t, o.open)
}

// More attachments than are sent at once, some of them not there: all are answered.
func TestManyAttachmentsAtOnceAreAllSent(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	var text strings.Builder
	for text.Len() < 300_000 {
		text.WriteByte(byte('a' + rand.IntN(26)))
	}
	l.write(syncstore.Edit{ID: "ra", Attachments: []syncstore.AttachmentEdit{l.attach("a", text.String())}})
	c := l.connect(protocol3)
	c.must("subChanges", "")
	q, _ := c.changes()
	answer(q, "[[]]")
	c.caughtUp()
	rev := c.rev()
	type result struct {
		response *blip.Response
		err      error
	}
	const n = 4 * maxOutlets
	results := make(chan result, n)
	for range n {
		m := message("getAttachment", "", "docID", "ra", "digest", digestOf(text.String()))
		require.NoError(t, c.conn.Start(c.ctx, m, func(r *blip.Response, err error) { results <- result{r, err} }))
	}
	for range n {
		got := <-results
		require.NoError(t, got.err)
		require.Len(t, got.response.Body, text.Len())
	}
	answer(rev, "")
	c.close()
}

// A client may leave the attachments that it is sent unacknowledged, and so have others wait for ever.
func TestAttachmentsOfWhichNoAnswerIsWantedWaitForNoOutlet(t *testing.T) {
	t.Parallel()
	r := &replication{server: New(Config{}), version: protocol3, ctx: t.Context()}
	ks := newKeyspace(r, nil, -1)
	attachment := syncstore.Attachment{Name: "f"}
	r.allowed.add(ks, "doc", []syncstore.Attachment{attachment})
	r.outlets.open = maxOutlets
	q := &blip.Request{Properties: blip.Properties{{Name: "docID", Value: "doc"}, {Name: "digest", Value: attachment.Content.SHA1Digest()}}}
	require.NoError(t, r.getAttachment(ks, q))
	require.Len(t, r.outlets.waiting, 1)
	q.NoReply = true
	require.NoError(t, r.getAttachment(ks, q))
	require.Len(t, r.outlets.waiting, 1)
}
