package caddysync

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// stuckWriter writes to a client that takes nothing, until a deadline is over.
type stuckWriter struct {
	*httptest.ResponseRecorder
	once sync.Once
	over chan struct{}
}

func (w *stuckWriter) Write([]byte) (int, error) {
	<-w.over
	return 0, os.ErrDeadlineExceeded
}

func (w *stuckWriter) SetWriteDeadline(at time.Time) error {
	if at.Before(time.Now()) {
		w.once.Do(func() { close(w.over) })
	}
	return nil
}

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

	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), caddyhttp.VarsCtxKey, map[string]any{principalVar: someone}), http.MethodGet, "/", nil)
	w := &stuckWriter{ResponseRecorder: httptest.NewRecorder(), over: make(chan struct{})}
	begun, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- (&RequireHandler{app: open}).ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			close(begun)
			_, err := w.Write([]byte("a large file"))
			return err
		}))
	}()
	<-begun
	require.NoError(t, h.enter(t.Context(), shut))
	select {
	case err := <-done:
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	case <-time.After(10 * time.Second):
		require.FailNow(t, "it goes on after the sign-in")
	}
	h.leave(shut, 0)
	h.leave(open, 0)
	require.NoError(t, h.Destruct())
}
