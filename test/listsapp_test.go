package test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// appSize is how much the quickstart's app may transfer when it is first opened, in bytes.
const appSize = 250_000

// listsApp is the quickstart, app and server, in a copy of the folder and on ports of its
// own.
func listsApp(t *testing.T) *harness.Server {
	t.Helper()
	chromium(t) // nothing is started where there is none

	clients, err := harness.Clients(t.Context())
	require.NoError(t, harness.NeedTool(t, err))

	root, err := harness.Root()
	require.NoError(t, err)

	folder := t.TempDir()
	copyTo(t, folder, filepath.Join(root, "examples", "quickstart"), "app")

	lib := filepath.Join(folder, "app", "lib") // it may be there from `make run`
	require.NoError(t, os.MkdirAll(lib, 0o700))
	copyTo(t, lib, filepath.Join(clients, "node_modules", "pouchdb", "dist"), "pouchdb.min.js")

	return harness.New(t, harness.Options{Caddyfile: quickstart(t), Dir: folder})
}

// keptPictures is where the pictures of a test stay when it is over.
func keptPictures(t *testing.T, name string) string {
	t.Helper()

	root, err := harness.Root()
	require.NoError(t, err)

	folder := filepath.Join(root, "test", "out", name)
	require.NoError(t, os.RemoveAll(folder))
	require.NoError(t, os.MkdirAll(folder, 0o755))

	return folder
}

// The story of scenarios/app.mjs. Its pictures are kept in test/out/app.
func TestTwoPeopleShareListsInTheQuickstartsApp(t *testing.T) {
	t.Parallel()

	server := listsApp(t)
	script := harness.NewScript(t, harness.Script{Path: "scenarios/app.mjs", Env: map[string]string{
		"SYNC_URL": server.URL, "ADMIN_URL": server.AdminURL, "CHROMIUM": chromium(t), "OUT": keptPictures(t, "app"), "RESTARTS": "yes",
	}})

	ctx, cancel := context.WithTimeout(t.Context(), 2*browserTime)
	defer cancel()

	for _, step := range []struct {
		event, done string
		act         func() error
	}{
		{"stop", "stopped", server.Stop},
		{"start", "started", func() error { return server.Restart(ctx) }},
	} {
		_, err := script.Await(ctx, step.event)
		require.NoError(t, err)
		require.NoError(t, step.act())
		require.NoError(t, script.Tell(step.done))
	}

	require.NoError(t, script.Wait(ctx))

	size := event[struct{ Bytes int }](t, script, "size").Bytes
	t.Logf("the app's first load transfers %d bytes", size)
	require.Positive(t, size)
	require.Less(t, size, appSize)

	for _, e := range script.Events() {
		var measured struct {
			What string
			MS   int
		}

		switch e.Name {
		case "ended":
			require.NoError(t, e.Into(&measured))
			t.Logf("the app said so %d ms after %s", measured.MS, measured.What)
			require.Less(t, measured.MS, 1000, measured.What)
		case "shared", "unshared", "left":
			require.NoError(t, e.Into(&measured))
			t.Logf("%s: seen at the other's after %d ms", e.Name, measured.MS)
		}
	}

	for _, finding := range event[struct{ Findings []string }](t, script, "findings").Findings {
		t.Logf("axe-core, not serious: %s", finding)
	}

	require.NotContains(t, server.Log(), "credentials without effect")
}

// The page's PouchDB is the one that the tests run with.
func TestTheQuickstartsPouchDBIsTheTests(t *testing.T) {
	t.Parallel()

	version := func(path ...string) string {
		_, rest, found := strings.Cut(readFile(t, path...), `"pouchdb": "`)
		require.True(t, found)

		version, _, _ := strings.Cut(rest, `"`)

		return version
	}

	require.Equal(t, version("test", "clients", "package.json"), version("examples", "quickstart", "package.json"))
}
