package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// viewSite is an administrator's site with some documents and views over them.
func viewSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t, adminSite)
	s.run(scenario{method: http.MethodPost, path: "/notes/_bulk_docs", status: 201, body: `{"docs":[
		{"_id":"a","n":1,"tags":["x","y"]},{"_id":"b","n":2,"tags":["y"],"link":"a"},{"_id":"c","n":2,"tags":[]},{"_id":"d","n":"text"},
		{"_id":"_design/app","views":{
			"n":{"map":"function (doc) { emit(doc.n, doc.tags) }"},
			"tags":{"map":"doc => doc.tags.forEach(tag => emit([tag, doc.n]))","reduce":"_count"},
			"total":{"map":"function (doc) { if (typeof doc.n === 'number') emit(doc._id, doc.n) }","reduce":"function (k, v, re) { return sum(v) }"},
			"bad":{"map":"function (doc) { emit(doc.n, doc.n) }","reduce":"_sum"},
			"link":{"map":"function (doc) { emit(doc._id, {_id: doc.link || doc._id + '!'}) }"},
			"one/two":{"map":"function (doc) { emit(1) }"}}}]}`})
	return s
}

func viewRows(rows ...string) string { return "[\n" + strings.Join(rows, ",\n") + "\n]" }

func TestViewsAreAnsweredAsByCouchDB(t *testing.T) {
	t.Parallel()
	s := viewSite(t)
	n := func(id, key, value string) string {
		return `{"id":"` + id + `","key":` + key + `,"value":` + value + `}`
	}
	a, b, c, d := n("a", "1", `["x","y"]`), n("b", "2", `["y"]`), n("c", "2", `[]`), n("d", `"text"`, "null")
	get := func(query string, has ...string) scenario {
		path, options, _ := strings.Cut(query, "?")
		values, err := url.ParseQuery(options)
		require.NoError(t, err)
		return scenario{name: query, path: "/notes/_design/app/_view/" + path + "?" + values.Encode(), has: has}
	}
	post := func(path, body string, has ...string) scenario {
		return scenario{name: body, method: http.MethodPost, path: "/notes/_design/app/_view/" + path, body: body, has: has}
	}
	s.runAll([]scenario{
		get("n", `{"total_rows":4,"offset":0,"rows":`+viewRows(a, b, c, d)+"}\n"),
		get("n?descending=true", `"offset":0,"rows":`+viewRows(d, c, b, a)),
		get("n?key=2", `"offset":1,"rows":`+viewRows(b, c)),
		get(`n?key="text"`, viewRows(d)),
		get("n?keys=[2,1,7,2]", viewRows(b, c, a, b, c)),
		get("n?keys=[]", `{"total_rows":4,"offset":0,"rows":[`+"\n]}"),
		get("n?startkey=2", `"offset":1,"rows":`+viewRows(b, c, d)),
		get("n?start_key=2&end_key=2&limit=1&skip=1", `"offset":2,"rows":`+viewRows(c)),
		get("n?endkey=2&inclusive_end=false", viewRows(a)),
		get("n?startkey=2&startkey_docid=c", viewRows(c, d)),
		get("n?endkey=2&endkey_docid=b", viewRows(a, b)),
		get("n?startkey=2&endkey=1&descending=true&startkey_docid=b", viewRows(b, a)),
		get("n?limit=0", `{"total_rows":4,"offset":0,"rows":[`+"\n]}"),
		get("n?limit=1&update_seq=true", `"update_seq":5,"rows":`+viewRows(a)),
		get("n?limit=1&include_docs=true", `"value":["x","y"],"doc":{"_id":"a","_rev":"1-`),
		get("n?limit=1&stable=true&sorted=false&update=lazy", viewRows(a)),
		get("link?include_docs=true", `"value":{"_id":"a"},"doc":{"_id":"a",`, `"value":{"_id":"c!"},"doc":null}`),
		get("one%2Ftwo?limit=1", `"key":1`),
		get("tags", `{"rows":`+viewRows(`{"key":null,"value":3}`)+"}\n"),
		get("tags?group=true", viewRows(`{"key":["x",1],"value":1}`, `{"key":["y",1],"value":1}`, `{"key":["y",2],"value":1}`)),
		get("tags?group_level=1", viewRows(`{"key":["x"],"value":1}`, `{"key":["y"],"value":2}`)),
		get("tags?group_level=1&descending=true&limit=1", viewRows(`{"key":["y"],"value":2}`)),
		get("tags?reduce=false&limit=1", viewRows(`{"id":"a","key":["x",1],"value":null}`)),
		get(`tags?startkey=["y"]&endkey=["y",{}]`, viewRows(`{"key":null,"value":2}`)),
		get(`tags?key="none"`, `{"rows":[`+"\n]}"),
		get("total", viewRows(`{"key":null,"value":5}`)),
		post("n", `{"keys":[1],"include_docs":true}`, `"doc":{"_id":"a"`),
		post("n", `{"startkey":2,"limit":1}`, viewRows(b)),
		post("n", `{"queries":[{"key":1},{"descending":true,"limit":1}]}`,
			`{"results":[{"total_rows":4,"offset":0,"rows":`+viewRows(a)+`},`, viewRows(d)+"}]}\n"),
		post("tags/queries", `{"queries":[{},{"reduce":false,"skip":2}]}`, `{"results":[{"rows":`+viewRows(`{"key":null,"value":3}`)+`},`, `"offset":2`),
		{method: http.MethodHead, path: "/notes/_design/app/_view/n"},
		{method: http.MethodPut, path: "/notes/d2", body: `{"n":0}`, status: 201},
		get("n?stale=ok&limit=1", viewRows(a)),
		get("n?update=false&limit=1", viewRows(a)),
		get("n?limit=1", viewRows(n("d2", "0", "null"))),
	})
}

func TestQueriesThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	s := viewSite(t)
	for query, want := range map[string]string{
		"n?reduce=true":               `query_parse_error","reason":"Reduce is invalid for map-only views.`,
		"n?group=true":                `Invalid use of grouping on a map view.`,
		"n?group_level=2":             `Invalid use of grouping`,
		"n?group_level=-1":            `group_level`,
		"n?limit=-1":                  `limit`,
		"n?skip=x":                    `skip`,
		"n?startkey=2&endkey=1":       `No rows can match your key range`,
		"n?keys=[1]&key=1":            "`keys` is incompatible",
		"n?keys=1":                    "`keys` must be an array",
		"n?key={a":                    `Invalid JSON`,
		"n?stale=maybe":               `Invalid value for stale.`,
		"n?update=maybe":              `Invalid value for update.`,
		"n?descending=maybe":          `descending`,
		"tags?include_docs=true":      "`include_docs` is invalid for reduce",
		"tags?keys=[1]":               "Multi-key fetchs for reduce views must use `group=true`",
		"tags?keys=[1]&group_level=1": "Multi-key fetchs",
	} {
		path, options, _ := strings.Cut(query, "?")
		values, err := url.ParseQuery(options)
		require.NoError(t, err)
		w := s.run(scenario{name: query, path: "/notes/_design/app/_view/" + path + "?" + values.Encode(), status: 400})
		require.Contains(t, w.Body.String(), want, query)
	}
	s.runAll([]scenario{
		{path: "/notes/_design/app/_view/none", status: 404, has: []string{`"error":"not_found","reason":"missing_named_view"`}},
		{path: "/notes/_design/none/_view/n", status: 404, has: []string{`"reason":"missing"`}},
		{path: "/notes/_design/app/_view/n/more", status: 404},
		{path: "/notes/_design/app/_view/bad", status: 500, has: []string{`"error":"builtin_reduce_error"`, `This is none: \"text\"`}},
		{method: http.MethodPut, path: "/notes/_design/app/_view/n", body: `{}`, status: 405, headers: map[string]string{"Allow": "GET, HEAD, POST, OPTIONS"}},
		{method: http.MethodDelete, path: "/notes/_design/app/_info", status: 405, headers: map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
		{path: "/notes/_view_cleanup", status: 405, headers: map[string]string{"Allow": "POST, OPTIONS"}},
		{path: "/notes/_design/app/_view/n/queries", status: 405},
		{method: http.MethodPost, path: "/notes/_design/app/_view/n/queries", body: `{}`, status: 400, has: []string{"`queries` is missing"}},
		{method: http.MethodPost, path: "/notes/_design/app/_view/n", body: `{"queries":[1]}`, status: 400, has: []string{"array of objects"}},
		{method: http.MethodPost, path: "/notes/_design/app/_view/n", body: `{"queries":[{},{"limit":-1}]}`, status: 400},
		{method: http.MethodPost, path: "/notes/_design/app/_view/n", body: `{"queries":[` + strings.Repeat("{},", maxQueries) + `{}]}`, status: 400, has: []string{"too many"}},
	})
}

