package auth

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"

	"github.com/caddysync/caddy-sync/test/apidoc"
)

// apiBook is docs/api.yaml, and what tests were answered by the endpoints of sessions and of
// sign-in by browser.
type apiBook struct {
	*apidoc.API
	record *apidoc.Record
}

var described = sync.OnceValue(func() *apiBook {
	api, err := apidoc.Load("../docs/api.yaml")
	if err != nil {
		panic(err)
	}
	return &apiBook{API: api, record: apidoc.NewRecord(api, "auth")}
})

// note records an answer of a path.
func (b *apiBook) note(path string, r *http.Request, w *httptest.ResponseRecorder) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	known := false
	for _, o := range b.Operations {
		if o.Path != path {
			continue
		}
		known = true
		if o.Method == method {
			b.record.Add(o, &apidoc.Answer{Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()})
			return
		}
	}
	if !known || !slices.Contains([]int{http.StatusMethodNotAllowed, http.StatusForbidden, http.StatusUnauthorized}, w.Code) {
		b.record.Problem("%s %s answered %d and is not described", r.Method, path, w.Code)
	}
}

func serveSession(s *Service, w *httptest.ResponseRecorder, r *http.Request, site *Site, db *Database, names []Database) {
	s.ServeSession(w, r, site, db, names)
	described().note(below(db, "/_session"), r, w)
}

func serveSessionHandle(s *Service, w *httptest.ResponseRecorder, r *http.Request, site *Site, db *Database, names []Database, handle string) {
	s.ServeSessionHandle(w, r, site, db, names, handle)
	described().note(below(db, "/_session/{handle}"), r, w)
}

func serveOIDC(s *Service, w *httptest.ResponseRecorder, r *http.Request, site *Site, db Database, endpoint OIDCEndpoint) {
	s.ServeOIDC(w, r, site, db, endpoint)
	described().note(below(&db, "/"+string(endpoint)), r, w)
}

func below(db *Database, path string) string {
	if db == nil {
		return path
	}
	return "/{db}" + path
}
