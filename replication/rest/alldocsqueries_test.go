package rest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSeveralListingsInOneAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, adminSite)
	for _, id := range []string{"a", "b", "c", "_design/x", "_design/y"} {
		s.put(id, `{}`)
	}
	post := func(name, path, body string, status int, has ...string) scenario {
		return scenario{name: name, method: http.MethodPost, path: path, body: body, status: status, has: has}
	}
	s.runAll([]scenario{
		post("two", "/notes/_all_docs/queries", `{"queries":[{"keys":["b","none"]},{"startkey":"b","limit":1,"include_docs":true}]}`, 200,
			"{\"results\":[{\"total_rows\":5,\"offset\":0,\"rows\":[\n{\"id\":\"b\"", `{"key":"none","error":"not_found"}`, `"doc":{"_id":"b"`, "]}]}\n"),
		post("none", "/notes/_all_docs/queries", `{"queries":[]}`, 200, `{"results":[]}`),
		post("no queries", "/notes/_all_docs/queries", `{}`, 400, "queries"),
		post("a bad one", "/notes/_all_docs/queries", `{"queries":[{},{"limit":"x"}]}`, 400, "limit"),
		{name: "method", path: "/notes/_all_docs/queries", status: 405, headers: map[string]string{"Allow": "POST, OPTIONS"}},
		post("design documents", "/notes/_design_docs/queries", `{"queries":[{},{"keys":["_design/x","a"]}]}`, 200,
			`{"id":"_design/x"`, `{"id":"_design/y"`, `{"key":"a","error":"not_found"}`, `"total_rows":2`),
	})
	for query, want := range map[string][]string{
		"":                                {"_design/x", "_design/y"},
		"?descending=true&limit=1":        {"_design/y"},
		`?startkey="_design/y"`:           {"_design/y"},
		`?endkey="_design/x"`:             {"_design/x"},
		`?startkey="a"`:                   {},
		`?endkey="A"`:                     {},
		`?startkey="A"&endkey="z"&skip=1`: {"_design/y"},
	} {
		page := parseAllDocs(t, s.run(scenario{path: "/notes/_design_docs" + query}).Body.String())
		ids := []string{}
		for _, row := range page.Rows {
			ids = append(ids, row.ID)
		}
		require.Equal(t, want, ids, query)
	}
}

func TestLocalDocumentsAreListedToTheirOwner(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, id := range []string{"a", "b", "c"} {
		s.run(scenario{method: http.MethodPut, path: "/notes/_local/" + id, body: `{"of":"alice"}`, status: 201})
	}
	for query, want := range map[string][]string{
		"":                                       {"_local/a", "_local/b", "_local/c"},
		"?descending=true&limit=2":               {"_local/c", "_local/b"},
		"?skip=1&limit=1":                        {"_local/b"},
		`?startkey="_local/b"`:                   {"_local/b", "_local/c"},
		`?endkey="_local/b"`:                     {"_local/a", "_local/b"},
		`?endkey="_local/b"&inclusive_end=false`: {"_local/a"},
		`?startkey="_local/b"&endkey="_local/a"&descending=true`: {"_local/b", "_local/a"},
		`?key="_local/b"`:     {"_local/b"},
		`?startkey="a"`:       {},
		`?endkey="A"`:         {},
		`?startkey="_local0"`: {},
		`?startkey="_local0"&endkey="_local/a"&descending=true&inclusive_end=false`: {"_local/c", "_local/b"},
		"?limit=0": {},
	} {
		page := parseAllDocs(t, s.run(scenario{path: "/notes/_local_docs" + query}).Body.String())
		ids := []string{}
		for _, row := range page.Rows {
			ids = append(ids, row.ID)
		}
		require.Equal(t, want, ids, query)
	}
	s.runAll([]scenario{
		{name: "with documents", path: "/notes/_local_docs?include_docs=true&limit=1", has: []string{`"doc":{"_id":"_local/a","_rev":"0-1","of":"alice"}`}},
		{
			name: "by keys", method: http.MethodPost, path: "/notes/_local_docs", body: `{"keys":["_local/c","_local/x","a",1]}`,
			has: []string{`{"id":"_local/c"`, `{"key":"_local/x","error":"not_found"}`, `{"key":"a","error":"not_found"}`, `{"key":1,"error":"not_found"}`},
		},
		{name: "somebody else", path: "/notes/_local_docs", header: map[string]string{"Authorization": "Bearer bob"}, hasNot: []string{"_local/"}},
		{name: "revisions that a peer lacks", method: http.MethodPost, path: "/notes/_missing_revs", body: `{"none":["1-aa"]}`, has: []string{`{"missing_revs":{"none":["1-aa"]}}`}},
	})
}
