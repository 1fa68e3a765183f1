package rest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// refusals refuses documents by the error of their member n.
type refusals map[string]error

func (r refusals) Evaluate(_ context.Context, e syncstore.Evaluation) (syncstore.Outcome, error) {
	return syncstore.Outcome{}, r[string(e.New.Body)]
}

// F105: what a policy refuses is answered with its own words.
func TestRejectedWritesSayThePolicysWords(t *testing.T) {
	t.Parallel()
	h, db := feedSite(t)
	db.Default().SetPolicy(syncstore.Policy{Evaluator: refusals{
		`{"n":401}`: &access.RejectionError{Status: http.StatusUnauthorized, Reason: "who are you?"},
		`{"n":403}`: &access.RejectionError{Status: http.StatusForbidden, Reason: "not yours"},
		`{"n":500}`: &access.RejectionError{Status: http.StatusInternalServerError, Reason: "Exception in JS sync function"},
	}})
	send := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-User", "alice")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, c := range []struct {
		body   string
		status int
		answer string
	}{
		{`{"n":401}`, 401, `{"error":"unauthorized","reason":"who are you?"}`},
		{`{"n":403}`, 403, `{"error":"forbidden","reason":"not yours"}`},
		{`{"n":500}`, 500, `{"error":"internal_server_error","reason":"Exception in JS sync function"}`},
	} {
		w := send(http.MethodPut, "/notes/a", c.body)
		require.Equal(t, c.status, w.Code)
		require.JSONEq(t, c.answer, w.Body.String())
	}
	w := send(http.MethodPost, "/notes/_bulk_docs", `{"docs":[{"_id":"a","n":500}]}`)
	require.Equal(t, http.StatusCreated, w.Code, "one document's failure is no failure of the server")
	require.JSONEq(t, `[{"id":"a","error":"internal_server_error","reason":"Exception in JS sync function","status":500}]`, w.Body.String())
	require.Equal(t, http.StatusForbidden, asAnswer(errors.Join(syncstore.ErrRejected)).status)
}
