package test

import (
	"path/filepath"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// The quickstart's shared lists with PouchDB: two clients, and a third that is let in and put
// out while all are live.
func TestPouchDBSharedListsFollowTheirMembers(t *testing.T) {
	t.Parallel()
	withAdapters(t, func(t *testing.T, adapter string) {
		t.Helper()

		root, err := harness.Root()
		require.NoError(t, err)

		server := harness.New(t, harness.Options{Settings: harness.Settings{
			Sync: "database lists {\noidc dev\nsync_function " +
				filepath.Join(root, "examples", "quickstart", "lists.sync.js") + "\n}",
			Databases: "notes lists",
		}})
		site{Server: server, issuer: server.Issuer}.run(t, "lists", map[string]string{"ADAPTER": adapter, "DATABASE": "lists"})
	})
}