func TestDesignInfoAndViewCleanup(t *testing.T) {
	t.Parallel()
	s := viewSite(t)
	s.runAll([]scenario{
		{path: "/notes/_design/app/_info", has: []string{`{"name":"app","view_index":{"signature":"`, `"update_seq":0,`, `"updates_pending":{"minimum":5,`, `"updater_running":false`}},
		{path: "/notes/_design/app/_view/n"},
		{path: "/notes/_design/none/_info", status: 404},
		{method: http.MethodPost, path: "/notes/_view_cleanup", body: `{}`, status: 202, has: []string{`{"ok":true}`}},
	})
	for view := range 6 {
		s.run(scenario{path: "/notes/_design/app/_view/" + []string{"n", "tags", "total", "bad?reduce=false", "link", "one%2Ftwo"}[view]})
	}
	w := s.run(scenario{path: "/notes/_design/app/_info", has: []string{`"update_seq":5,`, `"language":"javascript"`, `"updates_pending":{"minimum":0,`}})
	var info struct {
		Index struct{ Rows int } `json:"view_index"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &info))
	require.Equal(t, 4+3+3+4+4+4, info.Index.Rows)
}

func TestViewsAreForUsersWhereTheConfigurationSaysSo(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.giveViews()
	g.give("alice", "a")
	g.give("star", "*")
	for i := range 3 {
		g.store(fmt.Sprintf("a%d", i), "", "a")
		g.store(fmt.Sprintf("b%d", i), "", "b")
	}
	view := func(who, path string) (int, string) {
		w := g.as(who, http.MethodGet, "/notes/_design/"+path, "")
		return w.Code, w.Body.String()
	}
	for _, who := range []string{"alice", "star", ""} {
		for _, path := range []string{"paths/_view/hidden", "none/_view/x"} {
			status, text := view(who, path)
			require.Equal(t, http.StatusForbidden, status, "%s %s", who, path)
			require.Contains(t, text, `"error":"forbidden","reason":"This view is not for users: an administrator allows it by `+"`user_views ")
		}
		status, _ := view(who, "paths/_info")
		require.Equal(t, http.StatusForbidden, status)
		require.Equal(t, http.StatusNotFound, g.as(who, http.MethodPost, "/notes/_view_cleanup", "{}").Code)
	}
	status, _ := view("admin", "paths/_view/hidden")
	require.Equal(t, http.StatusOK, status)
	_, text := view("alice", "paths/_view/all")
	require.Contains(t, text, `],"total_rows":3,"offset":0}`)
	require.NotContains(t, text, "body-of-b")
	_, text = view("alice", "paths/_view/all?skip=1&limit=1")
	require.Contains(t, text, `],"total_rows":1,"offset":1}`)
	require.Contains(t, text, `"id":"a1"`)
	_, text = view("star", "paths/_view/all?limit=1")
	require.Contains(t, text, `{"total_rows":6,"offset":0,`)
	status, text = view("alice", "paths/_view/count")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, text, "A reduction is for those who see every document")
	_, text = view("star", "paths/_view/count")
	require.Contains(t, text, `{"key":null,"value":6}`)
	_, text = view("alice", "paths/_view/count?reduce=false")
	require.Contains(t, text, `"total_rows":3`)
	g.give("alice")
	_, text = view("alice", "paths/_view/all")
	require.Contains(t, text, `{"rows":[`+"\n"+`],"total_rows":0,"offset":0}`)
}

func TestLongAnswersOfViewsComeInPieces(t *testing.T) {
	t.Parallel()
	s := newSite(t, adminSite)
	var docs []string
	for i := range 1300 {
		docs = append(docs, fmt.Sprintf(`{"_id":"d%04d","n":%d}`, i, i%7))
	}
	s.run(scenario{method: http.MethodPost, path: "/notes/_bulk_docs", status: 201, body: `{"docs":[` + strings.Join(docs, ",") +
		`,{"_id":"_design/app","views":{"n":{"map":"doc => { emit(doc.n, 'x'.repeat(100)) }","reduce":"_count"}}}]}`})
	for query, first := range map[string]string{"": "d0000", "?descending=true": "d1294"} {
		w := s.run(scenario{path: "/notes/_design/app/_view/n" + query + map[bool]string{true: "?", false: "&"}[query == ""] + "reduce=false&include_docs=true"})
		var page struct {
			Rows []struct {
				ID string
				N  int `json:"key"`
			}
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page))
		require.Len(t, page.Rows, 1300)
		require.Equal(t, first, page.Rows[0].ID)
		seen := map[string]bool{}
		for _, row := range page.Rows {
			seen[row.ID] = true
		}
		require.Len(t, seen, 1300)
	}
	s.run(scenario{path: "/notes/_design/app/_view/n?group=true&skip=6", has: []string{viewRows(`{"key":6,"value":185}`)}})
}
