package rest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCollectionsAreKeyspacesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, err := s.db.OpenCollection(t.Context(), "shop", "items")
	require.NoError(t, err)
	_, err = s.db.OpenCollection(t.Context(), "", "more")
	require.NoError(t, err)
	local := func(keyspace string) scenario {
		return scenario{name: "checkpoint", method: http.MethodPut, path: "/" + keyspace + "/_local/cp", body: `{"of":"` + keyspace + `"}`, status: 201}
	}
	s.runAll([]scenario{
		{name: "written", method: http.MethodPut, path: "/notes.shop.items/a", body: `{"in":"items"}`, status: 201},
		{name: "the same ID elsewhere", method: http.MethodPut, path: "/notes/a", body: `{"in":"default"}`, status: 201},
		{name: "the scope left out", method: http.MethodPut, path: "/notes.more/a", body: `{"in":"more"}`, status: 201},
		{name: "read", path: "/notes.shop.items/a", has: []string{`"in":"items"`}},
		{name: "read", path: "/notes/a", has: []string{`"in":"default"`}},
		{name: "the default one in full", path: "/notes._default._default/a", has: []string{`"in":"default"`}},
		{name: "and by half", path: "/notes._default/a", has: []string{`"in":"default"`}},
		{name: "in full", path: "/notes._default.more/a", has: []string{`"in":"more"`}},
		{name: "made", method: http.MethodPost, path: "/notes.shop.items", body: `{"_id":"b"}`, status: 201, headers: map[string]string{"Location": "/notes.shop.items/b"}},
		{name: "changes", path: "/notes.shop.items/_changes", has: []string{`"id":"a"`, `"id":"b"`, `"last_seq":"4"`}},
		{name: "changes of the others", path: "/notes.more/_changes", has: []string{`"id":"a"`, `"seq":3`}, hasNot: []string{`"id":"b"`}},
		{name: "list", path: "/notes.shop.items/_all_docs", has: []string{`"total_rows":2`, `"id":"b"`}},
		{name: "list of the others", path: "/notes/_all_docs", has: []string{`"total_rows":1`}, hasNot: []string{`"id":"b"`}},
		{name: "info", path: "/notes.shop.items", has: []string{`"db_name":"notes.shop.items"`, `"doc_count":2`, `"update_seq":"4"`}},
		{name: "revisions", method: http.MethodPost, path: "/notes.more/_revs_diff", body: `{"b":["1-x"]}`, has: []string{`{"b":{"missing":["1-x"]}}`}},
		local("notes"), local("notes.shop.items"),
		{name: "checkpoint", path: "/notes/_local/cp", has: []string{`"of":"notes"`}},
		{name: "checkpoint", path: "/notes.shop.items/_local/cp", has: []string{`"of":"notes.shop.items"`}},
		{name: "none", path: "/notes.more/_local/cp", status: 404},
	})
}

func TestUnknownKeyspaces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stranger := map[string]string{"Authorization": ""}
	for _, keyspace := range []string{"notes.c", "notes.s.c", "notes.", "notes..", "notes.a.b.c", "notes._x.y", "notes.s._default.x"} {
		s.runAll([]scenario{
			{name: "a document", path: "/" + keyspace + "/a", status: 404, has: []string{`"reason":"keyspace \"` + keyspace + `\" not found"`}},
			{name: "a write", method: http.MethodPut, path: "/" + keyspace + "/a", body: `{}`, status: 404},
			{name: "info", path: "/" + keyspace, status: 404},
			{name: "whoever may not come in", path: "/" + keyspace + "/a", header: stranger, status: 401, has: []string{"Login required"}},
		})
	}
}

func TestWhatBelongsToTheDatabaseIsNotInACollection(t *testing.T) {
	t.Parallel()
	stranger := map[string]string{"Authorization": ""}
	s := newSite(t)
	for _, path := range []string{"_session", "_session/handle", "_oidc", "_oidc_callback", "_oidc_refresh"} {
		s.runAll([]scenario{
			{name: path, path: "/notes._default._default/" + path, status: 404, has: []string{`"reason":"missing"`}},
			{name: path, path: "/notes._default._default/" + path, header: stranger, status: 401},
		})
	}
	s.runAll([]scenario{
		{name: "create", method: http.MethodPut, path: "/notes._default", status: 404},
		{name: "delete", method: http.MethodDelete, path: "/notes._default", status: 404},
	})
	s = newSite(t, adminSite)
	for _, path := range []string{"_user/", "_user/a", "_user/a/_session", "_role/", "_role/r"} {
		s.run(scenario{name: path, path: "/notes._default._default/" + path, status: 404, has: []string{`"reason":"missing"`}})
	}
	s.runAll([]scenario{
		{name: "create", method: http.MethodPut, path: "/other.scope.collection", status: 404, has: []string{"no_db_file"}},
		{name: "create", method: http.MethodPut, path: "/notes.scope.collection", status: 404},
		{name: "delete", method: http.MethodDelete, path: "/notes._default", status: 404},
		{name: "still there", path: "/notes"},
		{name: "no name of a database", path: "/.notes", status: http.StatusTeapot},
	})
}
