package test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// tokenOf signs alice in at panva's provider by the real flow and returns her ID token.
func tokenOf(t *testing.T, p *panva) string {
	t.Helper()

	script := harness.NewScript(t, harness.Script{Path: "token.mjs", Env: map[string]string{"ISSUER": p.Issuer}})

	return event[struct{ Token string }](t, script, "token").Token
}

func TestDecision7_AProviderThatIsDownAtStartIsFoundLater(t *testing.T) {
	t.Parallel()
	withKeyProviders(t, func(t *testing.T, server *harness.Server, p keyProvider) {
		t.Helper()

		token := p.token()
		p.stop()
		require.NoError(t, server.Restart(t.Context()))

		// 401 would stop Couchbase Lite for good; the token may well be good.
		down := requireStatus(t, server, token, http.StatusServiceUnavailable, "the provider is down")
		require.NotEmpty(t, down.header.Get("Retry-After"))

		p.start()
		eventually(t, 40*time.Second, func() bool { return ask(t, server, read(token)).status == http.StatusOK })

		// The last good keys are kept, so that a restart works while the provider is down. They are
		// stored after whoever waits for them is answered.
		eventually(t, 10*time.Second, func() bool { return strings.Contains(server.Log(), "keys are new and stored") })
		p.stop()
		require.NoError(t, server.Kill())
		require.NoError(t, server.Restart(t.Context()))
		requireStatus(t, server, token, http.StatusOK, "a restart while the provider is down")
	})
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, limit time.Duration, ask func() bool) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()

	for !ask() {
		select {
		case <-ctx.Done():
			require.FailNow(t, "not within "+limit.String())
		case <-tick.C:
		}
	}
}
