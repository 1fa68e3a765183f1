package caddysync

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"
)

// docs/api.yaml: a request that comes before the store is open waits, and then gets a 503
// without a body from Caddy.
func TestRequestsBeforeTheStoreIsOpenAreToldToComeBack(t *testing.T) {
	t.Parallel()
	h := &Handler{app: &App{ready: make(chan struct{})}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as after readyLimit
	w := httptest.NewRecorder()
	err := h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/notes", nil), nil)
	var refused caddyhttp.HandlerError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusServiceUnavailable, refused.StatusCode)
	require.Empty(t, w.Body.String())
	require.Equal(t, "1", w.Header().Get("Retry-After"))
}

// Caddy answers 401 for whatever its authentication does not let in. Retry-After tells it from a refusal.
func TestSyncAuthSaysThatAStoreThatIsNotOpenWillPass(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	close(gone)
	w := httptest.NewRecorder()
	p := &AuthProvider{Database: "notes", app: &App{ready: make(chan struct{}), gone: gone}}
	_, in, err := p.Authenticate(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/app", nil))
	require.ErrorIs(t, err, ErrNotReady)
	require.False(t, in)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
}

// Caddy starts apps in any order. Where the last one fails, requests may have come to the others from sockets that are
// the running configuration's too: they are told to come again at once.
func TestRequestsDoNotWaitForAConfigurationThatFailed(t *testing.T) {
	t.Parallel()
	failing := newHeldApp(t, newStoreHandle("failing"), true)
	waited := make(chan error, 1)
	go func() { waited <- failing.waitReady(t.Context()) }()
	require.NoError(t, failing.Stop())
	select {
	case err := <-waited:
		require.ErrorIs(t, err, ErrNotReady)
	case <-time.After(readyLimit / 2):
		require.FailNow(t, "it waits for what does not come")
	}
	require.NoError(t, failing.Stop(), "Cleanup comes after it")
}
