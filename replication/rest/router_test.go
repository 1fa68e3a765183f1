package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/stretchr/testify/require"
)

func TestDecision14_WhoAnswersWhat(t *testing.T) {
	t.Parallel()
	const next = http.StatusTeapot
	html := map[string]string{"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
	s := newSite(t)
	s.runAll([]scenario{
		{name: "root for programs", path: "/", header: map[string]string{"Accept": "*/*"}},
		{name: "root for PouchDB", path: "/", header: map[string]string{"Accept": "application/json"}},
		{name: "root for browsers", path: "/", header: html, status: next},
		{name: "root endpoint for browsers", path: "/_up", header: html},
		{name: "document for browsers", path: "/notes/none", header: html, status: 404},
		{name: "other path", path: "/index.html", status: next},
		{name: "longer name", path: "/notes2", status: next},
		{name: "double slash", path: "//notes", status: next},
	})
	s = newSite(t, allDatabases)
	s.runAll([]scenario{
		{name: "any name is ours", path: "/unknown", status: 401, has: []string{"Login required"}},
		{name: "no name of a database", path: "/favicon.ico", status: next},
		{name: "nor this", path: "/.well-known/acme", status: next},
		{name: "a collection in full", path: "/unknown.scope.collection", status: 401, has: []string{"Login required"}},
		{name: "known", path: "/notes"},
	})
	s = newSite(t, func(c *Config, _ *fakeAuth) { c.PathPrefix = "/api" })
	s.runAll([]scenario{
		{name: "below the prefix", path: "/api/notes"},
		{name: "root", path: "/api", has: []string{"Welcome"}},
		{name: "root with a slash", path: "/api/", has: []string{"Welcome"}},
		{name: "outside", path: "/notes", status: next},
		{name: "longer", path: "/apinotes", status: next},
		{name: "location", method: http.MethodPost, path: "/api/notes", body: `{"_id":"x"}`, status: 201, headers: map[string]string{"Location": "/api/notes/x"}},
	})
}

func TestRoute(t *testing.T) {
	t.Parallel()
	h := &Handler{names: map[string]struct{}{"notes": {}, "a/b": {}}}
	for path, want := range map[string]target{
		"/notes/x":             {kind: kindDocument, db: "notes", doc: "x"},
		"/notes/x/":            {kind: kindDocument, db: "notes", doc: "x"},
		"/a%2Fb/x":             {kind: kindDocument, db: "a/b", doc: "x"},
		"/notes/x%2Fy":         {kind: kindDocument, db: "notes", doc: "x/y"},
		"/notes/x/y":           {kind: kindAttachment, db: "notes", doc: "x", att: "y"},
		"/notes/x/y/z":         {kind: kindAttachment, db: "notes", doc: "x", att: "y/z"},
		"/notes/_design/x":     {kind: kindDocument, db: "notes", doc: "_design/x"},
		"/notes/_design%2Fx":   {kind: kindDocument, db: "notes", doc: "_design/x"},
		"/notes/_design/x/y":   {kind: kindAttachment, db: "notes", doc: "_design/x", att: "y"},
		"/notes/_design%2Fx/y": {kind: kindAttachment, db: "notes", doc: "_design/x", att: "y"},
		"/notes/_local/x":      {kind: kindLocal, db: "notes", doc: "x"},
		"/notes/_local%2Fx":    {kind: kindLocal, db: "notes", doc: "x"},
		"/notes/_local/x%2Fy":  {kind: kindLocal, db: "notes", doc: "x/y"},
		"/notes/_local/x/y":    {kind: kindLocalAttachment, db: "notes", doc: "x", att: "y"},
		"/notes/_changes":      {kind: kindChanges, db: "notes"},
		"/notes/_changes/":     {kind: kindChanges, db: "notes"},
		"/notes/_all_docs":     {kind: kindAllDocs, db: "notes"},
		"/notes/%5Fchanges":    {kind: kindChanges, db: "notes"},
		"/notes/_design":       {kind: kindUnknown, db: "notes", doc: "_design"},
		"/notes/_local":        {kind: kindUnknown, db: "notes", doc: "_local"},
		"/notes/_changes/x":    {kind: kindUnknown, db: "notes", doc: "_changes"},
		"/notes/_session":      {kind: kindSession, db: "notes"},
		"/notes/%E2%82%AC":     {kind: kindDocument, db: "notes", doc: "€"},
		"/notes":               {kind: kindDatabase, db: "notes"},
		"/notes.c":             {kind: kindDatabase, db: "notes", keyspace: "notes.c"},
		"/notes.s.c/":          {kind: kindDatabase, db: "notes", keyspace: "notes.s.c"},
		"/notes.s.c/x.y/z":     {kind: kindAttachment, db: "notes", keyspace: "notes.s.c", doc: "x.y", att: "z"},
		"/notes%2Es%2Ec/x":     {kind: kindDocument, db: "notes", keyspace: "notes.s.c", doc: "x"},
		"/notes.a.b.c.d/x":     {kind: kindDocument, db: "notes", keyspace: "notes.a.b.c.d", doc: "x"},
		"/notes./_changes":     {kind: kindChanges, db: "notes", keyspace: "notes."},
		"/_session":            {kind: kindRootSession},
		"/_session/x":          {kind: kindRootSessionHandle, item: "x"},
	} {
		got, ours := h.route(path)
		require.True(t, ours, path)
		if want.keyspace == "" {
			want.keyspace = want.db
		}
		require.Equal(t, want, got, path)
	}
}

// FuzzRouter: a path that is ours leads to one thing, with names that are not empty.
func FuzzRouter(f *testing.F) {
	for _, path := range []string{"/", "/notes", "/notes/a%2Fb/c", "/notes/_design/x", "/notes/_local%2F", "/notes//", "/notes/%", "/%zz", "//", "", "/notes.s.c/x", "/notes.s.c/_user/a", "/.x/_user/a", "/..", "/%2E"} {
		f.Add(path)
	}
	handlers := []*Handler{
		{names: map[string]struct{}{"notes": {}}}, {}, {Config: Config{PathPrefix: "/notes"}},
		{Config: Config{Site: auth.Site{Admin: &auth.AdminRule{Loopback: true}}}},
	}
	f.Fuzz(func(t *testing.T, path string) {
		for _, h := range handlers {
			to, ours := h.route(path)
			if !ours {
				continue
			}
			act, err := to.action(http.MethodGet)
			if err == nil && act.do == nil {
				t.Fatal("no action")
			}
			if to.err != nil {
				continue
			}
			switch to.kind {
			case kindRoot, kindUp, kindAllDBs, kindRootSession, kindRootSessionHandle, kindRootUnknown, kindExplain:
				if to.db != "" || to.keyspace != "" {
					t.Fatalf("%q: %+v", path, to)
				}
				continue
			}
			if to.db == "" || databaseOf(to.keyspace) != to.db {
				t.Fatalf("%q: nobody would be signed in: %+v", path, to) // serve goes by the database
			}
			switch to.kind {
			case kindDocument, kindLocal:
				if to.doc == "" || to.att != "" || to.db == "" || to.keyspace == "" {
					t.Fatalf("%q: %+v", path, to)
				}
				if to.doc[0] == '_' && to.kind == kindDocument && !strings.HasPrefix(to.doc, "_design/") {
					t.Fatalf("%q: reserved ID %q", path, to.doc)
				}
			case kindAttachment:
				if to.doc == "" || to.att == "" {
					t.Fatalf("%q: %+v", path, to)
				}
			}
		}
	})
}
