package caddysync

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"
)

// Caddy writes the request of an error into the log of the server, which no access log's filter is for. What a request
// brings that comes while the store is not open is good still.
func TestDecision15_RequestsThatComeTooEarlyLeaveNoSecretsInTheLog(t *testing.T) {
	t.Parallel()
	session := strings.Repeat("x", 43)
	for name, test := range map[string]struct {
		path, header, value string
		given, skips        bool
	}{
		"nothing secret":         {path: "/notes/_changes?since=5", given: true},
		"a code":                 {path: "/notes/_oidc_callback?code=secret&state=1"},
		"a refresh token":        {path: "/notes/_oidc_refresh?refresh_token=secret"},
		"what cannot be read":    {path: "/notes/_oidc_refresh?a;refresh_token=secret"},
		"a one-time token":       {path: "/notes/_blipsync", header: "Sec-WebSocket-Protocol", value: "BLIP_3+CBMobile_3, SyncGatewaySession_secret"},
		"a session in the path":  {path: "/notes/_session/" + session, skips: true},
		"where the browser was":  {path: "/notes", header: "Referer", value: "https://app.example.com/?code=secret"},
		"another page before it": {path: "/notes", header: "Referer", value: "https://app.example.com/lists?page=2", given: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			close(gone)
			h := &Handler{app: &App{ready: make(chan struct{}), gone: gone}}
			vars := map[string]any{}
			r := httptest.NewRequestWithContext(context.WithValue(t.Context(), caddyhttp.VarsCtxKey, vars), http.MethodGet, test.path, nil)
			if test.header != "" {
				r.Header.Set(test.header, test.value)
			}
			w := httptest.NewRecorder()
			err := h.ServeHTTP(w, r, nil)
			require.Equal(t, "1", w.Header().Get("Retry-After"))
			require.Equal(t, test.skips, vars[caddyhttp.LogSkipVar] != nil, "the access log has no session's ID")
			if test.given {
				require.ErrorIs(t, err, ErrNotReady)
				return
			}
			require.NoError(t, err)
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			require.Empty(t, w.Body.String())
		})
	}
}
