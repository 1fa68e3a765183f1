package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// browserTime bounds one story: a browser is slow where much else runs.
const browserTime = 4 * time.Minute

// chromium is the path of the browser of the tests.
func chromium(t *testing.T) string {
	t.Helper()

	for _, name := range []string{"chromium", "chromium-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}

	require.NoError(t, harness.NeedTool(t, fmt.Errorf("showing the app: %w: chromium", harness.ErrNoTool)))

	return ""
}

// hybridApp is examples/cordova, app and server, in a copy of the folder and on ports of
// its own. replace are pairs of texts to replace in its Caddyfile.
func hybridApp(t *testing.T, replace ...string) (server *harness.Server, app string) {
	t.Helper()
	chromium(t) // nothing is started where there is none

	clients, err := harness.Clients(t.Context())
	require.NoError(t, harness.NeedTool(t, err))

	root, err := harness.Root()
	require.NoError(t, err)

	folder := t.TempDir()
	app = filepath.Join(folder, "www")

	copyTo(t, folder, filepath.Join(root, "examples", "cordova"), "www")
	require.NoError(t, os.MkdirAll(filepath.Join(app, "lib"), 0o700))
	copyTo(t, filepath.Join(app, "lib"), filepath.Join(clients, "node_modules", "pouchdb", "dist"), "pouchdb.min.js")

	caddyfile := strings.NewReplacer(append(replace,
		":8080", ":{{.Port}}", ":4985", ":{{.AdminPort}}", ":2020", ":{{.ControlPort}}",
		"store badger ./data\n", "store badger ./data {\nmemory 64MiB\nmin_free 32MiB\n}\n",
	)...).Replace(readFile(t, "examples", "cordova", "Caddyfile"))
	server = harness.New(t, harness.Options{Caddyfile: caddyfile, Dir: folder})

	for _, name := range []string{"index.html", "js/config.js"} {
		path := filepath.Join(app, filepath.FromSlash(name))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(text), "http://localhost:8080")
		require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "http://localhost:8080", server.URL)), 0o600))
	}

	return server, app
}

// useHybridApp is the story of scenarios/cordova.mjs.
func useHybridApp(t *testing.T, server *harness.Server, app, cookies string) {
	t.Helper()

	script := harness.NewScript(t, harness.Script{Path: "scenarios/cordova.mjs", Env: map[string]string{
		"SYNC_URL": server.URL, "ADMIN_URL": server.AdminURL, "APP": app, "CHROMIUM": chromium(t), "COOKIES": cookies, "SCRATCH": t.TempDir(),
	}})

	ctx, cancel := context.WithTimeout(t.Context(), browserTime)
	defer cancel()

	require.NoError(t, script.Wait(ctx))

	for _, e := range script.Events() {
		if e.Name == "ended" {
			var ended struct {
				What string
				MS   int
			}

			require.NoError(t, e.Into(&ended))
			t.Logf("the app said so %d ms after %s", ended.MS, ended.What)
			require.Less(t, ended.MS, 3000, ended.What)
		}
	}

	console := strings.Join(event[struct{ Lines []string }](t, script, "console").Lines, "\n")
	require.NotContains(t, console, "error: ", "an error of the page")

	written := server.Log() + console
	secrets := event[struct{ Secrets []string }](t, script, "secrets").Secrets
	require.NotEmpty(t, secrets)

	for _, secret := range secrets {
		require.NotContains(t, written, secret)
	}

	require.NotContains(t, written, "credentials without effect")
}

func TestHybridAppSyncsByASession(t *testing.T) {
	t.Parallel()

	server, app := hybridApp(t)
	useHybridApp(t, server, app, "kept")
}

// A WebView that keeps no cookie of another site: here, because the session's is SameSite=Lax.
func TestHybridAppSyncsByTokensWhereCookiesAreDropped(t *testing.T) {
	t.Parallel()

	server, app := hybridApp(t,
		"same_site none", "same_site lax", "secure on", "secure off",
		"data ./data/idp", "data ./data/idp\ntoken_lifetime 3s")
	useHybridApp(t, server, app, "dropped")
}

// What the page of the story above would show as an error now and then: PouchDB leaves a failure
// to ask for the size of a database unhandled.
func TestHybridAppSyncsWhereTheSizeOfTheDatabaseIsNotToldOf(t *testing.T) {
	t.Parallel()

	root, err := harness.Root()
	require.NoError(t, err)

	server := harness.New(t, harness.Options{})
	site{Server: server, issuer: server.Issuer}.run(t, "cordovasync", map[string]string{
		"APP": filepath.Join(root, "examples", "cordova", "www"),
	})
}
