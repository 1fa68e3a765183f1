package harness

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFreePortNeverRepeats(t *testing.T) {
	t.Parallel()

	seen := map[int]bool{}

	for range 50 {
		port, err := FreePort()
		require.NoError(t, err)
		require.False(t, seen[port])
		require.Less(t, port, 32768, "the kernel gives out the ports above to connections")

		seen[port] = true
	}
}

func TestCaddyfileTakesSettingsWithPlaces(t *testing.T) {
	t.Parallel()

	text, err := Settings{
		Database: "session {\nlifetime 1h\n}",
		Extra:    "http://127.0.0.1:{{.Port}}1 {\n}",
		Store:    "memory 32MiB",
	}.Caddyfile(Place{Port: 18000, Issuer: "http://localhost:18000/idp", Store: "/s"})

	require.NoError(t, err)
	require.Contains(t, text, "lifetime 1h")
	require.Contains(t, text, "http://127.0.0.1:180001 {")
	require.Contains(t, text, "memory 32MiB")
	require.Contains(t, text, "issuer    http://localhost:18000/idp")
	require.NotContains(t, text, "{{")

	text, err = Settings{NoIDP: true}.Caddyfile(Place{})
	require.NoError(t, err)
	require.NotContains(t, text, "oidc dev")
	require.NotContains(t, text, "sync_dev_idp")
}

func TestScriptTalksBothWays(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "echo.mjs")
	require.NoError(t, os.WriteFile(path, []byte(`
console.log('plain text is no event')
console.log(JSON.stringify({event: 'hello', name: process.env.NAME}))
process.stdin.once('data', d => {
  console.log(JSON.stringify({event: 'heard', text: String(d).trim()}))
  process.exit(0)
})
`), 0o600))

	n := NewScript(t, Script{Path: path, Env: map[string]string{"NAME": "alice"}})

	hello, err := n.Await(t.Context(), "hello")
	require.NoError(t, err)

	var data struct{ Name, Text string }

	require.NoError(t, hello.Into(&data))
	require.Equal(t, "alice", data.Name)
	require.NoError(t, n.Tell("go on"))

	heard, err := n.Await(t.Context(), "heard")
	require.NoError(t, err)
	require.NoError(t, heard.Into(&data))
	require.Equal(t, "go on", data.Text)
	require.NoError(t, n.Wait(t.Context()))

	_, err = n.Await(t.Context(), "never")
	require.ErrorIs(t, err, ErrExited)
}

func TestScriptThatFailsShowsItsOutput(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "fail.mjs")
	require.NoError(t, os.WriteFile(path, []byte("throw new Error('what went wrong')\n"), 0o600))

	n := NewScript(t, Script{Path: path})
	require.ErrorContains(t, n.Wait(t.Context()), "what went wrong")
}

func TestCloseEndsAScriptThatHangs(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "hang.mjs")
	require.NoError(t, os.WriteFile(path, []byte("setInterval(() => {}, 1000); console.log('{\"event\":\"up\"}')\n"), 0o600))

	n := NewScript(t, Script{Path: path})
	_, err := n.Await(t.Context(), "up")
	require.NoError(t, err)

	began := time.Now()

	require.NoError(t, n.Close())
	require.Less(t, time.Since(began), 2*time.Second)
}

func TestCheckLogFindsPanicsAndRaces(t *testing.T) {
	t.Parallel()

	for _, bad := range []string{"WARNING: DATA RACE", "http: panic serving 127.0.0.1", "panic: runtime error"} {
		s := &Server{Place: Place{Dir: t.TempDir()}}
		require.NoError(t, s.CheckLog())
		require.NoError(t, os.WriteFile(s.logPath(), []byte("{}\n"+bad+"\n{}\n"), 0o600))
		require.ErrorIs(t, s.CheckLog(), ErrUnsound)
	}
}

func TestAMissingToolIsAFailureInCI(t *testing.T) {
	t.Setenv("CI", "true")
	require.ErrorIs(t, NeedTool(t, ErrNoTool), ErrNoTool)

	t.Setenv("CI", "")
	require.ErrorIs(t, NeedTool(t, ErrRefused), ErrRefused)
}
