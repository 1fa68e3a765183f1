package caddysync

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/stretchr/testify/require"
)

// adminRequest asks the admin API's handler.
func adminRequest(t *testing.T, method, path string) (int, string, error) {
	t.Helper()
	for _, route := range new(adminAPI).Routes() {
		if route.Pattern == path {
			w := httptest.NewRecorder()
			err := route.Handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			return w.Code, w.Body.String(), err
		}
	}
	require.Fail(t, "no route", path)
	return 0, "", nil
}

// A configuration may not come in though its store is open: a collection is to be made, and the disk is full. No request is
// answered then.
func TestHealthTellsWhenNoRequestIsAnswered(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory health", "", "")))
	h := handles()[0]
	a := h.newest()
	require.NotNil(t, a)
	h.leave(a, 0)
	status, text, err := adminRequest(t, http.MethodGet, "/sync/health")
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.JSONEq(t, `{"ok":false,"stores":1,"open":1,"serving":0}`, text)
}

// A store that is damaged, or could not be opened again after a commit in doubt, is there and answers nothing.
func TestHealthTellsWhenAStoreCannotBeRead(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory unread", "", "")))
	require.NoError(t, handles()[0].current().engine.Close())
	status, text, err := adminRequest(t, http.MethodGet, "/sync/health")
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.JSONEq(t, `{"ok":false,"stores":1,"open":0,"serving":1}`, text)
}

func TestAdminAPIShowsTheStoresOfTheMoment(t *testing.T) {
	status, _, err := adminRequest(t, http.MethodGet, "/sync/health")
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status, "nothing runs")

	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory adminapi", "", "")))
	require.Error(t, s.load(s.config("store memory adminapi {\n option other\n}", "", "")))
	s.put("one")

	status, text, err := adminRequest(t, http.MethodGet, "/sync/health")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"ok":true,"stores":1,"open":1,"serving":1}`, text)
	_, text, err = adminRequest(t, http.MethodGet, "/sync/stats")
	require.NoError(t, err)
	require.Contains(t, text, `"store":"memory:adminapi","databases":["notes"]`)
	require.Contains(t, text, `"writes":1`)

	_, _, err = adminRequest(t, http.MethodPost, "/sync/stats")
	var refusal caddy.APIError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, http.StatusMethodNotAllowed, refusal.HTTPStatus)
}
