package peer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// byBody is a policy: documents name their channels, and only administrators write locked ones.
type byBody struct{}

var errLocked = errors.New("it is locked")

func (byBody) Evaluate(_ context.Context, write syncstore.Evaluation) (o syncstore.Outcome, err error) {
	var body struct {
		Channels []string
		Locked   bool
	}
	if err := json.Unmarshal(write.New.Body, &body); err != nil {
		return o, err
	}
	if body.Locked && write.Writer != nil {
		return o, fmt.Errorf("%w: %w", syncstore.ErrRejected, errLocked)
	}
	o.Channels = body.Channels
	return o, nil
}

// inChannels are documents in channels.
var inChannels = []string{
	`{"_id":"a","_rev":"1-a","channels":["a"]}`, `{"_id":"b","_rev":"1-a","channels":["b"]}`,
	`{"_id":"all","_rev":"1-a","channels":["!"],"locked":true}`,
}

func TestReplicationOfChannels(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		t.Run(string(direction), func(t *testing.T) {
			t.Parallel()
			here, there := newServer(t), newServer(t)
			from, to := there, here
			if direction == peer.Push {
				from, to = here, there
			}
			from.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
			from.bulk(inChannels...)
			o := here.to(direction, there.admin)
			o.Channels = []string{"b"}
			_, status := run(t, o)
			require.EqualValues(t, 1, status.Written)
			require.Contains(t, to.content(), "b 1-a")
		})
	}
}

// As a user, a replication gives what the user sees, and writes what the user may.
func TestReplicationAsAUser(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	status, text := here.ask(http.MethodPut, "/_user/alice", `{"password":"correct horse","admin_channels":["a"]}`)
	require.Equal(t, http.StatusCreated, status, text)
	here.bulk(inChannels...)
	o := here.to(peer.Push, there.admin)
	o.Viewer = &syncstore.Viewer{Name: "alice"}
	_, done := run(t, o)
	require.EqualValues(t, 2, done.Written)
	require.NotContains(t, there.content(), "b 1-a")

	there.bulk(`{"_id":"mine","_rev":"1-a","channels":["a"]}`, `{"_id":"locked","_rev":"1-a","channels":["a"],"locked":true}`)
	o = here.to(peer.Pull, there.admin)
	o.Viewer = &syncstore.Viewer{Name: "alice"}
	_, done = run(t, o)
	require.EqualValues(t, 1, done.Failures)
	require.Contains(t, here.content(), "mine 1-a")
	require.NotContains(t, here.content(), "locked 1-a")
}

// What a document becomes outside of the channels is not for who is given these.
func TestADocumentThatLeavesTheChannelsIsNotReplicatedAndADeletionIs(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		t.Run(string(direction), func(t *testing.T) {
			t.Parallel()
			here, there := newServer(t), newServer(t)
			from, to := there, here
			if direction == peer.Push {
				from, to = here, there
			}
			from.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
			from.bulk(
				`{"_id":"left","_rev":"1-a","channels":["b"]}`, `{"_id":"stays","_rev":"1-a","channels":["b"]}`,
				`{"_id":"deleted","_rev":"1-a","channels":["b"]}`,
			)
			o := here.to(direction, there.admin)
			o.Channels = []string{"b"}
			run(t, o)
			from.bulk(
				`{"_id":"left","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"channels":["hidden"],"secret":true}`,
				`{"_id":"stays","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"channels":["b","hidden"]}`,
				`{"_id":"deleted","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"_deleted":true}`,
			)
			_, status := run(t, o)
			require.EqualValues(t, 2, status.Written)
			require.Equal(t, "1-a", to.rev("left"))
			require.NotContains(t, to.content(), "secret")
			require.Equal(t, "2-b", to.rev("stays"))
			require.Contains(t, to.content(), "deleted 2-b {} deleted")
		})
	}
}

// failing is a policy that does not judge writes before it is mended.
type failing struct{ left *atomic.Int64 }

