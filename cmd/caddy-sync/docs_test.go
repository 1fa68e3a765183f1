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
	"github.com/caddysync/caddy-sync/test/docpage"
	"github.com/stretchr/testify/require"
)

// TestCaddyfilesOfTheDocumentationLoad provisions every Caddyfile of the README and of docs,
// and adapts those that are parts: of the option sync, of a database, or of a site, as the
// word behind the block's language says.
func TestCaddyfilesOfTheDocumentationLoad(t *testing.T) {
	pages, err := docpage.All("../..")
	require.NoError(t, err)
	whole := 0
	for _, page := range pages {
		if page.Path != "README.md" && !strings.HasPrefix(page.Path, "docs/") {
			continue
		}
		for _, block := range page.Blocks {
			if block.Language != "caddyfile" {
				continue
			}
			if block.Place == "" {
				whole++
			}
			t.Run(fmt.Sprintf("%s:%d", page.Path, block.Line), func(t *testing.T) { loadCaddyfile(t, block.Place, block.Text) })
		}
	}
	require.Greater(t, whole, 12)
}

func loadCaddyfile(t *testing.T, place, text string) {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	for _, name := range regexp.MustCompile(`\{env\.(\w+)`).FindAllStringSubmatch(text, -1) {
		t.Setenv(name[1], "secret")
	}
	t.Chdir(t.TempDir())
	writeFunctions(t, text)
	around := map[string][2]string{
		"": {}, "sync": {"{\n\tsync {\n", "\t}\n}\n"}, "database": {"{\n\tsync {\n\t\tdatabase notes {\n", "\t\t}\n\t}\n}\n"}, "site": {":8080 {\n", "}\n"},
	}
	part, known := around[place]
	require.True(t, known, "a block stands in sync, a database or a site, not in %q", place)
	// Where the page's reader has the folder, or makes it.
	text = part[0] + strings.NewReplacer("/var/lib/caddy-sync", "./data", "/var/log/", "./").Replace(text) + part[1]
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	require.NoError(t, err)
	var config caddy.Config
	require.NoError(t, json.Unmarshal(adapted, &config))
	if place == "" {
		require.Empty(t, warnings)
		require.NoError(t, caddy.Validate(&config))
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

func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.Less(t, strings.Count(string(text), "\n"), 150)
}
