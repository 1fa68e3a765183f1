package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// shellBlock matches a fenced block of sh, or of text, which is what the block of sh before
// it prints.
var shellBlock = regexp.MustCompile("(?ms)^```(sh|text)\n(.*?)^```$")

// moderatedLists starts examples/moderated-lists in a copy of its folder.
func moderatedLists(t *testing.T) *harness.Server {
	t.Helper()

	root, err := harness.Root()
	require.NoError(t, err)

	folder := t.TempDir()
	copyTo(t, folder, filepath.Join(root, "examples", "moderated-lists"), "lists.sync.js")

	caddyfile := strings.NewReplacer(
		":"+quickstartPort, ":{{.Port}}", ":"+quickstartAdmin, ":{{.AdminPort}}", ":"+quickstartControl, ":{{.ControlPort}}",
		"store badger ./data\n", "store badger ./data {\nmemory 64MiB\nmin_free 32MiB\n}\n",
	).Replace(readFile(t, "examples", "moderated-lists", "Caddyfile"))

	return harness.New(t, harness.Options{Caddyfile: caddyfile, Dir: folder})
}

// TestCommandsOfThePagesPrintWhatTheySay runs the blocks of sh of a page in one shell, in
// the example's folder, and looks for the lines of the block of text below each. "…"
// stands for anything.
func TestCommandsOfThePagesPrintWhatTheySay(t *testing.T) {
	t.Parallel()

	for _, page := range []string{"docs/access-control.md", "docs/design-documents.md", "docs/queries.md", "examples/moderated-lists/README.md"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()

			server := moderatedLists(t)
			commands, prints := blocksOf(t, page)
			outputs := runInExample(t, server, commands)

			for i, lines := range prints {
				requireLines(t, lines, commands[i], outputs[i])
			}
		})
	}
}

// blocksOf are a page's blocks of sh, and what some of them print.
func blocksOf(t *testing.T, page string) (commands []string, prints map[int]string) {
	t.Helper()

	prints = map[int]string{}

	for _, block := range shellBlock.FindAllStringSubmatch(readFile(t, strings.Split(page, "/")...), -1) {
		if block[1] == "sh" {
			commands = append(commands, block[2])

			continue
		}

		require.NotEmpty(t, commands, "a block of text before all commands")

		prints[len(commands)-1] = block[2]
	}

	require.NotEmpty(t, prints)

	return commands, prints
}

// runInExample runs commands in one shell, with caddy-sync in its path, and returns what
// each prints.
func runInExample(t *testing.T, server *harness.Server, commands []string) []string {
	t.Helper()

	binary, err := harness.Binary(t.Context(), false)
	require.NoError(t, err)

	path := t.TempDir()
	require.NoError(t, os.Symlink(binary, filepath.Join(path, "caddy-sync")))

	const mark = "===== end of a block ====="

	script := at(server, strings.Join(commands, "\necho '"+mark+"'\n"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)

	defer cancel()

	shell := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	shell.Dir = server.Dir
	shell.Env = append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"))

	output, err := shell.CombinedOutput()
	require.NoError(t, err, "%s", output)

	outputs := strings.Split(string(output), mark)
	require.Len(t, outputs, len(commands))

	return outputs
}
