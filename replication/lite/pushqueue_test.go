package lite

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// Many revisions that come at once are all written, those of one document in their order.
func TestManyRevsAreWrittenInOrder_row43_row48(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	const docs, gens = 100, 10
	var answered sync.WaitGroup
	for gen := 1; gen <= gens; gen++ {
		for i := range docs {
			history := ""
			if gen > 1 {
				history = treeRev(gen-1, "a")
			}
			answered.Add(1)
			m := message("rev", fmt.Sprintf(`{"gen":%d}`, gen), "id", fmt.Sprint(i), "rev", treeRev(gen, "a"), "history", history)
			require.NoError(t, c.conn.Start(c.ctx, m, func(_ *blip.Response, err error) {
				if err != nil {
					t.Error(err)
				}
				answered.Done()
			}))
		}
	}
	answered.Wait()
	for i := range docs {
		doc := l.get(fmt.Sprint(i))
		require.Len(t, doc.History, gens)
		require.Equal(t, `{"gen":10}`, string(doc.Body))
	}
	require.EqualValues(t, docs*gens, l.counters.DocumentsPushed.Load())
}

func TestRevsOfSeveralCollectionsAtOnce_row16(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	_, err := l.db.OpenCollection(l.ctx, "s", "one")
	require.NoError(t, err)
	_, err = l.db.OpenCollection(l.ctx, "s", "two")
	require.NoError(t, err)
	c := l.connect(protocol3)
	c.must("getCollections", `{"checkpoint_ids":["a","b"],"collections":["s.one","s.two"]}`)
	var answered sync.WaitGroup
	for i := range 200 {
		answered.Add(1)
		m := message("rev", fmt.Sprintf(`{"n":%d}`, i), "id", fmt.Sprint(i/2), "rev", treeRev(1, "a"), "collection", fmt.Sprint(i%2))
		require.NoError(t, c.conn.Start(c.ctx, m, func(_ *blip.Response, err error) {
			if err != nil {
				t.Error(err)
			}
			answered.Done()
		}))
	}
	answered.Wait()
	for i, name := range []string{"one", "two"} {
		coll, _ := l.db.Collection("s", name)
		doc, err := coll.Get(l.ctx, "50", syncstore.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf(`{"n":%d}`, 100+i), string(doc.Body))
	}
}

// A peer that sends revisions and wants no answers is held to a bound of its own.
func TestRevsThatWantNoAnswerAreBounded(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	release := make(chan struct{})
	l.coll().SetPolicy(syncstore.Policy{Version: "1", Evaluator: evaluator(func(context.Context, syncstore.Evaluation) (syncstore.Outcome, error) {
		<-release
		return syncstore.Outcome{}, nil
	})})
	defer close(release)
	for _, flood := range []struct {
		revs    int
		history string
	}{
		{maxUnwanted + 10, ""},
		{maxUnwantedBytes/(90<<10) + 20, strings.Repeat(" ", 90<<10)}, // as properties deflate, too
	} {
		c := l.connect(protocol3)
		for range flood.revs {
			if c.conn.Send(c.ctx, message("rev", `{}`, "id", "doc", "rev", treeRev(1, "a"), "history", flood.history)) != nil {
				break
			}
		}
		select {
		case <-c.conn.Done():
		case <-time.After(waitFor):
			require.Fail(t, "the connection goes on")
		}
	}
}

// A device that has pushed thousands of documents may be connected for days after that: nothing is kept
// for them.
func TestAnIdlePushQueueKeepsNothing(t *testing.T) {
	t.Parallel()
	r := &replication{server: New(Config{}), logger: zap.NewNop(), ctx: t.Context(), version: protocol3}
	r.peer.setDefaults()
	r.push.init(r)
	ks := newKeyspace(r, nil, -1)
	for i := range 100 {
		id := blip.Property{Name: "id", Value: fmt.Sprint(i)}
		r.push.take(&push{ks: ks, id: id.Value, q: &blip.Request{NoReply: true, Properties: blip.Properties{id, {Name: "rev", Value: "bad"}}}})
	}
	r.push.all.Wait()
	require.Nil(t, r.push.behind)
	require.Nil(t, r.push.ready)
	require.Zero(t, r.push.unwanted)
}

