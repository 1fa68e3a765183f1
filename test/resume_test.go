package test

import (
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

func TestPouchDBResumesAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()

	for _, scenario := range []struct{ direction, adapter string }{
		{"push", "memory"}, {"push", "leveldb"}, {"pull", "memory"}, {"pull", "leveldb"},
	} {
		t.Run(scenario.direction+" "+scenario.adapter, func(t *testing.T) {
			t.Parallel()

			server := harness.New(t, harness.Options{})
			script := site{Server: server, issuer: server.Issuer}.start(t, "resume", map[string]string{
				"DIRECTION": scenario.direction, "ADAPTER": scenario.adapter,
			})

			midway := event[struct {
				Written int `json:"docs_written"`
			}](t, script, "midway")
			require.NoError(t, server.Kill())

			// The client must have seen the loss before the server is back.
			event[struct{}](t, script, "lost")
			require.NoError(t, server.Restart(t.Context()))
			finish(t, script)

			resumed := event[struct {
				Done, Again int
				Sinces      []string
			}](t, script, "resumed")
			t.Logf("%s: killed after %d; %d before, %d after; went on from %v",
				scenario.direction, midway.Written, resumed.Done, resumed.Again, resumed.Sinces)
		})
	}
}
