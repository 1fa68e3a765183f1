package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"
)

// asBinary makes the test binary be the command: a second process, without building one.
const asBinary = "CADDY_SYNC_TEST_AS_BINARY"

func TestMain(m *testing.M) {
	if os.Getenv(asBinary) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// run runs the command in another process.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), self, args...)
	command.Env = append(os.Environ(), asBinary+"=1", "XDG_DATA_HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	output, err := command.CombinedOutput()
	return string(output), err
}

func TestModulesAreListed(t *testing.T) {
	t.Parallel()
	output, err := run(t, "list-modules")
	require.NoError(t, err, output)
	for _, module := range []string{"sync", "sync.stores.badger", "http.handlers.sync", "http.handlers.sync_dev_idp", "admin.api.sync"} {
		require.Contains(t, output, "\n"+module+"\n")
	}
}

const oneStore = `{
	admin off
	persist_config off
	sync {
		store badger ./data {
			memory 64MiB
			min_free 1MiB
		}
		database notes
	}
}
`

func TestValidateWorksBesideARunningServer(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("Caddyfile", []byte(oneStore), 0o600))
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(oneStore), map[string]any{"filename": "Caddyfile"})
	require.NoError(t, err)
	require.NoError(t, caddy.Load(config, true))
	t.Cleanup(func() { require.NoError(t, caddy.Stop()) })

	output, err := run(t, "validate", "--config", "Caddyfile")
	require.NoError(t, err, output)
	require.Contains(t, output, "Valid configuration")

	// The folder is locked all the same: a second server does not start on it.
	output, err = run(t, "run", "--config", "Caddyfile")
	require.Error(t, err, output)
	require.Contains(t, output, "opening the store "+resolved(t, "data"))
	require.Equal(t, 1, strings.Count(output, "opening the store"), output)
}

// TestCommandsSayThatTheServerMayBeElsewhere: the quickstart's admin endpoint is at another port.
func TestCommandsSayThatTheServerMayBeElsewhere(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, command := range [][]string{{"backup", "store.backup"}, {"compact"}} {
		output, err := run(t, append(append([]string{"sync"}, command...), "--address", "127.0.0.1:"+freePorts(t, 1)[0])...)
		require.Error(t, err, output)
		require.Contains(t, output, "is its admin endpoint elsewhere")
		require.Contains(t, output, "--address")
	}
}

// TestABackupIsMadeThoughNobodyHearsOfIt: a write to a pipe that nobody reads ends a process, and this one said that the
// backup is whole before it gave it its name.
func TestABackupIsMadeThoughNobodyHearsOfIt(t *testing.T) {
	t.Chdir(t.TempDir())
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(oneStore), map[string]any{"filename": "Caddyfile"})
	require.NoError(t, err)
	require.NoError(t, caddy.Load(config, true))
	require.NoError(t, caddy.Stop())
	self, err := os.Executable()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), self, "sync", "backup", "store.backup", "--offline", "data")
	command.Env = append(os.Environ(), asBinary+"=1")
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	command.Stdout = writer
	var said strings.Builder
	command.Stderr = &said
	err = command.Run()
	require.NoError(t, writer.Close())
	var status *exec.ExitError
	require.ErrorAs(t, err, &status, said.String())
	require.Equal(t, 1, status.ExitCode(), said.String())
	require.Contains(t, said.String(), "broken pipe")
	left, err := filepath.Glob(".store*")
	require.NoError(t, err)
	require.Empty(t, left)
	output, err := run(t, "sync", "check", "store.backup")
	require.NoError(t, err, output)
}

func resolved(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	path, err = filepath.EvalSymlinks(path)
	require.NoError(t, err)
	return path
}
