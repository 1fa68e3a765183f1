package test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// The README and the quickstart name these; a test must not hold them.
const (
	quickstartPort    = "8080"
	quickstartAdmin   = "4985"
	quickstartControl = "2020"
)

// codeBlock matches a fenced block of sh or js.
var codeBlock = regexp.MustCompile("(?ms)^```(sh|js)\n(.*?)^```$")

// readme has the README's blocks that talk to the quickstart.
type readme struct{ sh, js []string }

func readReadme(t *testing.T) (text readme) {
	t.Helper()

	for _, block := range codeBlock.FindAllStringSubmatch(readFile(t, "README.md"), -1) {
		switch kind, code := block[1], block[2]; {
		case !strings.Contains(code, "localhost:"+quickstartPort):
		case kind == "sh":
			text.sh = append(text.sh, code)
		default:
			text.js = append(text.js, code)
		}
	}

	return text
}

// quickstart is the example's Caddyfile with the harness's ports.
func quickstart(t *testing.T) string {
	t.Helper()

	root, err := harness.Root()
	require.NoError(t, err)

	return strings.NewReplacer(
		":"+quickstartPort, ":{{.Port}}", ":"+quickstartAdmin, ":{{.AdminPort}}", ":"+quickstartControl, ":{{.ControlPort}}",
		"lists.sync.js", filepath.Join(root, "examples", "quickstart", "lists.sync.js"),
	).Replace(readFile(t, "examples", "quickstart", "Caddyfile"))
}

// readFile reads a file of the repository.
func readFile(t *testing.T, path ...string) string {
	t.Helper()

	root, err := harness.Root()
	require.NoError(t, err)

	text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	require.NoError(t, err)

	return string(text)
}

// at puts a server's ports into the README's code.
func at(s *harness.Server, code string) string {
	return strings.NewReplacer(
		":"+quickstartPort, ":"+strconv.Itoa(s.Port), ":"+quickstartAdmin, ":"+strconv.Itoa(s.AdminPort),
	).Replace(code)
}

func TestTheReadmesLinesWorkAsPrinted(t *testing.T) {
	t.Parallel()

	text := readReadme(t)
	require.NotEmpty(t, text.sh, "no ```sh block of the README asks the quickstart")
	require.NotEmpty(t, text.js, "no ```js block of the README asks the quickstart")

	server := harness.New(t, harness.Options{Caddyfile: quickstart(t)})
	// The reader has signed in as alice in the app by then.
	require.Equal(t, http.StatusOK, ask(t, server, request{url: "/lists/_session", header: bearer(t, server, "alice")}).status)
	output := runShell(t, server, text.sh)
	require.NotContains(t, output, `"error"`)
	require.Contains(t, output, `"ok":true`)
	require.Contains(t, output, `"_rev":"1-`, "the first block reads the document back")
	require.Regexp(t, `"id":"list:shopping".*\n.*"id":"item:milk"`, output, "the last one sees what bob wrote")

	for _, code := range text.js {
		runJavaScript(t, server, code)
	}
}

// runShell runs blocks in one shell, since one may set what another uses.
func runShell(t *testing.T, server *harness.Server, blocks []string) string {
	t.Helper()

	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			require.NoError(t, harness.NeedTool(t, harness.ErrNoTool))
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	shell := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", at(server, strings.Join(blocks, "\n")))
	shell.Dir = t.TempDir()

	output, err := shell.CombinedOutput()
	require.NoError(t, err, "%s", output)

	return string(output)
}

// runJavaScript runs a block until it ends well or a document of it reaches the server:
// a live sync never ends.
func runJavaScript(t *testing.T, server *harness.Server, code string) {
	t.Helper()

	clients, err := harness.Clients(t.Context())
	require.NoError(t, harness.NeedTool(t, err))

	folder, before := t.TempDir(), documents(t, server)
	require.NoError(t, os.Symlink(filepath.Join(clients, "node_modules"), filepath.Join(folder, "node_modules")))

	script := filepath.Join(folder, "readme.mjs")
	if strings.Contains(code, "require(") {
		script = filepath.Join(folder, "readme.cjs")
	}

	require.NoError(t, os.WriteFile(script, []byte(at(server, code)), 0o600))

	node := harness.NewScript(t, harness.Script{Path: script, Dir: folder})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	ended := make(chan error, 1)
	go func() { ended <- node.Wait(ctx) }()

	eventually(t, 20*time.Second, func() bool {
		select {
		case err := <-ended:
			require.NoError(t, err)
		default:
		}

		return documents(t, server) > before
	})
}

func documents(t *testing.T, server *harness.Server) int {
	t.Helper()

	got := ask(t, server, request{url: server.AdminURL + "/notes"})
	require.Equal(t, http.StatusOK, got.status, got.body)

	var info struct {
		Count int `json:"doc_count"`
	}

	require.NoError(t, json.Unmarshal([]byte(got.body), &info))

	return info.Count
}

func TestTheReadmesCaddyfileAdapts(t *testing.T) {
	t.Parallel()

	_, block, found := strings.Cut(readFile(t, "README.md"), "```caddyfile\n")
	require.True(t, found, "the README begins with a working Caddyfile")

	block, _, _ = strings.Cut(block, "\n```")
	server := harness.New(t, harness.Options{Caddyfile: block + "\n", Offline: true})

	output, err := server.Command(t.Context(), "adapt", "--config", filepath.Join(server.Dir, "Caddyfile"))
	require.NoError(t, err)
	require.NotContains(t, output, "not formatted")
}

func TestDecision19_DevTokenIsBareForScripts(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{Caddyfile: quickstart(t)})
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}

	got := ask(t, server, request{method: http.MethodPost, url: "/idp/dev/token", body: "user=alice", header: form})
	require.Contains(t, got.body, `{"id_token":"`)

	form["Accept"] = "text/plain"
	got = ask(t, server, request{method: http.MethodPost, url: "/idp/dev/token", body: "user=alice", header: form})
	require.Equal(t, http.StatusOK, got.status)
	require.Len(t, strings.Split(got.body, "."), 3)
	require.NotContains(t, got.body, "\n")
}
