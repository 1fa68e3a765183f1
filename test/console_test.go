package test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// consoleDocuments is how many documents the console is tried with.
const consoleDocuments = 100_000

// consoleSync lets owners write, puts documents where they say, and gives members a channel.
const consoleSync = `function (doc, oldDoc) {
  if (doc.owner) requireUser(doc.owner)
  channel(doc.channels)
  if (doc.members) access(doc.members, doc.list)
}
`

// Every view of the console is looked at once, with much data: what it asks for, that it is accessible in both schemes,
// and that it fits a phone. Pictures stay in test/out/console.
func TestTheConsoleShowsAndAdministers(t *testing.T) {
	t.Parallel()

	browser, dir := chromium(t), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sync.js"), []byte(consoleSync), 0o600))

	readOnly, byRole, byClaim := freePort(t), freePort(t), freePort(t)
	server := harness.New(t, harness.Options{Dir: dir, Settings: harness.Settings{
		Database: "password_auth\nsync_function {{.Dir}}/sync.js\ncollection shop.orders {\naccess channels\n}",
		Extra: adminSiteOn(readOnly, "allow loopback\nread_only") + adminSiteOn(byRole, "allow loopback\nallow role editors") +
			adminSiteOn(byClaim, "allow loopback\nallow claim sub alice"),
	}})

	root, err := harness.Root()
	require.NoError(t, err)

	token, err := server.Token(t.Context(), "alice", nil)
	require.NoError(t, err)

	from := time.Now()
	script := harness.NewScript(t, harness.Script{Path: "scenarios/console.mjs", Env: map[string]string{
		"SYNC_URL": server.URL, "ADMIN_URL": server.AdminURL, "CHROMIUM": browser, "SCRATCH": t.TempDir(),
		"READ_ONLY_URL": localSite(readOnly), "ROLE_URL": localSite(byRole), "CLAIM_URL": localSite(byClaim), "TOKEN": token,
		"DOCS": strconv.Itoa(consoleDocuments), "SHOTS": filepath.Join(root, "test", "out", "console"),
	}})

	ctx, cancel := context.WithTimeout(t.Context(), browserTime)
	defer cancel()

	require.NoError(t, script.Wait(ctx), script.Output())

	restoresTheSame(t, server, script.Events())

	for _, e := range script.Events() {
		var view struct {
			View                string
			MS, Requests, Bytes int
		}

		if e.Name == "filled" {
			require.NoError(t, e.Into(&view))
			t.Logf("%d documents written in %d ms", consoleDocuments, view.MS)
		}

		if e.Name == "view" {
			require.NoError(t, e.Into(&view))
			t.Logf("%s: %d ms, %d requests, %d bytes", view.View, view.MS, view.Requests, view.Bytes)
		}
	}

	t.Logf("all views in %v", time.Since(from).Round(time.Second))
}

// restoresTheSame restores each backup that was downloaded, and finds in it the documents that were there at its moment.
func restoresTheSame(t *testing.T, server *harness.Server, events []harness.Event) {
	t.Helper()

	o := operated{server, t}
	docs := o.get("/notes/_all_docs?startkey=%22note-%22&endkey=%22note-%EF%BF%B0%22&include_docs=true")
	photo, user := o.get("/notes/shopping/photo.png"), o.get("/notes/_user/amelie")

	var files []string

	for _, e := range events {
		if e.Name == "backup" {
			var taken struct{ File string }
			require.NoError(t, e.Into(&taken))
			files = append(files, taken.File)
		}
	}

	require.Len(t, files, 2)

	for i, file := range files {
		restored := filepath.Join(server.Dir, fmt.Sprint("restored", i))
		o.command("restore", file, "--to", restored)
	}

	require.NoError(t, server.Stop())
	o.swap(filepath.Join(server.Dir, "restored1"))
	require.True(t, bytes.Equal(docs, o.get("/notes/_all_docs?startkey=%22note-%22&endkey=%22note-%EF%BF%B0%22&include_docs=true")))
	require.True(t, bytes.Equal(photo, o.get("/notes/shopping/photo.png")))
	require.JSONEq(t, string(user), string(o.get("/notes/_user/amelie")))
}

func TestTheConsoleCanBeTurnedOff(t *testing.T) {
	t.Parallel()

	off := freePort(t)
	server := harness.New(t, harness.Options{Settings: harness.Settings{Extra: adminSiteOn(off, "allow loopback\nsync_console off")}})
	for url, status := range map[string]int{server.AdminURL: http.StatusOK, localSite(off): http.StatusNotFound, server.URL: http.StatusNotFound} {
		require.Equal(t, status, ask(t, server, request{url: url + "/_console/"}).status, url)
	}
}

func freePort(t *testing.T) int {
	t.Helper()

	port, err := harness.FreePort()
	require.NoError(t, err)

	return port
}

func localSite(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

func adminSiteOn(port int, rule string) string {
	return localSite(port) + " {\nbind 127.0.0.1\nsync notes {\nadmin {\n" + rule + "\n}\n}\nrespond 404\n}\n"
}
