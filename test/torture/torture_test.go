package main

import (
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// TestTortureShort is the crash test in small; `make torture` is the long one.
func TestTortureShort(t *testing.T) {
	t.Parallel()
	c := config{
		duration: 25 * time.Second, writers: 16, shared: 20, rate: 2000, between: 1500 * time.Millisecond,
		seed: uint64(time.Now().UnixNano()), dir: t.TempDir(), settings: defaultSettings(), log: t.Output(),
	}
	if testing.Short() {
		c.duration = 8 * time.Second
	}
	report, err := run(t.Context(), c)
	require.NoError(t, harness.NeedTool(t, err))
	t.Logf("%s", report)
	require.Zero(t, report.found)
	require.GreaterOrEqual(t, report.kills, 3)
	require.Greater(t, report.acked, 500)
}
