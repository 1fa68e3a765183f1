package lite

import (
	"context"
	"testing"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// What a revision keeps may be out of the writer's sight by the time it is written: then the
// client sends it, as if the document had never had it.
func TestAttachmentThatIsLostMeanwhileIsFetched(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.Viewer = &syncstore.Viewer{Name: "alice"} })
	l.coll().SetPolicy(syncstore.Policy{Version: "1", Evaluator: evaluator(func(context.Context, syncstore.Evaluation) (syncstore.Outcome, error) {
		return syncstore.Outcome{Channels: []string{"c1"}}, nil
	})})
	give := func(given ...syncstore.Given) {
		require.NoError(t, l.store.Records().Update(l.ctx, func(tx syncstore.RecordTx) error {
			tx.SetGrants(l.db.ID(), "alice", syncstore.GrantedByAdmin, given)
			return nil
		}))
	}
	give(syncstore.Given{Channel: "c1"})
	c := l.connect(protocol3)
	b := c.serve("kept", "")
	c.push("doc", treeRev(1, "a"), withFile("kept", 1))
	require.EqualValues(t, 1, b.gets.Load())

	held := make(chan *blip.Request, 1)
	c.on("getAttachment", func(q *blip.Request) { held <- q })
	answered := make(chan error, 1)
	body := `{"_attachments":{"blob_/file":` + stub("kept", 2) + `,"empty":` + stub("", 2) + `}}`
	require.NoError(t, c.conn.Start(c.ctx, message("rev", body, "id", "doc", "rev", treeRev(2, "b"), "history", treeRev(1, "a")),
		func(_ *blip.Response, err error) { answered <- err }))
	q := <-held
	require.Equal(t, digestOf(""), q.Properties.Value("digest"), "the other is kept")
	give()
	c.serve("kept", "")
	q.Reply(&blip.Message{})
	require.NoError(t, <-answered)
	text, a := l.content("doc", "blob_/file")
	require.Equal(t, "kept", text)
	require.EqualValues(t, 2, a.RevPos)
	text, _ = l.content("doc", "empty")
	require.Empty(t, text)
}
