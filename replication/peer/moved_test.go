package peer_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// Sync Gateway's feed of several channels names those that a document left, also where it has come into another of them.
func TestADocumentThatMovesFromChannelToChannelIsPulled(t *testing.T) {
	t.Parallel()
	here, there := newServer(t), newServer(t)
	there.db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	there.bulk(`{"_id":"moved","_rev":"1-a","channels":["open"]}`, `{"_id":"left","_rev":"1-a","channels":["open"]}`)
	o := here.to(peer.Pull, there.admin)
	o.Channels = []string{"open", "closed"}
	run(t, o)
	there.bulk(
		`{"_id":"moved","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"channels":["closed"]}`,
		`{"_id":"left","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"channels":["hidden"],"secret":true}`,
	)
	there.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/notes/_changes" || r.URL.Query().Get("channels") != "open,closed" {
			return false
		}
		_, _ = io.WriteString(w, `{"results":[{"seq":3,"id":"moved","removed":["open"],"changes":[{"rev":"2-b"}]},
			{"seq":4,"id":"left","removed":["open"],"changes":[{"rev":"2-b"}]}],"last_seq":"4","pending":0}`)
		return true
	})
	_, status := run(t, o)
	require.EqualValues(t, 1, status.Written)
	require.Equal(t, "2-b", here.rev("moved"))
	require.Equal(t, "1-a", here.rev("left"))
	require.NotContains(t, here.content(), "secret")
}
