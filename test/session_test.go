package test

import (
	"net/url"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

func TestSignOutStopsALiveSync(t *testing.T) {
	t.Parallel()
	withProviders(t, func(t *testing.T, s site) {
		t.Helper()

		script := s.run(t, "signout", nil)
		ended := event[struct{ MS, Status int }](t, script, "ended")
		t.Logf("the live sync ended with %d, %d ms after the sign-out", ended.Status, ended.MS)
	})
}

func TestATokensExpiryEndsALiveFeed(t *testing.T) {
	t.Parallel()

	server := harness.New(t, harness.Options{})
	token, err := server.Token(t.Context(), "alice", url.Values{"ttl": {"5"}})
	require.NoError(t, err)

	script := site{Server: server}.run(t, "expiry", map[string]string{"TOKEN": token})
	ended := event[struct {
		Late   float64
		Status int
	}](t, script, "ended")
	t.Logf("the feed ended with %d, %.2f s after the token's exp", ended.Status, ended.Late)
}
