package auth

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// An issuer that differs by a slash is a line in the log, at most one a minute, that has both.
func TestStrangersAreWarnedOf(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	w := newWorld(t, func(c *Config) { c.Logger = zap.New(core) })
	_ = w.out(bearer(w.issuer.token("alice", map[string]any{"iss": w.issuer.url + "/"})))
	_ = w.out(bearer(w.issuer.token("alice", map[string]any{"iss": "https://other.example"})))

	require.Equal(t, 1, logs.Len())
	require.Equal(t, map[string]any{
		"reason": "unknown issuer", "issuer": w.issuer.url + "/", "configured": []any{w.issuer.url},
	}, logs.All()[0].ContextMap())
}

func TestStrangersAudienceIsWarnedOf(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	w := newWorld(t, func(c *Config) { c.Logger = zap.New(core) })
	_ = w.out(bearer(w.issuer.token("alice", map[string]any{"aud": "another-app"})))

	fields := logs.All()[0].ContextMap()
	require.Equal(t, "wrong audience", fields["reason"])
	require.Equal(t, []any{"another-app"}, fields["audience"])
	require.NotEmpty(t, fields["configured"])
}

func TestWarningsAreAMinuteApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w warnings
		require.True(t, w.due())
		time.Sleep(warningInterval - 1)
		require.False(t, w.due())
		time.Sleep(time.Nanosecond)
		require.True(t, w.due())
	})
}
