package caddysync

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// adminServer serves the admin API as Caddy does.
func adminServer(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for _, route := range new(adminAPI).Routes() {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			err := route.Handler.ServeHTTP(w, r)
			if refusal, ok := errors.AsType[caddy.APIError](err); ok {
				http.Error(w, err.Error(), refusal.HTTPStatus)
			} else if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestAdminAPIBacksAStoreUp(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory adminbackup", "", "")))
	s.put("one")
	server := adminServer(t)
	get := func(path string) (*http.Response, []byte) {
		t.Helper()
		res, err := http.Get(server.URL + path)
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res, body
	}

	res, whole := get("/sync/backup")
	require.Equal(t, http.StatusOK, res.StatusCode, string(whole))
	next := res.Header.Get(rest.NextBackupHeader)
	require.Len(t, next, 32)
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	header, _, err := syncstore.VerifyBackup(bytes.NewReader(whole))
	require.NoError(t, err)
	require.Equal(t, next, header.Next)
	s.put("two")
	_, later := get("/sync/backup?store=memory:adminbackup&since=" + next)
	report, err := syncstore.Restore(t.Context(), memory.New(), []syncstore.BackupSource{
		{Name: "whole", Reader: bytes.NewReader(whole)}, {Name: "later", Reader: bytes.NewReader(later)},
	}, syncstore.RestoreOptions{})
	require.NoError(t, err)
	require.Equal(t, int64(2), report.Databases[0].Docs)

	for path, status := range map[string]int{
		"/sync/backup?since=unknown": http.StatusConflict,
		"/sync/backup?store=other":   http.StatusNotFound,
	} {
		res, _ := get(path)
		require.Equal(t, status, res.StatusCode, path)
		require.Empty(t, res.Header.Get(rest.NextBackupHeader))
	}
	for path, method := range map[string]string{"/sync/backup": http.MethodPost, "/sync/gc": http.MethodGet} {
		_, _, err := adminRequest(t, method, path)
		var refusal caddy.APIError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, http.StatusMethodNotAllowed, refusal.HTTPStatus)
	}
	_, text, err := adminRequest(t, http.MethodPost, "/sync/gc")
	require.NoError(t, err)
	require.JSONEq(t, `{"ok":true,"store":"memory:adminbackup","rewritten":0}`, text)
}
