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

// TestTheFirstWebAppsOfTheDocumentationSync makes the apps of docs/start-web.md and
// docs/start-rxdb.md of the packages that the pages install, and uses them in Chromium, beside
// the quickstart: as Vite's server for development shows them, and as `vite build` makes them.
func TestTheFirstWebAppsOfTheDocumentationSync(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	pouchdb, rxdb := readFirstWebApp(t, "docs/start-web.md"), readFirstWebApp(t, "docs/start-rxdb.md")
	development := [][]string{{"--strictPort", "--port"}}
	built := [][]string{{"build"}, {"preview", "--strictPort", "--port"}}
	for name, test := range map[string]struct {
		app       firstWebApp
		caddyfile string
		commands  [][]string
	}{
		"PouchDB in development, at the quickstart": {pouchdb, quickstart(t), development},
		"PouchDB built, at one's own Caddyfile":     {pouchdb, ownCaddyfile(t, allPages(t)["docs/start-web.md"]), built},
		"RxDB in development, at the quickstart":    {rxdb, quickstart(t), development},
		"RxDB built, at the quickstart":             {rxdb, quickstart(t), built},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, err := harness.FreePort()
			require.NoError(t, err)
			address := fmt.Sprintf("http://localhost:%d", port)
			server := harness.New(t, harness.Options{Caddyfile: strings.Replace(test.caddyfile, "http://localhost:5173", address, 1)})
			folder := installed(t, test.app.packages...)
			for name, text := range test.app.files {
				require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(at(server, text)), 0o600))
			}
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
			app, _, _ := strings.Cut(name, " ")
			useFirstWebApp(t, server, map[string]string{"APP": app, "PAGE": address + "/", "CHROMIUM": browser})
			got := ask(t, server, request{url: "/notes/_session", header: bearer(t, server, "bob")})
			require.Contains(t, got.body, `"name":"bob"`, "users have short names")
		})
	}
}

// firstWebApp is the app that a page makes: the packages that it installs, and its files by name.
type firstWebApp struct {
	packages []string
	files    map[string]string
}

// readFirstWebApp reads an app from its page, where the name of a file stands after the language
// of its block.
func readFirstWebApp(t *testing.T, page string) firstWebApp {
	t.Helper()
	app := firstWebApp{files: map[string]string{}}
	for _, block := range allPages(t)[page].Blocks {
		if install := regexp.MustCompile(`(?m)^npm install (.*)$`).FindStringSubmatch(block.Text); install != nil {
			app.packages = strings.Fields(install[1])
		}
		if block.Language == "html" || block.Language == "js" {
			require.NotEmpty(t, block.Place, "%s:%d: which file is this?", page, block.Line)
			app.files[block.Place] = block.Text
		}
	}
	require.Contains(t, app.packages, "vite")
	require.Contains(t, app.files["index.html"], `<script type="module" src="main.js">`)
	return app
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

// useFirstWebApp signs in, writes with the server stopped, starts it, looks at what a second
// browser sees, and has somebody else sign in in the first one.
func useFirstWebApp(t *testing.T, server *harness.Server, env map[string]string) {
	t.Helper()
	env["SERVER"], env["SCRATCH"] = server.URL, t.TempDir()
	script := harness.NewScript(t, harness.Script{Path: "scenarios/startweb.mjs", Env: env})
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

// TestThePagesOfTheFirstWebAppsSayWhatTheyAreTestedWith holds their versions against the tests'.
func TestThePagesOfTheFirstWebAppsSayWhatTheyAreTestedWith(t *testing.T) {
	t.Parallel()
	packages := readFile(t, "test", "clients", "package.json")
	for page, names := range map[string]map[string]string{
		"start-web.md":  {"PouchDB": "pouchdb", "Vite": "vite"},
		"start-rxdb.md": {"RxDB": "rxdb", "Vite": "vite"},
	} {
		text := readFile(t, "docs", page)
		for title, name := range names {
			version := regexp.MustCompile(`"` + name + `": "(\d+\.\d+)\.`).FindStringSubmatch(packages)
			require.NotNil(t, version, name)
			require.Contains(t, text, title+" "+version[1], page)
		}
	}
}
