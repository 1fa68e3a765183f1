package test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// RxDB's CouchDB plugin, with sync.js of docs/start-rxdb.md. TestTheFirstWebAppsOfTheDocumentationSync
// has the page's app in Chromium.
func TestRxDBLosesWhatItsUserLostAndGoesOnAfterRefusals(t *testing.T) {
	t.Parallel()

	clients, err := harness.Clients(t.Context())
	require.NoError(t, harness.NeedTool(t, err))

	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "sync.mjs"), []byte(readFirstWebApp(t, "docs/start-rxdb.md").files["sync.js"]), 0o600))
	require.NoError(t, os.Symlink(filepath.Join(clients, "node_modules"), filepath.Join(folder, "node_modules")))

	server := harness.New(t, harness.Options{Caddyfile: quickstart(t)})
	site{Server: server, issuer: server.Issuer}.run(t, "rxdb", map[string]string{"FOLDER": folder, "DATABASE": "lists"})
}
