package test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// TestTheFirstWebAppOfTheDocumentationSyncs serves the two files of docs/start-web.md and
// uses them in Chromium, beside the quickstart.
func TestTheFirstWebAppOfTheDocumentationSyncs(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	page := fmt.Sprintf("http://localhost:%d/", listener.Addr().(*net.TCPAddr).Port)
	server := harness.New(t, harness.Options{
		Caddyfile: strings.Replace(quickstart(t), "http://localhost:5173", strings.TrimSuffix(page, "/"), 1),
	})
	serveFirstWebApp(t, listener, server)
	script := harness.NewScript(t, harness.Script{Path: "scenarios/startweb.mjs", Env: map[string]string{
		"PAGE": page, "CHROMIUM": browser, "SCRATCH": t.TempDir(),
	}})
	ctx, cancel := context.WithTimeout(t.Context(), browserTime)
	defer cancel()
	_, err = script.Await(ctx, "stop")
	require.NoError(t, err, script.Output())
	require.NoError(t, server.Stop())
	require.NoError(t, script.Tell("stopped"))
	_, err = script.Await(ctx, "start")
	require.NoError(t, err, script.Output())
	require.NoError(t, server.Restart(ctx))
	require.NoError(t, script.Tell("started"))
	require.NoError(t, script.Wait(ctx), script.Output())
	for _, e := range script.Events() {
		require.NotEqual(t, "error", e.Name, "an error of the page: %s", e.Data)
	}
}

// serveFirstWebApp serves the page's files as a bundler would: PouchDB comes from the tests'
// own copy.
func serveFirstWebApp(t *testing.T, listener net.Listener, server *harness.Server) {
	t.Helper()
	clients, err := harness.Clients(t.Context())
	require.NoError(t, harness.NeedTool(t, err))
	files := map[string]string{"html": "", "js": ""}
	for _, block := range allPages(t)["docs/start-web.md"].Blocks {
		if _, ok := files[block.Language]; ok {
			files[block.Language] = at(server, block.Text)
		}
	}
	require.Contains(t, files["html"], `<script type="module"`)
	pouch := `<script src="pouchdb.min.js"></script><script type="importmap">{"imports":{"pouchdb":"./pouchdb.mjs"}}</script>`
	serve := func(kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write([]byte(text))
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", serve("text/html", strings.Replace(files["html"], `<script type="module"`, pouch+`<script type="module"`, 1)))
	mux.HandleFunc("/main.js", serve("text/javascript", files["js"]))
	mux.HandleFunc("/pouchdb.mjs", serve("text/javascript", "export default window.PouchDB\n"))
	mux.HandleFunc("/pouchdb.min.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(clients, "node_modules", "pouchdb", "dist", "pouchdb.min.js"))
	})
	site := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = site.Serve(listener) }()
	t.Cleanup(func() { require.NoError(t, site.Close()) })
}
