package peer_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// A revision that was refused for the user, or in the channels, that a replication is limited to, is asked for by its
// name: what came after it may be for others.
func TestWhatIsTriedAgainStaysWithinTheChannels(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	var mended atomic.Bool
	there.db.Default().SetPolicy(syncstore.Policy{Evaluator: strict{&mended}, Version: "1"})
	here.bulk(`{"_id":"a","_rev":"1-a","bad":true,"channels":["a"]}`)
	o := here.to(peer.Push, there.admin)
	o.Channels = []string{"a"}
	_, status := run(t, o)
	require.Equal(t, 1, status.LeftBehind)
	here.put("/a?rev=1-a", `{"channels":["secret"]}`)
	mended.Store(true)
	_, status = run(t, o)
	require.Zero(t, status.LeftBehind)
	require.NotContains(t, there.content(), "secret")

	for _, limit := range []func(*peer.Options){
		func(o *peer.Options) { o.Channels = []string{"a"} },
		func(o *peer.Options) { o.Selector = []byte(`{"_id":{"$gte":"c"}}`) },
	} {
		here, there, _, _, mended := refusing(t, peer.Pull)
		there.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
		there.bulk(`{"_id":"c","_rev":"1-c","bad":true,"channels":["a"]}`, `{"_id":"d","_rev":"1-d","channels":["a"]}`)
		o := here.to(peer.Pull, there.admin)
		limit(&o)
		_, status := run(t, o)
		require.NotZero(t, status.Failures)
		require.Zero(t, status.LeftBehind)
		require.NotContains(t, here.content(), "c 1-c")
		mended.Store(true)
		_, status = run(t, o)
		require.Zero(t, status.Failures)
		require.Contains(t, here.content(), "c 1-c")
		require.NotContains(t, here.content(), "a 1-a")
		result, _ := run(t, o)
		require.True(t, result.NoChanges)
	}
}

// A target keeps a checkpoint in which whoever writes to it may name what is not for it.
func TestWhatATargetRemembersIsAmongTheDocumentsThatItIsGiven(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.bulk(`{"_id":"a","_rev":"1-a"}`, `{"_id":"secret","_rev":"1-a"}`)
	push, relay := from.to(peer.Push, to.admin), between(t, from, to)
	for _, o := range []peer.Options{push, relay} {
		o.DocIDs = []string{"a"}
		run(t, o)
		path, text := to.checkpointOf(o)
		status, text := to.ask(http.MethodPut, path, strings.TrimRight(text, "}\n")+`,"left_behind":[{"id":"secret","rev":"1-a"}]}`)
		require.Equal(t, http.StatusCreated, status, text)
		run(t, o)
		require.Equal(t, "a 1-a {} 1-a", to.content())
	}
}

// By another policy the same revision may be in other channels.
func TestWhatIsTriedAgainIsStillInTheChannels(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	var mended atomic.Bool
	there.db.Default().SetPolicy(syncstore.Policy{Evaluator: strict{&mended}, Version: "1"})
	here.bulk(`{"_id":"a","_rev":"1-a","bad":true,"channels":["a"]}`, `{"_id":"deleted","_rev":"1-a","channels":["a"]}`)
	o := here.to(peer.Push, there.admin)
	o.Channels = []string{"a"}
	run(t, o)
	here.bulk(`{"_id":"deleted","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"_deleted":true,"bad":true}`)
	_, status := run(t, o)
	require.Equal(t, 2, status.LeftBehind)
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: hiding{}, Version: "2"})
	require.NoError(t, here.db.Default().StartResync(t.Context()))
	eventually(t, func() bool {
		s, err := here.db.Default().ResyncStatus(t.Context())
		return err == nil && s.State != syncstore.ResyncRunning
	})
	mended.Store(true)
	run(t, o)
	require.Equal(t, `deleted 2-b {"bad":true} deleted 2-b 1-a`, there.content())
}

// hiding is a policy that has all in one channel.
type hiding struct{}

func (hiding) Evaluate(context.Context, syncstore.Evaluation) (o syncstore.Outcome, err error) {
	o.Channels = []string{"secret"}
	return o, nil
}
