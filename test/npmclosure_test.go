package test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// installed makes a folder with what `npm install <packages>` would put there and nothing
// else, of the tests' own copies: a package that happens to lie beside them is not found.
func installed(t *testing.T, packages ...string) string {
	t.Helper()
	clients, err := harness.Clients(t.Context())
	require.NoError(t, harness.NeedTool(t, err))
	text, err := os.ReadFile(filepath.Join(clients, "package-lock.json"))
	require.NoError(t, err)
	var lock struct {
		Packages map[string]struct {
			Dependencies, OptionalDependencies map[string]string
		}
	}
	require.NoError(t, json.Unmarshal(text, &lock))
	folder, seen := t.TempDir(), map[string]bool{}
	for todo := packages; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		from := filepath.Join(clients, "node_modules", filepath.FromSlash(name))
		if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
			continue // another platform's
		}
		require.NoError(t, os.CopyFS(filepath.Join(folder, "node_modules", filepath.FromSlash(name)), os.DirFS(from)))
		entry := lock.Packages["node_modules/"+name]
		for _, dependencies := range []map[string]string{entry.Dependencies, entry.OptionalDependencies} {
			for other := range dependencies {
				todo = append(todo, other)
			}
		}
	}
	return folder
}
