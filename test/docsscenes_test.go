package test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/docpage"
	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// scene is where a page's blocks are run.
type scene struct {
	// server starts what they ask. Default: the quickstart.
	server func(t *testing.T) *harness.Server
	// replace are pairs of what stands in the page, and what does in the test.
	replace func(s *harness.Server) []string
}

// scenes are the pages whose blocks of sh and js are run by TestThePagesDoWhatTheySay.
var scenes = map[string]scene{
	"docs/sign-in.md":      {server: signInPage, replace: publicSite},
	"docs/selectors.md":    {replace: func(s *harness.Server) []string { return []string{"http://localhost:8080", s.URL} }},
	"docs/replication.md":  {server: replicationPage, replace: replicationSites},
	"docs/from-couchdb.md": {server: replicationPage, replace: replicationSites},
}

// publicSite puts the test's site in the place of that of the pages.
func publicSite(s *harness.Server) []string { return []string{"https://sync.example.com", s.URL} }

// TestThePagesDoWhatTheySay runs the blocks of sh of a page in one shell, looks for what the
// block of text below each shows ("…" stands for anything), and runs its blocks of js after
// that, one by one: each between the lines of testdata/docs/<page>.<n>.mjs, which has what
// the page takes for granted, and looks at what came of it.
func TestThePagesDoWhatTheySay(t *testing.T) {
	t.Parallel()
	for name, s := range scenes {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".md"), func(t *testing.T) {
			t.Parallel()
			page := allPages(t)[name]
			require.NotNil(t, page)
			start := s.server
			if start == nil {
				start = func(t *testing.T) *harness.Server {
					t.Helper()
					return harness.New(t, harness.Options{Caddyfile: quickstart(t)})
				}
			}
			server := start(t)
			in := func(code string) string { return at(server, code) }
			if s.replace != nil {
				replacer := strings.NewReplacer(s.replace(server)...)
				in = func(code string) string { return at(server, replacer.Replace(code)) }
			}
			runPageShell(t, server, page, in)
			runPageScripts(t, server, page, in)
		})
	}
}

// isRunHere reports whether a block is run, and not marked as one that is not.
func isRunHere(block docpage.Block, language string) bool {
	return block.Language == language && !strings.HasPrefix(block.Note, "not run: ")
}

func runPageShell(t *testing.T, server *harness.Server, page *docpage.Page, in func(string) string) {
	t.Helper()
	token, err := server.Token(t.Context(), "alice", nil)
	require.NoError(t, err)
	commands, prints := []string{"TOKEN='" + token + "'"}, map[int]string{}
	for _, block := range page.Blocks {
		switch {
		case isRunHere(block, "sh"):
			commands = append(commands, in(block.Text))
		case isRunHere(block, "text"):
			prints[len(commands)-1] = block.Text
		}
	}
	if len(commands) == 1 {
		return
	}
	outputs := runInExample(t, server, commands)
	for i, lines := range prints {
		requireLines(t, lines, commands[i], outputs[i])
	}
	for i, output := range outputs {
		if prints[i] == "" {
			require.NotContains(t, output, `"error"`, commands[i])
		}
	}
}

// blockHere is what stands in a script of testdata/docs in the place of the page's block.
const blockHere = "/* the block of the page */"

func runPageScripts(t *testing.T, server *harness.Server, page *docpage.Page, in func(string) string) {
	t.Helper()
	clients, err := harness.Clients(t.Context())
	require.NoError(t, harness.NeedTool(t, err))
	token, err := server.Token(t.Context(), "alice", nil)
	require.NoError(t, err)
	n := 0
	for _, block := range page.Blocks {
		if !isRunHere(block, "js") {
			continue
		}
		n++
		name := fmt.Sprintf("%s.%d.mjs", strings.TrimSuffix(filepath.Base(page.Path), ".md"), n)
		around := readFile(t, "test", "testdata", "docs", name)
		require.Contains(t, around, blockHere, name)
		folder := t.TempDir()
		require.NoError(t, os.Symlink(filepath.Join(clients, "node_modules"), filepath.Join(folder, "node_modules")))
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(around, blockHere, in(block.Text), 1)), 0o600))
		node := harness.NewScript(t, harness.Script{Path: path, Dir: folder, Env: map[string]string{
			"SYNC_URL": server.URL, "ADMIN_URL": server.AdminURL, "TOKEN": token,
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err := node.Wait(ctx)
		cancel()
		require.NoError(t, err, "%s:%d: %s", page.Path, block.Line, node.Output())
	}
}

// requireLines looks for lines in an output, in their order.
func requireLines(t *testing.T, lines, command, output string) {
	t.Helper()
	rest := output
	for line := range strings.Lines(lines) {
		for part := range strings.SplitSeq(strings.TrimSpace(line), "…") {
			_, after, found := strings.Cut(rest, part)
			require.True(t, found, "%q is not in the rest of what this prints:\n%s\n%s", part, command, output)
			rest = after
		}
	}
}

// signInPage is a server for docs/sign-in.md: all its ways in one database.
func signInPage(t *testing.T) *harness.Server {
	t.Helper()
	return harness.New(t, harness.Options{Settings: harness.Settings{
		// Passwords are of users whom the provider did not make.
		Provider: "username_claim sub\nuser_prefix acme\nregister",
		Sync:     "jwt backend {\nissuer https://login.example.com\naudience notes\nalgorithms EdDSA\nkey `" + signInKey + "`\nregister\n}",
		Database: "jwt backend\npassword_auth\naccess shared",
		Site:     "cors {\norigins https://app.example.com\ncredentials\n}",
	}})
}

// signInKey is the public key of the one in testdata/docs/sign-in.3.mjs.
const signInKey = `{"kty":"OKP","crv":"Ed25519","kid":"key-1","x":"c9Fv4kle_GoZnGeS5BN0Fxv_OwZhdaTXEdI83CyPsbQ"}`

// replicationPage is a server for docs/replication.md, with the other one as a database of
// its own.
func replicationPage(t *testing.T) *harness.Server {
	t.Helper()
	server := harness.New(t, harness.Options{Settings: harness.Settings{
		Sync: "database couch {\npassword_auth\naccess shared\n}\ndatabase * {\naccess shared\n}", Databases: "notes couch", AdminDatabases: "*",
	}})
	administrate(t, server, http.MethodPut, "/couch/_user/admin", `{"password":"`+officerPassword+`"}`, http.StatusCreated)
	administrate(t, server, http.MethodPost, "/couch/_bulk_docs", `{"new_edits":false,"docs":[
		{"_id":"a","_rev":"1-a"},{"_id":"b","_rev":"1-b"},{"_id":"gone","_rev":"2-c","_deleted":true}]}`, http.StatusCreated)
	return server
}

func replicationSites(s *harness.Server) []string {
	return []string{"https://couch.example.com/notes", s.URL + "/couch", `"password": "…"`, `"password": "` + officerPassword + `"`}
}
