package test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/docpage"
	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// TestTheFirstWebAppOfTheDocumentationSyncs makes the app of docs/start-web.md of the packages
// that the page installs, and uses it in Chromium, beside the quickstart: as Vite's server for
// development shows it, and as `vite build` makes it.
func TestTheFirstWebAppOfTheDocumentationSyncs(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	page := allPages(t)["docs/start-web.md"]
	var packages []string
	files := map[string]string{}
	for _, block := range page.Blocks {
		if install := regexp.MustCompile(`(?m)^npm install (.*)$`).FindStringSubmatch(block.Text); install != nil {
			packages = strings.Fields(install[1])
		}
		if block.Language == "html" || block.Language == "js" {
			files[block.Language] = block.Text
		}
	}
	own := ownCaddyfile(t, page)
	require.Contains(t, packages, "vite")
	require.Contains(t, files["html"], `<script type="module" src="main.js">`)
	for name, test := range map[string]struct {
		caddyfile string
		commands  [][]string
	}{
		"in development, at the quickstart": {quickstart(t), [][]string{{"--strictPort", "--port"}}},
		"built, at one's own Caddyfile":     {own, [][]string{{"build"}, {"preview", "--strictPort", "--port"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, err := harness.FreePort()
			require.NoError(t, err)
			address := fmt.Sprintf("http://localhost:%d", port)
			server := harness.New(t, harness.Options{Caddyfile: strings.Replace(test.caddyfile, "http://localhost:5173", address, 1)})
			folder := installed(t, packages...)
			require.NoError(t, os.WriteFile(filepath.Join(folder, "index.html"), []byte(files["html"]), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(folder, "main.js"), []byte(at(server, files["js"])), 0o600))
			for _, args := range test.commands {
				if strings.HasPrefix(args[len(args)-1], "--port") {
					args = append(args, strconv.Itoa(port))
				}
				vite := harness.NewScript(t, harness.Script{
					Path: filepath.Join(folder, "node_modules", "vite", "bin", "vite.js"), Args: args, Dir: folder,
				})
				if args[0] == "build" {
					require.NoError(t, vite.Wait(t.Context()))
				}
			}
			eventually(t, time.Minute, func() bool { return serves(t, address) })
			useFirstWebApp(t, server, browser, address+"/")
			got := ask(t, server, request{url: "/notes/_session", header: bearer(t, server, "bob")})
			require.Contains(t, got.body, `"name":"bob"`, "users have short names")
		})
	}
}

// ownCaddyfile is the page's, with the harness's ports.
func ownCaddyfile(t *testing.T, page *docpage.Page) string {
	t.Helper()
	for _, block := range page.Blocks {
		if block.Section == "3-your-own-caddyfile" && block.Language == "caddyfile" {
			return strings.NewReplacer(
				":"+quickstartPort, ":{{.Port}}", ":"+quickstartAdmin, ":{{.AdminPort}}",
				"{\n\tsync {\n", "{\n\tadmin localhost:{{.ControlPort}}\n\tpersist_config off\n\tsync {\n",
			).Replace(block.Text)
		}
	}
	require.Fail(t, "the page has no Caddyfile")
	return ""
}

func serves(t *testing.T, address string) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// useFirstWebApp signs in, writes with the server stopped, starts it, and looks at what a
// second browser sees.
func useFirstWebApp(t *testing.T, server *harness.Server, browser, page string) {
	t.Helper()
	script := harness.NewScript(t, harness.Script{Path: "scenarios/startweb.mjs", Env: map[string]string{
		"PAGE": page, "CHROMIUM": browser, "SCRATCH": t.TempDir(),
	}})
	ctx, cancel := context.WithTimeout(t.Context(), browserTime)
	defer cancel()
	_, err := script.Await(ctx, "stop")
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

// TestThePageOfTheFirstWebAppSaysWhatItIsTestedWith holds its versions against the tests'.
func TestThePageOfTheFirstWebAppSaysWhatItIsTestedWith(t *testing.T) {
	t.Parallel()
	packages := readFile(t, "test", "clients", "package.json")
	text := readFile(t, "docs", "start-web.md")
	for title, name := range map[string]string{"PouchDB": "pouchdb", "Vite": "vite"} {
		version := regexp.MustCompile(`"` + name + `": "(\d+\.\d+)\.`).FindStringSubmatch(packages)
		require.NotNil(t, version, name)
		require.Contains(t, text, title+" "+version[1])
	}
}
