package auth

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClientTravelsInTheContext(t *testing.T) {
	t.Parallel()
	require.Zero(t, ClientOf(t.Context()))
	c := Client{Addr: netip.MustParseAddr("192.0.2.7"), Secure: true, Host: "sync.example.com"}
	require.Equal(t, c, ClientOf(WithClient(t.Context(), c)))
}
