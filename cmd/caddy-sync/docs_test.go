package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"
)

// TestCaddyfileOfTheReadmeLoads provisions the Caddyfile that the README begins with.
func TestCaddyfileOfTheReadmeLoads(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```caddyfile\n")
	require.True(t, found)
	block, _, _ := strings.Cut(rest, "```")
	block = strings.ReplaceAll(block, "/var/lib/caddy-sync", filepath.Join(t.TempDir(), "store"))
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(block), map[string]any{"filename": "README.md"})
	require.NoError(t, err)
	require.Empty(t, warnings)
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	var config caddy.Config
	require.NoError(t, json.Unmarshal(adapted, &config))
	require.NoError(t, caddy.Validate(&config))
}

func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.Less(t, strings.Count(string(text), "\n"), 150)
}