// Thousands of pushes may wait for attachments, or for a second judgement. A hundred bytes of history may
// make up a thousand ancestors of each.
func TestAPushThatWaitsHoldsNoHistory(t *testing.T) {
	t.Parallel()
	r := &replication{server: New(Config{}), logger: zap.NewNop(), ctx: t.Context(), version: protocol3}
	r.peer.setDefaults()
	r.push.init(r)
	r.push.fetching = maxFetching
	body, history := []byte(withFile("text", 1)), treeRev(1, "a")
	p := &push{id: "doc", anew: true, q: &blip.Request{
		Properties: blip.Properties{{Name: "rev", Value: treeRev(1000, "b")}, {Name: "history", Value: history}}, Body: body,
	}}
	r.push.writeBatch([]*push{p})
	require.Equal(t, []*push{p}, r.push.fetchable)
	require.Nil(t, p.edit.History)

	p.edit.Attachments = []syncstore.AttachmentEdit{{}} // are here
	wait, err := p.prepare(r)
	require.NoError(t, err)
	require.False(t, wait)
	require.Len(t, p.edit.History, 1000)
	require.True(t, r.push.judgeAgain(p, &pushBatch{number: 1, beside: true}))
	require.Nil(t, p.edit.History)

	revs, err := treeHistory(treeRev(1000, "b"), strings.Repeat(",", 90<<10)+history)
	require.NoError(t, err)
	require.Len(t, revs, 1000)
	require.LessOrEqual(t, cap(revs), 2*syncstore.DefaultRevisions)
}

func TestAPushThatWaitedIsWrittenWithItsHistory(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	c := l.connect(protocol3)
	c.serve("text")
	c.push("doc", treeRev(3, "c"), withFile("text", 1), "history", treeRev(2, "b")+","+treeRev(1, "a"))
	require.Equal(t, parsed(t, treeRev(3, "c"), treeRev(2, "b"), treeRev(1, "a")), l.get("doc").History)
}

func TestADamagedDocumentDoesNotHoldUpThePushOfOthers(t *testing.T) {
	t.Parallel()
	eng := &failing{Engine: memory.New()}
	l := newLoopbackOn(t, eng, nil)
	l.edit("bad", `{}`, l.edit("bad", `{}`, "")) // has an ancestry, which is read for each write
	damage := func(_, value []byte) ([]byte, error) { return value[:len(value)-1], nil }
	eng.get.Store(&damage)
	c := l.connect(protocol3)
	row := func(id string) string { return `["` + id + `","` + treeRev(1, "a") + `"]` }
	require.Equal(t, "[]", string(c.must("proposeChanges", `[`+row("bad")+`,`+row("a")+`]`).Body))
	answers := make(chan error, 3)
	for _, id := range []string{"a", "bad", "b"} {
		m := message("rev", `{}`, "id", id, "rev", treeRev(1, "a"))
		require.NoError(t, c.conn.Start(c.ctx, m, func(_ *blip.Response, err error) { answers <- err }))
	}
	refused := 0
	for range 3 {
		if err := <-answers; err != nil {
			var refusal *blip.PeerError
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, 500, refusal.Code, "by which the client gives it up: by 503 it would connect and send it for ever")
			refused++
		}
	}
	require.Equal(t, 1, refused)
	select {
	case err := <-c.ended:
		require.Fail(t, "the connection ended", "%v", err)
	case <-time.After(dropAfter + dropAfter/4):
	}
}

// A list and its items are pushed together, and the items were judged before the list was there.
func TestAPushIsNotRefusedForWhatAnotherOneBesideItBrings(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, func(p *Peer) { p.Viewer = &syncstore.Viewer{Name: "alice"} })
	listed, refused := make(chan struct{}), make(chan struct{})
	var once sync.Once
	l.coll().SetPolicy(syncstore.Policy{Version: "1", Evaluator: evaluator(func(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
		if write.New.ID == "list" {
			close(listed)
			<-refused
			return syncstore.Outcome{Channels: []string{"list"}, Grants: []syncstore.Grant{{Principal: "alice", Channel: "list"}}}, nil
		}
		if !write.Writer.HasChannel("list") || write.New.ID == "never" {
			once.Do(func() { close(refused) })
			return syncstore.Outcome{}, &access.RejectionError{Status: 403, Reason: "no list"}
		}
		return syncstore.Outcome{Channels: []string{"list"}}, nil
	})})
	c := l.connect(protocol3)
	answers := make(chan error, 3)
	for _, id := range []string{"list", "item", "never"} {
		m := message("rev", `{}`, "id", id, "rev", treeRev(1, "a"))
		require.NoError(t, c.conn.Start(c.ctx, m, func(_ *blip.Response, err error) { answers <- err }))
		if id == "list" {
			<-listed
		}
	}
	var refusals []error
	for range 3 {
		if err := <-answers; err != nil {
			refusals = append(refusals, err)
		}
	}
	var refusal *blip.PeerError
	require.Len(t, refusals, 1)
	require.ErrorAs(t, refusals[0], &refusal)
	require.Equal(t, 403, refusal.Code)
	require.Equal(t, `{}`, string(l.get("item").Body))
}
