package test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// scenarioTime bounds one script.
const scenarioTime = 2 * time.Minute

// environment is what every script is told.
func (s site) environment(t *testing.T, more map[string]string) map[string]string {
	t.Helper()

	env := map[string]string{"SYNC_URL": s.URL, "ISSUER": s.issuer, "SCRATCH": t.TempDir()}
	maps.Copy(env, more)

	return env
}

// start starts a script of clients/scenarios.
func (s site) start(t *testing.T, name string, env map[string]string) *harness.Node {
	t.Helper()

	return harness.NewScript(t, harness.Script{Path: "scenarios/" + name + ".mjs", Env: s.environment(t, env)})
}

// run runs a script to its end; it fails the test by failing.
func (s site) run(t *testing.T, name string, env map[string]string) *harness.Node {
	t.Helper()

	script := s.start(t, name, env)
	finish(t, script)

	return script
}

func finish(t *testing.T, script *harness.Node) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), scenarioTime)
	defer cancel()

	require.NoError(t, script.Wait(ctx))
}

// event is a script's event, decoded.
func event[T any](t *testing.T, script *harness.Node, name string) T {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), scenarioTime)
	defer cancel()

	e, err := script.Await(ctx, name)
	require.NoError(t, err)

	var data T

	require.NoError(t, e.Into(&data))

	return data
}
