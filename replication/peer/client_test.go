package peer_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// A large document on a slow line takes longer than nothing may come or go.
func TestABodyThatGoesSlowlyIsNotSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got int64
		to := &peer.Remote{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			for piece := make([]byte, 10<<10); ; time.Sleep(30 * time.Second) {
				n, err := r.Body.Read(piece)
				got += int64(n)
				switch {
				case r.Context().Err() != nil:
					return nil, r.Context().Err()
				case err == io.EOF:
					return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{}`)), ContentLength: got}, nil
				}
			}
		})}
		body := strings.Repeat("x", 100<<10)
		require.NoError(t, peer.NewClient(to, time.Minute, 0).JSON(t.Context(), http.MethodPost, "_bulk_docs", nil, body, nil))
		require.EqualValues(t, len(body)+3, got)
	})
}
