package peer_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/stretchr/testify/require"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (do roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return do(r) }

// The command that is interrupted is not to blame the other server.
func TestAClientThatIsStoppedSaysSoThoughTheServerFailedAsWell(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	to := &peer.Remote{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		cancel(stopped)
		return nil, io.EOF
	})}
	err := peer.NewClient(to, 0, 0).JSON(ctx, http.MethodGet, "x", nil, nil, nil)
	require.ErrorIs(t, err, stopped)
	require.NotErrorIs(t, err, peer.ErrRemote)
}
