package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

var operatingBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// TestTheCommandsOfTheOperatingPageWork runs them one after the other.
func TestTheCommandsOfTheOperatingPageWork(t *testing.T) {
	t.Parallel()
	root, err := harness.Root()
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(root, "docs", "operating.md"))
	require.NoError(t, err)
	var script strings.Builder
	blocks := operatingBlock.FindAllSubmatch(page, -1)
	require.GreaterOrEqual(t, len(blocks), 4)
	for _, block := range blocks {
		if !isErasure(string(block[1])) {
			script.Write(block[1])
		}
	}
	server := operated{harness.New(t, harness.Options{Settings: harness.Settings{NoIDP: true, Database: "access channels"}}), t}
	server.put("/notes/first", `{}`)
	binary, err := harness.Binary(t.Context(), false)
	require.NoError(t, err)
	tools := t.TempDir()
	require.NoError(t, os.Symlink(binary, filepath.Join(tools, "caddy-sync")))
	commands := strings.ReplaceAll(script.String(), "http://127.0.0.1:4985", server.AdminURL)
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", commands)
	cmd.Dir = server.Dir
	cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), fmt.Sprintf("CADDY_ADMIN=localhost:%d", server.ControlPort), "HOME="+server.Dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "restored is sound")
}

func isErasure(block string) bool { return strings.Contains(block, "/_purge") }

// TestTheErasureOfTheOperatingPageLeavesNothing runs the page's script for a user whose documents
// have IDs that are hard to quote.
func TestTheErasureOfTheOperatingPageLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			require.NoError(t, harness.NeedTool(t, harness.ErrNoTool))
		}
	}
	const grants = `function (doc) { channel(doc.channels); access(doc.members, doc.channels) }`
	file := filepath.Join(t.TempDir(), "grants.js")
	require.NoError(t, os.WriteFile(file, []byte(grants), 0o600))
	server := operated{harness.New(t, harness.Options{Settings: harness.Settings{NoIDP: true, Database: "sync_function " + file}}), t}
	ids := []string{
		"a,b", `say "hi"`, `{"id":"q"}`, "two  blanks ", "100%", "50%25", "a/b/c", "日本 🙂 é", `back\slash`, `back\nslash`, "it's", "+&=?#;", "[x]", "-n", "$HOME", "`id`", "plain", "_design/hers",
	}
	hers := `{"channels": ["user:alice"], "members": ["alice"]}`
	for _, id := range ids {
		path := "/notes/" + url.PathEscape(id)
		if rest, ok := strings.CutPrefix(id, "_design/"); ok {
			path = "/notes/_design/" + rest
		}
		server.put(path, hers)
	}
	server.put("/notes/_role/staff", `{}`)
	server.put("/notes/_user/alice", `{"admin_roles": ["staff"]}`)
	server.put("/notes/_user/bob", `{}`)
	server.put("/notes/rota", `{"channels": ["rota"], "members": ["role:staff"]}`)
	server.put("/notes/list", `{"channels": ["list"], "members": ["alice", "bob"]}`)
	server.put("/notes/other", `{"channels": ["user:bob"], "members": ["bob"]}`)
	server.put("/notes/deleted,1", hers)
	status, answer := server.ask(t.Context(), http.MethodDelete, "/notes/deleted,1?rev="+winner(server, "/notes/deleted,1"), nil)
	require.Equal(t, http.StatusOK, status, string(answer))

	out, err := erase(t, server)
	require.Error(t, err)
	require.Contains(t, out, "These documents name the user. Change or purge them, and run this again:\nnotes._default._default: list\n")
	require.NotContains(t, out, "rota", "that is what the role has")
	require.Contains(t, string(server.get("/notes/_user/alice")), `"disabled":true`, "who is not erased yet stays out")
	for _, id := range append(ids, "deleted,1") {
		require.Contains(t, out, quotedJSON(id)+`:["*"]`)
	}
	require.Contains(t, string(server.get("/notes")), `"doc_count":3,"doc_del_count":0`)

	server.put("/notes/list?rev="+winner(server, "/notes/list"), `{"channels": ["list"], "members": ["bob"]}`)
	out, err = erase(t, server)
	require.NoError(t, err, out)
	require.Contains(t, out, "alice is gone, and what was in channel user:alice of notes\n")
	require.Contains(t, string(server.get("/notes")), `"doc_count":3,"doc_del_count":0`)

	server.put("/notes/_user/alice", `{}`)
	out, err = erase(t, server, "keyspaces='notes'", "keyspaces='notes notes.missing'")
	require.Error(t, err, "stops where a request fails")
	require.Contains(t, string(server.get("/notes/_user/alice")), `"disabled":true`)
	require.NotContains(t, out, "alice is gone")
}

// erase runs the page's script, with changes.
func erase(t *testing.T, server operated, changes ...string) (string, error) {
	t.Helper()
	for _, block := range operatingBlock.FindAllStringSubmatch(readFile(t, "docs", "operating.md"), -1) {
		if isErasure(block[1]) {
			script := strings.NewReplacer(append(changes, "http://127.0.0.1:4985", server.AdminURL)...).Replace(block[1])
			out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput()
			return string(out), err
		}
	}
	require.Fail(t, "the page has no erasure")
	return "", nil
}

func quotedJSON(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text)
	return strings.TrimSpace(b.String())
}

// winner is the revision that a document has.
func winner(server operated, path string) string {
	var doc struct {
		Rev string `json:"_rev"`
	}
	require.NoError(server.t, json.Unmarshal(server.get(path), &doc))
	return doc.Rev
}
