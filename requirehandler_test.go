package caddysync

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// A handler that does not look whether it was cancelled, as file_server, sends a file to its end otherwise.
func TestWhatHandlersBehindTheSignInSendEndsWithIt(t *testing.T) {
	t.Parallel()
	h := newStoreHandle("cut")
	open, shut := newHeldApp(t, h, true), newHeldApp(t, h, false)
	opened, err := h.open(open)
	require.NoError(t, err)
	require.NoError(t, opened.createDatabases(t.Context(), zap.NewNop(), []string{"notes"}))
	require.NoError(t, h.enter(t.Context(), open))
	someone, err := open.auth.Authenticate(httptest.NewRequest(http.MethodGet, "/", nil), &auth.Site{}, auth.Database{Name: "notes", ID: 1})
	require.NoError(t, err)

	ctx := context.WithValue(t.Context(), caddyhttp.VarsCtxKey, map[string]any{principalVar: someone})
	w := httptest.NewRecorder()
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		for _, file := range []string{"a small one", strings.Repeat("x", cancelledPiece), strings.Repeat("x", 3*cancelledPiece+1)} {
			n, err := io.Copy(w, strings.NewReader(file))
			assert.NoError(t, err)
			assert.EqualValues(t, len(file), n)
		}
		assert.NoError(t, h.enter(t.Context(), shut))
		<-r.Context().Done()
		_, err := io.Copy(w, iotest.ErrReader(io.ErrUnexpectedEOF))
		assert.ErrorIs(t, err, context.Canceled)
		_, err = w.Write([]byte("the rest of a large file"))
		return err
	})
	err = (&RequireHandler{app: open}).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil), next)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, len("a small one")+4*cancelledPiece+1, w.Body.Len())
	h.leave(shut, 0)
	h.leave(open, 0)
	require.NoError(t, h.Destruct())
}
