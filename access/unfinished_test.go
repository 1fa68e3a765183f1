package access

import (
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// A function is taken to use too much memory when the whole process grows, for which others may be to blame: a resync
// takes no document away for that.
func TestAResyncTakesNoDocumentAwayForMemory(t *testing.T) {
	t.Parallel()
	c := collection(t, Channels{})
	require.NoError(t, write(t, c, "alice", "a", `{"channels":["!"]}`, "1-a"))
	f, err := NewSyncFunction("f.js", `function () { for (var all = []; ; ) all.push("x" + all.length) }`, Options{Memory: 1})
	require.NoError(t, err)
	c.SetPolicy(syncstore.Policy{Evaluator: f, Version: f.Version()})

	var rejection *RejectionError
	require.ErrorAs(t, write(t, c, "alice", "b", `{}`, "1-a"), &rejection)
	require.Equal(t, 500, rejection.Status)
	require.True(t, rejection.OutOfMemory())
	require.False(t, rejection.TimedOut())

	require.NoError(t, c.StartResync(t.Context()))
	var status syncstore.ResyncStatus
	require.Eventually(t, func() bool {
		status, err = c.ResyncStatus(t.Context())
		return err == nil && status.State == syncstore.ResyncCompleted
	}, 10*time.Second, 2*time.Millisecond)
	require.EqualValues(t, 1, status.Errors)
	require.Contains(t, status.LastError, "memory limit")
	require.True(t, sees(t, c, "alice", "a"))
}