func (f failing) Evaluate(context.Context, syncstore.Evaluation) (syncstore.Outcome, error) {
	if f.left.Add(-1) >= 0 {
		return syncstore.Outcome{}, &access.RejectionError{Status: http.StatusInternalServerError, Reason: "JS sync function timed out"}
	}
	return syncstore.Outcome{}, nil
}

// What a sync function does not judge is not refused by it, as long as it may be mended.
func TestADocumentIsPulledWhenTheSyncFunctionIsMended(t *testing.T) {
	t.Parallel()
	for failures, given := range map[int64]bool{2: true, 1000: false} {
		here, there := newServer(t), newServer(t)
		there.bulk(`{"_id":"a","_rev":"1-a"}`)
		var left atomic.Int64
		left.Store(failures)
		here.db.Default().SetPolicy(syncstore.Policy{Evaluator: failing{&left}, Version: "1"})
		_, status := run(t, here.to(peer.Pull, there.admin))
		require.Equal(t, given, strings.Contains(here.content(), "a 1-a"))
		require.Equal(t, given, status.Failures == 0)
	}
}

// badFails is a policy with a mistake, that does not judge what is bad.
type badFails struct{}

func (badFails) Evaluate(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	if bytes.Contains(write.New.Body, []byte(`"bad":true`)) {
		return syncstore.Outcome{}, &access.RejectionError{Status: http.StatusInternalServerError, Reason: "JS sync function threw"}
	}
	return syncstore.Outcome{}, nil
}

// A sync function with a mistake fails on many.
func TestASyncFunctionThatFailsOnManyDoesNotKeepTheRestBack(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	var docs []string
	for n := range 20 {
		docs = append(docs, fmt.Sprintf(`{"_id":"bad%d","_rev":"1-a","bad":true}`, n), fmt.Sprintf(`{"_id":"good%d","_rev":"1-a"}`, n))
	}
	there.bulk(docs...)
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: badFails{}, Version: "1"})
	_, status := run(t, here.to(peer.Pull, there.admin))
	require.EqualValues(t, 20, status.Failures)
	require.EqualValues(t, 20, status.Written)
	require.LessOrEqual(t, there.times("POST /_bulk_get"), 4, "each session is one, and waits for up to five minutes")
}

// The same of a target.
func TestATargetThatFailsOnManyDoesNotKeepTheRestBack(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	var docs []string
	for n := range 20 {
		docs = append(docs, fmt.Sprintf(`{"_id":"bad%d","_rev":"1-a","bad":true}`, n), fmt.Sprintf(`{"_id":"good%d","_rev":"1-a"}`, n))
	}
	here.bulk(docs...)
	there.db.Default().SetPolicy(syncstore.Policy{Evaluator: badFails{}, Version: "1"})
	_, status := run(t, here.to(peer.Push, there.admin))
	require.EqualValues(t, 20, status.Failures)
	require.EqualValues(t, 20, status.Written)
	require.LessOrEqual(t, there.times("POST /_bulk_docs"), 4)
}

// inTheEnd is a policy that refuses something bad once, and fails twice on what is not.
type inTheEnd struct{ a, b *atomic.Int64 }

func (p inTheEnd) Evaluate(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	bad := bytes.Contains(write.New.Body, []byte(`"bad"`))
	if bad && p.a.Add(1) == 1 {
		return syncstore.Outcome{}, fmt.Errorf("%w: it is bad", syncstore.ErrRejected)
	}
	if !bad && p.b.Add(1) <= 2 {
		return syncstore.Outcome{}, &access.RejectionError{Status: http.StatusInternalServerError, Reason: "x"}
	}
	return syncstore.Outcome{}, nil
}

func TestLeftBehindCountsNothingThatIsHere(t *testing.T) {
	t.Parallel()
	for _, direction := range []peer.Direction{peer.Pull, peer.Push} {
		here, there, from, to, _ := refusing(t, direction)
		to.db.Default().SetPolicy(syncstore.Policy{Evaluator: inTheEnd{new(atomic.Int64), new(atomic.Int64)}, Version: "1"})
		_, status := run(t, here.to(direction, there.admin))
		require.Equal(t, from.content(), to.content())
		require.NotZero(t, status.Failures)
		require.Zero(t, status.LeftBehind)
	}
}
