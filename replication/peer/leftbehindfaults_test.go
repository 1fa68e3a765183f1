package peer_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// A revision that ends every session that asks for it must not end each at its beginning.
func TestWhatIsTriedAgainDoesNotStopTheRest(t *testing.T) {
	t.Parallel()
	here, there, from, to, _ := refusing(t, peer.Push)
	run(t, here.to(peer.Push, there.admin))
	there.meddleWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/large") {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	from.bulk(`{"_id":"new","_rev":"1-a"}`)
	o := here.to(peer.Push, there.admin)
	_, status := run(t, o)
	require.Equal(t, 4, status.LeftBehind)
	require.Contains(t, to.content(), "new 1-a")
}

// One that breaks whatever asks for it must not keep the others from being tried.
func TestOneThatBreaksWhatIsTriedAgainKeepsNoOthersBack(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	var mended atomic.Bool
	there.db.Default().SetPolicy(syncstore.Policy{Evaluator: strict{&mended}, Version: "1"})
	large := base64.StdEncoding.EncodeToString(make([]byte, 100<<10))
	here.bulk(`{"_id":"a","_rev":"1-a","bad":true,"_attachments":{"a":{"content_type":"text/plain","data":"`+large+`"}}}`, `{"_id":"b","_rev":"1-b","bad":true}`)
	run(t, here.to(peer.Push, there.admin))
	mended.Store(true)
	there.meddleWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/a") {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	for range 30 {
		run(t, here.to(peer.Push, there.admin))
	}
	require.Contains(t, there.content(), "b 1-b")
}

// unauthorized are two servers of which the one here left a document behind, and the source answers 401 when it is
// asked for the document's attachment.
func unauthorized(t *testing.T) (here, there *server) {
	t.Helper()
	here, there = newServer(t), newServer(t)
	var mended atomic.Bool
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: strict{&mended}, Version: "1"})
	there.bulk(`{"_id":"a","_rev":"1-a","bad":true,"_attachments":{"a":{"content_type":"text/plain","data":"eA=="}}}`)
	run(t, here.to(peer.Pull, there.admin))
	there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/a/a") {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	})
	return here, there
}

// What is refused in a way that does not pass would end a replication at its beginning, and any after it.
func TestWhatIsTriedAgainDoesNotFailAReplication(t *testing.T) {
	t.Parallel()
	here, there := unauthorized(t)
	there.bulk(`{"_id":"b","_rev":"1-b"}`)
	_, status := run(t, here.to(peer.Pull, there.admin))
	require.Equal(t, 1, status.LeftBehind)
	require.Contains(t, here.content(), "b 1-b")
}

// What is tried again seldom, and breaks the connection each time, fails once each time.
func TestFailuresInARowBeginAnewWhenAllIsReplicated(t *testing.T) {
	t.Parallel()
	here, there := unauthorized(t)
	core, logs := observer.New(zap.WarnLevel)
	o := here.to(peer.Pull, there.admin)
	o.Logger = zap.New(core)
	start(t, o)
	failures := func() []observer.LoggedEntry {
		return logs.FilterMessage("replication failed, and goes on later").All()
	}
	eventually(t, func() bool { return len(failures()) >= 6 })
	require.LessOrEqual(t, failures()[5].ContextMap()["failures"], int64(2))
}
