package caddysync

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAdminRanges(t *testing.T) {
	t.Parallel()
	rule, err := (&Admin{ClientIPs: []string{"192.0.2.7", "10.1.2.3/8", "2001:db8::1/64"}}).rule()
	require.NoError(t, err)
	require.Equal(t, []netip.Prefix{
		netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/64"),
	}, rule.ClientIPs)
	for _, bad := range []string{"", "private_ranges", "192.0.2", "10.0.0.0/33", "fe80::1%eth0", "example.com"} {
		_, err := (&Admin{ClientIPs: []string{bad}}).rule()
		require.ErrorContains(t, err, "allow client_ip", bad)
	}
}
