package caddysync

import (
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/stretchr/testify/require"
)

// clock_skew 0s is no clock skew, not the default.
func TestClockSkewOfZeroIsNone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		skew *caddy.Duration
		want time.Duration
	}{
		"not said": {nil, 0}, // auth's default
		"none":     {new(caddy.Duration), auth.NoClockSkew},
		"some":     {new(caddy.Duration(time.Second)), time.Second},
	} {
		var out auth.Provider
		(&TokenRules{ClockSkew: test.skew}).setRules(&out)
		require.Equal(t, test.want, out.ClockSkew, name)
	}
}
