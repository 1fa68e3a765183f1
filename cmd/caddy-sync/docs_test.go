package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"
)

// TestCaddyfilesOfTheDocumentationLoad provisions the Caddyfile that the README begins with,
// and all of docs/sign-in.md, docs/access-control.md, docs/couchbase-lite.md,
// docs/queries.md and docs/replication.md.
func TestCaddyfilesOfTheDocumentationLoad(t *testing.T) {
	for _, page := range []struct {
		path   string
		blocks int
	}{{"README.md", 1}, {"docs/sign-in.md", 5}, {"docs/access-control.md", 3}, {"docs/couchbase-lite.md", 2}, {"docs/queries.md", 1}, {"docs/replication.md", 1}} {
		text, err := os.ReadFile("../../" + page.path)
		require.NoError(t, err)
		blocks := caddyfilesIn(string(text))
		require.Len(t, blocks, page.blocks, page.path)
		for i, block := range blocks {
			t.Run(fmt.Sprintf("%s %d", page.path, i+1), func(t *testing.T) {
				t.Setenv("XDG_DATA_HOME", t.TempDir())
				t.Setenv("ACME_SECRET", "secret")
				t.Setenv("CENTRE_PASSWORD", "secret")
				t.Chdir(t.TempDir())
				writeFunctions(t, block)
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

// syncFunction matches where a Caddyfile names the file of a sync function.
var syncFunction = regexp.MustCompile(`(?m)^\s*sync_function (\S+)`)

// writeFunctions makes the sync functions that a Caddyfile of the documentation names.
func writeFunctions(t *testing.T, block string) {
	t.Helper()
	for _, file := range syncFunction.FindAllStringSubmatch(block, -1) {
		require.NoError(t, os.WriteFile(file[1], []byte("function (doc) { channel(doc._id) }"), 0o600))
	}
}

// TestPicturesOfTheDocumentationCanBeRead looks at the pictures that pages show: they are
// there, say in words what they show, and have text that follows the reader's colours.
func TestPicturesOfTheDocumentationCanBeRead(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, picture := range regexp.MustCompile(`!\[[^]]+\]\(([^)]+)\)`).FindAllStringSubmatch(string(text), -1) {
			found++
			svg, err := os.ReadFile(filepath.Join(filepath.Dir(page), picture[1]))
			require.NoError(t, err)
			require.NoError(t, xml.Unmarshal(svg, new(struct{})), picture[1])
			for _, want := range []string{`role="img"`, "<title id=", "<desc id=", "prefers-color-scheme: dark", "<text "} {
				require.Contains(t, string(svg), want, picture[1])
			}
		}
	}
	require.GreaterOrEqual(t, found, 3)
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
