package peer_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// A target gets no leaves outside of the channels, whatever it says to be missing.
func TestATargetGetsNoLeafOutsideOfTheChannels(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	here.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	here.bulk(`{"_id":"a","_rev":"1-b","channels":["b"]}`, `{"_id":"a","_rev":"1-a","channels":["hidden"],"secret":true}`)
	o := here.to(peer.Push, there.admin)
	o.Channels = []string{"b"}
	run(t, o)
	require.Contains(t, there.content(), "a 1-b")
	require.NotContains(t, there.content(), "secret")

	there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/notes/_revs_diff" {
			return false
		}
		_, _ = io.WriteString(w, `{"a":{"missing":["9-none"]}}`)
		return true
	})
	here.bulk(`{"_id":"a","_rev":"2-b","_revisions":{"start":2,"ids":["b","b"]},"channels":["b"]}`)
	run(t, o)
	require.NotContains(t, there.content(), "secret")
}

// A source that does not know the filter of documents gives all.
func TestAPullOfSomeDocumentsTakesNoOthers(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	there.bulk(`{"_id":"a","_rev":"1-a"}`, `{"_id":"b","_rev":"1-a"}`)
	there.meddleWith(func(_ http.ResponseWriter, r *http.Request) bool {
		query := r.URL.Query()
		query.Del("filter")
		r.URL.RawQuery = query.Encode()
		if r.URL.Path == "/notes/_changes" {
			r.Method = http.MethodGet
		}
		return false
	})
	o := here.to(peer.Pull, there.admin)
	o.DocIDs = []string{"b"}
	run(t, o)
	require.Equal(t, "b 1-a {} 1-a", here.content())
}
