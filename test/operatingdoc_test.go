package test

import (
	"fmt"
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
		script.Write(block[1])
	}
	server := operated{harness.New(t, harness.Options{Settings: harness.Settings{NoIDP: true, Database: "access channels"}}), t}
	server.put("/notes/first", `{}`)
	server.put("/notes/_user/alice", `{"admin_channels": ["user:alice"]}`)
	server.put("/notes/hers", `{"channels": ["user:alice"]}`)
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
	require.Contains(t, string(out), `"purged":{"hers":["*"]}`, "what the user wrote is erased")
}
