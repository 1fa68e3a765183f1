package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// The files of examples/frameworks in the frameworks that they are for.
func TestFrameworksShowDocumentsAndHowTheSyncGoes(t *testing.T) {
	t.Parallel()

	clients, err := harness.Clients(t.Context())
	require.NoError(t, harness.NeedTool(t, err))

	root, err := harness.Root()
	require.NoError(t, err)

	// Where an app has them: beside the frameworks.
	folder := t.TempDir()
	copyTo(t, folder, filepath.Join(root, "examples"), "frameworks")
	require.NoError(t, os.Symlink(filepath.Join(clients, "node_modules"), filepath.Join(folder, "frameworks", "node_modules")))

	server := harness.New(t, harness.Options{})
	site{Server: server, issuer: server.Issuer}.run(t, "frameworks", map[string]string{"FRAMEWORKS": filepath.Join(folder, "frameworks")})
}

// A live sync that leaves its pauses to PouchDB waits for up to ten minutes after a long outage.
func TestLiveSyncsOfTheExamplesDoNotWaitForMinutes(t *testing.T) {
	t.Parallel()

	for _, file := range []string{
		"docs/start-web.md", "examples/frameworks/live.js", "examples/two-factor-backend/client.mjs",
		"examples/quickstart/app/js/sync.js", "examples/cordova/www/js/sync.js",
	} {
		live := 0

		for line := range strings.Lines(readFile(t, strings.Split(file, "/")...)) {
			if strings.Contains(line, "retry: true") {
				live++

				require.Contains(t, line, "back_off_function", file)
			}
		}

		require.Equal(t, 1, live, file)
	}
}

// The service worker of examples/frameworks in a browser, at a page beside it.
func TestServiceWorkerKeepsSyncingAfterThePageIsClosed(t *testing.T) {
	t.Parallel()

	server := listsApp(t)

	root, err := harness.Root()
	require.NoError(t, err)

	pages := filepath.Join(server.Dir, "app", "js")
	for _, file := range []string{"sync-worker.js", "keep-syncing.js"} {
		copyTo(t, pages, filepath.Join(root, "examples", "frameworks"), file)
	}

	const page = "<!doctype html>\n<title>A page</title>\n<script src=\"/lib/pouchdb.min.js\"></script>\n"

	require.NoError(t, os.WriteFile(filepath.Join(pages, "page.html"), []byte(page), 0o600))

	site{Server: server, issuer: server.Issuer}.run(t, "worker", map[string]string{"CHROMIUM": chromium(t)})
}
