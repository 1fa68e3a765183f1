package lite

import (
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// F100: each revision is judged by what its writer has at the time. A channel that an
// administrator gives or takes counts at once, on the connection that is open.
func TestF100_GrantsCountOnTheOpenConnection(t *testing.T) {
	t.Parallel()
	l := newLoopback(t, nil)
	l.share("alice")
	function, err := access.NewSyncFunction("sync.js", `function (doc) { requireAccess(doc.channels); channel(doc.channels) }`, access.Options{})
	require.NoError(t, err)
	l.coll().SetPolicy(syncstore.Policy{Evaluator: function, Version: "2"})
	c := l.connect(protocol3)
	first, second := "1-"+strings.Repeat("a", 32), "2-"+strings.Repeat("b", 32)
	refuses := func(rev, history string) {
		t.Helper()
		_, err := c.call("rev", `{"channels":["red"],"rev":"`+rev+`"}`, "id", "doc", "rev", rev, "history", history)
		var refusal *blip.PeerError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, 403, refusal.Code)
		require.Equal(t, "sg missing channel access", refusal.Text)
	}
	refuses(first, "")

	l.give("alice", "red")
	c.must("rev", `{"channels":["red"]}`, "id", "doc", "rev", first)

	l.give("alice")
	refuses(second, first)
}
