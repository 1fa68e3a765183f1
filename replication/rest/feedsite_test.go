package rest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// signedIn lets everybody in: as the user that the X-User header names, as an
// administrator for "admin", as a guest without one.
type signedIn struct{ noManagement }

func (signedIn) Authenticate(r *http.Request, _ *auth.Site, _ auth.Database) (*auth.Principal, error) {
	switch name := r.Header.Get("X-User"); name {
	case "":
		return &auth.Principal{Method: auth.MethodGuest}, nil
	case "admin":
		return &auth.Principal{Method: auth.MethodAdmin, Admin: true}, nil
	default:
		return &auth.Principal{Method: auth.MethodBearer, Name: name}, nil
	}
}

func (s signedIn) AuthenticateAdmin(r *http.Request, site *auth.Site) (*auth.Principal, error) {
	return s.Authenticate(r, site, auth.Database{})
}

func (signedIn) Lease(context.Context, *auth.Principal) (*auth.Lease, error) {
	return nil, errors.New("no lease in this test")
}

func (signedIn) ServeSession(http.ResponseWriter, *http.Request, *auth.Site, *auth.Database, []auth.Database) {
}

func (signedIn) ServeOIDC(http.ResponseWriter, *http.Request, *auth.Site, auth.Database, auth.OIDCEndpoint) {
}

// feedSite is a site that serves the database notes.
func feedSite(tb testing.TB) (http.Handler, *syncstore.Database) {
	tb.Helper()
	store, db := feedStore(tb)
	h, err := newHandler(Config{Store: store, Databases: []string{"notes"}}, signedIn{})
	require.NoError(tb, err)
	h.take = func(*request) (heldLease, error) { return newFakeLease(), nil } // on a busy machine an answer may take longer than a second
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serveNoted(h, w, r, http.NotFoundHandler())
	}), db
}

// exchange is a request and what its answer must be like.
type exchange struct {
	name   string
	method string // default GET
	path   string // below /notes/
	user   string // default alice; "guest" for none
	body   string
	header map[string]string
	status int // default 200
	want   []string
	not    []string
}

func (e *exchange) run(t *testing.T, site http.Handler) *httptest.ResponseRecorder {
	t.Helper()
	method := e.method
	if method == "" {
		method = http.MethodGet
	}
	r := httptest.NewRequest(method, "/notes/"+e.path, strings.NewReader(e.body))
	if e.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	switch e.user {
	case "guest":
	case "":
		r.Header.Set("X-User", "alice")
	default:
		r.Header.Set("X-User", e.user)
	}
	for key, value := range e.header {
		r.Header.Set(key, value)
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	status := e.status
	if status == 0 {
		status = http.StatusOK
	}
	require.Equal(t, status, w.Code, "%s: %s", e.name, w.Body)
	for _, text := range e.want {
		require.Contains(t, w.Body.String(), text, e.name)
	}
	for _, text := range e.not {
		require.NotContains(t, w.Body.String(), text, e.name)
	}
	return w
}

func runExchanges(t *testing.T, site http.Handler, exchanges []exchange) {
	t.Helper()
	for i := range exchanges {
		exchanges[i].run(t, site)
	}
}
