package caddysync

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecision18_ThreeModulesThatBuildAlone(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(text)
	}
	root, devidp, cmd, work := read("go.mod"), read("devidp/go.mod"), read("cmd/caddy-sync/go.mod"), read("go.work")

	require.NotContains(t, root, "zitadel", "the plugin's go.mod stays small")
	require.NotContains(t, root, "caddy-sync/devidp")
	require.NotContains(t, devidp, "github.com/caddysync/caddy-sync v", "devidp does not import the root")
	require.Contains(t, devidp, "github.com/zitadel/oidc/v3")
	for _, line := range []string{
		"github.com/caddysync/caddy-sync v0.0.0\n", "github.com/caddysync/caddy-sync/devidp v0.0.0\n",
		"github.com/caddysync/caddy-sync => ../..\n", "github.com/caddysync/caddy-sync/devidp => ../../devidp\n",
	} {
		require.Contains(t, cmd, line)
	}
	for _, line := range []string{"go 1.26.0\n", "\t.\n", "\t./cmd/caddy-sync\n", "\t./devidp\n"} {
		require.Contains(t, work, line)
	}
	require.FileExists(t, "go.work.sum")

	lint := read(".golangci.yml")
	for _, rule := range []string{"no-caddy:", "syncstore:", "no-badger:", "auth:", "engine:"} {
		require.Contains(t, lint, rule, "the import rules of the house")
	}
	makefile, ci := read("Makefile"), read(".ci/run")
	require.Contains(t, makefile, "MODULES    := . devidp cmd/caddy-sync", "./... enters no nested module")
	require.Contains(t, makefile, "GOWORK=off")
	require.Contains(t, ci, "make isolated")
}
