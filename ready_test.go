package caddysync

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

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
}
