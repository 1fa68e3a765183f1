package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"
)

// TestCaddyfilesOfTheDocumentationLoad provisions the Caddyfile that the README begins with,
// and all of docs/sign-in.md.
func TestCaddyfilesOfTheDocumentationLoad(t *testing.T) {
	for _, page := range []struct {
		path   string
		blocks int
	}{{"README.md", 1}, {"docs/sign-in.md", 5}} {
		text, err := os.ReadFile("../../" + page.path)
		require.NoError(t, err)
		blocks := caddyfilesIn(string(text))
		require.Len(t, blocks, page.blocks, page.path)
		for i, block := range blocks {
			t.Run(fmt.Sprintf("%s %d", page.path, i+1), func(t *testing.T) {
				t.Setenv("XDG_DATA_HOME", t.TempDir())
				t.Setenv("ACME_SECRET", "secret")
				t.Chdir(t.TempDir())
				block := strings.ReplaceAll(block, "/var/lib/caddy-sync", "./data")
				adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(block), map[string]any{"filename": page.path})
				require.NoError(t, err)
				require.Empty(t, warnings)
				var config caddy.Config
				require.NoError(t, json.Unmarshal(adapted, &config))
				require.NoError(t, caddy.Validate(&config))
			})
		}
	}
}

// caddyfilesIn are the blocks of a page that are marked as Caddyfiles.
func caddyfilesIn(page string) []string {
	var blocks []string
	for {
		_, rest, found := strings.Cut(page, "```caddyfile\n")
		if !found {
			return blocks
		}
		var block string
		block, page, _ = strings.Cut(rest, "```")
		blocks = append(blocks, block)
	}
}

func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.Less(t, strings.Count(string(text), "\n"), 150)
}
