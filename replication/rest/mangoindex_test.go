package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddysync/caddy-sync/query/mango"
	"github.com/stretchr/testify/require"
)

const allDocsIndex = `{"ddoc":null,"name":"_all_docs","type":"special","def":{"fields":[{"_id":"asc"}]}}`

func TestIndexesStandInDesignDocumentsAsCouchDBHasThem(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	create := func(body, want string) string {
		t.Helper()
		w := g.as("admin", http.MethodPost, "/notes/_index", body)
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", body, w.Body)
		require.Contains(t, w.Body.String(), want, body)
		return w.Body.String()
	}
	list := func() string { return g.as("admin", http.MethodGet, "/notes/_index", "").Body.String() }
	require.Equal(t, `{"total_rows":1,"indexes":[`+allDocsIndex+"]}\n", list())
	body := `{"index":{"fields":["foo",{"b.c":"asc"}],"partial_filter_selector":{"type":"x"}},"ddoc":"d","name":"n","type":"json","w":2,"partitioned":false}`
	create(body, `{"result":"created","id":"_design/d","name":"n"}`)
	create(body, `{"result":"exists","id":"_design/d","name":"n"}`)
	doc := g.as("admin", http.MethodGet, "/notes/_design/d", "").Body.String()
	require.Contains(t, doc, `"_rev":"1-`)
	require.Contains(t, doc, `"language":"query","views":{"n":{"map":{"fields":{"foo":"asc","b.c":"asc"},"partial_filter_selector":{"type":{"$eq":"x"}}},"reduce":"_count",`+
		`"options":{"def":{"fields":["foo",{"b.c":"asc"}],"partial_filter_selector":{"type":"x"}}}}}}`)
	create(`{"index":{"fields":[{"a":"desc"}]},"ddoc":"_design/d","name":"m"}`, `"created","id":"_design/d","name":"m"`)
	require.Equal(t, `{"total_rows":3,"indexes":[`+allDocsIndex+`,`+"\n"+
		`{"ddoc":"_design/d","name":"m","type":"json","partitioned":false,"def":{"fields":[{"a":"desc"}]}},`+"\n"+
		`{"ddoc":"_design/d","name":"n","type":"json","partitioned":false,"def":{"fields":[{"foo":"asc"},{"b.c":"asc"}],"partial_filter_selector":{"type":{"$eq":"x"}}}}]}`+"\n", list())
	require.Contains(t, g.as("admin", http.MethodGet, "/notes/_index?skip=1&limit=1", "").Body.String(), `{"total_rows":3,"indexes":[{"ddoc":"_design/d","name":"m"`)
	// The names that are not given follow from the definition.
	first := create(`{"index":{"fields":["x"]}}`, `"created"`)
	require.Equal(t, strings.Replace(first, "created", "exists", 1), create(`{"index":{"fields":[{"x":"asc"}]},"type":"json"}`, "exists")[:len(first)-1])
	require.NotContains(t, create(`{"index":{"fields":["x"]},"name":"other"}`, `"created"`), first[28:60])
	// Another definition under the same name takes its place.
	create(`{"index":{"fields":["z"]},"ddoc":"d","name":"m"}`, "created")
	require.Contains(t, list(), `"name":"m","type":"json","partitioned":false,"def":{"fields":[{"z":"asc"}]}`)
	w := g.as("admin", http.MethodDelete, "/notes/_index/d/json/m", "", "Content-Type", "application/json")
	require.Equal(t, "{\"ok\":true}\n", w.Body.String())
	w = g.as("admin", http.MethodDelete, "/notes/_index/_design%2Fd/json/n", "", "Content-Type", "application/json")
	require.Equal(t, "{\"ok\":true}\n", w.Body.String())
	require.Equal(t, http.StatusNotFound, g.as("admin", http.MethodGet, "/notes/_design/d", "").Code, "nothing was left in it")
	w = g.as("admin", http.MethodDelete, "/notes/_index/_design/d/json/n", "", "Content-Type", "application/json")
	require.Equal(t, http.StatusNotFound, w.Code)
}

func TestAnIndexLeavesTheRestOfItsDesignDocument(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.design("d", `"language":"query","channels":["!"],"more":[1, 2],"_attachments":{"att":{"data":"aGk="}}`)
	g.index(`{"index":{"fields":["a"]},"ddoc":"d","name":"a"}`)
	w := g.as("admin", http.MethodPost, "/notes/_index/_bulk_delete", `{"docids":["d","none","_design/d"],"w":3}`)
	require.Equal(t, `{"success":[{"id":"_design/d","ok":true}],"fail":[{"id":"_design/none","error":"not_found","reason":"missing"},{"id":"_design/d","error":"not_found","reason":"missing"}]}`+"\n", w.Body.String())
	doc := g.as("admin", http.MethodGet, "/notes/_design/d", "").Body.String()
	require.Contains(t, doc, `"language":"query","channels":["!"],"more":[1, 2]}`)
	require.Contains(t, doc, `"att":{`)
	g.design("js", `"views":{"v":{"map":"function (doc) { emit(1) }"}}`)
	w = g.as("admin", http.MethodPost, "/notes/_index", `{"index":{"fields":["a"]},"ddoc":"js","name":"v"}`)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), `"invalid_ddoc_lang"`)
}

func TestIndexesThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	many := make([]string, 65)
	for i := range many {
		many[i] = fmt.Sprintf(`"f%d"`, i)
	}
	for _, c := range []struct{ path, body, name string }{
		{"_index", `[]`, "bad_request"},
		{"_index", `{}`, "missing_required_key"},
		{"_index", `{"index":{}}`, "invalid_index"},
		{"_index", `{"index":[]}`, "invalid_index"},
		{"_index", `{"index":{"fields":[]}}`, "invalid_index"},
		{"_index", `{"index":{"fields":["a","a"]}}`, "invalid_index"},
		{"_index", `{"index":{"fields":[` + strings.Join(many, ",") + `]}}`, "invalid_sort_json"},
		{"_index", `{"index":{"fields":"a"}}`, "invalid_sort_json"},
		{"_index", `{"index":{"fields":[{"a":"asc"},{"b":"desc"}]}}`, "unsupported_mixed_sort"},
		{"_index", `{"index":{"fields":["a."]}}`, "invalid_field_name"},
		{"_index", `{"index":{"fields":["a"],"partial_filter_selector":{"a":{"$x":1}}}}`, "invalid_selector"},
		{"_index", `{"index":{"fields":["a"],"partial_filter_selector":[]}}`, "invalid_selector_json"},
		{"_index", `{"index":{"fields":["a"],"selector":{}}}`, "invalid_key"},
		{"_index", `{"index":{"fields":["a"]},"type":"text"}`, "invalid_index"},
		{"_index", `{"index":{"fields":["a"]},"name":""}`, "invalid_empty_string"},
		{"_index", `{"index":{"fields":["a"]},"ddoc":5}`, "invalid_string"},
		{"_index", `{"index":{"fields":["a"]},"w":0}`, "invalid_pos_integer"},
		{"_index", `{"index":{"fields":["a"]},"partitioned":true}`, "invalid_partitioned_value"},
		{"_index", `{"index":{"fields":["a"]},"other":1}`, "invalid_key"},
		{"_index/_bulk_delete", `{}`, "missing_required_key"},
		{"_index/_bulk_delete", `{"docids":5}`, "invalid_bulk_docs"},
		{"_index/_bulk_delete", `{"docids":[5]}`, "invalid_index_name"},
		{"_index/_bulk_delete", `{"docids":[],"x":1}`, "invalid_key"},
	} {
		w := g.as("admin", http.MethodPost, "/notes/"+c.path, c.body)
		require.Equal(t, http.StatusBadRequest, w.Code, "%s: %s", c.body, w.Body)
		require.Contains(t, w.Body.String(), `"error":"`+c.name+`"`, c.body)
	}
	for _, query := range []string{"limit=0", "limit=x", "skip=-1"} {
		w := g.as("admin", http.MethodGet, "/notes/_index?"+query, "")
		require.Equal(t, http.StatusBadRequest, w.Code)
		require.Contains(t, w.Body.String(), "invalid_list_index_params")
	}
}

// Several at once make indexes in one design document, and none is lost.
func TestIndexesThatAreMadeAtOnceAreAllThere(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() {
			w := g.as("admin", http.MethodPost, "/notes/_index", fmt.Sprintf(`{"index":{"fields":["f%d"]},"ddoc":"d","name":"%d"}`, i, i))
			if w.Code != http.StatusOK {
				t.Errorf("%d: %s", i, w.Body)
			}
		})
	}
	all.Wait()
	require.Contains(t, g.as("admin", http.MethodGet, "/notes/_index", "").Body.String(), `"total_rows":6`)
}

func TestOnlyAdministratorsMakeIndexes(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.give("alice", "*")
	g.index(`{"index":{"fields":["a"]},"ddoc":"d","name":"a"}`)
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPost, "_index", `{"index":{"fields":["a"]},"ddoc":"d","name":"a"}`},
		{http.MethodPost, "_index", `{"index":{"fields":["b"]}}`},
		{http.MethodPost, "_index/_bulk_delete", `{"docids":["d"]}`},
		{http.MethodDelete, "_index/d/json/a", ""},
		{http.MethodDelete, "_index/d/json/none", ""},
	} {
		w := g.as("alice", c.method, "/notes/"+c.path, c.body)
		require.Equal(t, http.StatusForbidden, w.Code, c.path)
		require.Contains(t, w.Body.String(), `"error":"forbidden","reason":"only administrators write design documents"`)
	}
}

// A design document that a user may not read serves their queries, and they are not told of it.
func TestUsersAreToldOfIndexesThatTheyMayRead(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.characters()
	g.design("open", `"channels":["!"],"language":"query","views":{"debut":{"map":{"fields":{"debut":"asc"}}}}`)
	g.design("secret", `"language":"query","views":{"hidden":{"map":{"fields":{"series":"asc"}}},"part":{"map":{"fields":{"name":"asc"},"partial_filter_selector":{"debut":1981}}}}`)
	list := g.as("alice", http.MethodGet, "/notes/_index", "").Body.String()
	require.Contains(t, list, `"total_rows":2`)
	require.Contains(t, list, "_design/open")
	require.NotContains(t, list, "secret")
	f := g.find("alice", `{"selector":{"series":"Mario"},"execution_stats":true}`)
	require.Equal(t, "luigi mario", f.ids())
	require.Empty(t, f.Warning)
	require.Equal(t, 2, f.Stats.Docs, "the index served")
	explain := func(body string) string {
		w := g.as("alice", http.MethodPost, "/notes/_explain", body)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.NotContains(t, w.Body.String(), "secret", body)
		require.NotContains(t, w.Body.String(), "hidden", body)
		require.NotContains(t, w.Body.String(), "1981", body)
		return w.Body.String()
	}
	require.Contains(t, explain(`{"selector":{"series":"Mario"}}`), `"index":{"ddoc":null,"name":null,"type":"json","partitioned":false,"def":{"fields":[{"series":"asc"}]}}`)
	require.Contains(t, explain(`{"selector":{"debut":5}}`), `"_design/open"`)
	explain(`{"selector":{}}`)
	for body, ids := range map[string]string{
		`{"selector":{"series":"Mario"},"use_index":"secret"}`:             "luigi mario",
		`{"selector":{"name":{"$gt":null}},"use_index":["secret","part"]}`: "fox kirby link luigi mario",
		`{"selector":{"series":"Mario"},"use_index":["secret","none"]}`:    "luigi mario",
		`{"selector":{"series":"Mario"},"use_index":["nowhere","hidden"]}`: "luigi mario",
	} {
		f := g.find("alice", body)
		require.Equal(t, ids, f.ids())
		require.Contains(t, f.Warning, "was not used", "as for one that is not there")
	}
	w := g.as("alice", http.MethodPost, "/notes/_find", `{"selector":{"series":"Mario"},"use_index":"secret","allow_fallback":false}`)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), "could not be found or it is not suitable")
}

func TestExplainSaysWhatWouldBeDone(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.characters()
	g.index(`{"index":{"fields":["series","debut"]},"ddoc":"d","name":"both"}`)
	g.index(`{"index":{"fields":["series"]},"ddoc":"d","name":"series"}`)
	g.index(`{"index":{"fields":["name"],"partial_filter_selector":{"debut":{"$gt":1}}},"ddoc":"d","name":"part"}`)
	for _, c := range []struct {
		body string
		has  []string
	}{
		{`{"selector":{"series":"Mario","debut":{"$gt":1981,"$lte":1990}},"fields":["_id"],"limit":10,"skip":1}`, []string{
			`{"dbname":"notes","index":{"ddoc":"_design/d","name":"both"`, `"partitioned":false`,
			`"selector":{"$and":[{"series":{"$eq":"Mario"}},{"$and":[{"debut":{"$gt":1981}},{"debut":{"$lte":1990}}]}]}`,
			`"opts":{"use_index":[],"bookmark":"nil","limit":10,"skip":1,"sort":{},"fields":["_id"],"partition":"","r":1,"conflicts":false,"stale":false,"update":true,"stable":false,"execution_stats":false,"allow_fallback":true}`,
			`"limit":10,"skip":1,"fields":["_id"]`,
			`"name":"series","type":"json","partitioned":false,"def":{"fields":[{"series":"asc"}]}},"analysis":{"usable":true,"reasons":[{"name":"less_overlap"}],"ranking":1,"covering":false}}`,
			`{"index":` + allDocsIndex + `,"analysis":{"usable":true,"reasons":[{"name":"unfavored_type"}],"ranking":2,"covering":null}}`,
			`"reasons":[{"name":"is_partial"}]`,
			`"selector_hints":[{"indexable_fields":["debut","series"],"type":"json","unindexable_fields":[]}]`,
			`"mrargs":{"include_docs":true,"view_type":"map","reduce":false,"partition":null,"start_key":["Mario",1981],"end_key":["Mario",1990,"<MAX>"],"direction":"fwd","stable":false,"update":true,"conflicts":false}`,
			`"covering":false,"ranges":[{"start":["Mario",1981],"end":["Mario",1990],"inclusive_start":false,"inclusive_end":true}]`,
			`"why":"The index covers the most fields`,
		}},
		{`{"selector":{"series":"Mario"},"sort":[{"series":"desc"}]}`, []string{`"name":"series"`, `"reasons":[{"name":"field_mismatch"}]`, `"direction":"rev"`, `"start_key":["Mario","<MAX>"]`}},
		{`{"selector":{"series":{"$in":["a","b"]}}}`, []string{`"ranges":[{"start":["a"],"end":["a"],"inclusive_start":true,"inclusive_end":true},{"start":["b"]`}},
		{`{"selector":{"_id":"x"}}`, []string{allDocsIndex, "The selector names IDs", `"start_key":"x","end_key":"x"`}},
		{`{"selector":{"rank":5}}`, []string{allDocsIndex, "No index has only fields that the selector wants", `"start_key":"","end_key":"<MAX>"`}},
		{`{"selector":{},"sort":["rank"]}`, []string{`"index":null`, "No index has the order of the sort", `"reasons":[{"name":"sort_order_mismatch"}]`}},
		{`{"selector":{"series":{"$lt":1,"$gt":2}}}`, []string{`"ranges":[]`, "Nothing can match"}},
		{`{"selector":{"series":5,"debut":5},"use_index":"d/series"}`, []string{`"use_index":["_design/d","series"]`, "The index is the one that use_index names", `"reasons":[{"name":"excluded_by_user"}]`}},
		{`{"selector":{"name":"x"},"use_index":["d","part"],"update":false,"conflicts":true}`, []string{`"name":"part"`, `"update":false,"conflicts":true}`}},
	} {
		w := g.as("admin", http.MethodPost, "/notes/_explain", c.body)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.True(t, json.Valid(w.Body.Bytes()))
		for _, has := range c.has {
			require.Contains(t, w.Body.String(), has, c.body)
		}
	}
}

// The members of a query are those that docs/api.yaml describes.
func TestMembersOfQueriesAreDescribed(t *testing.T) {
	t.Parallel()
	names := mango.MemberNames()
	slices.Sort(names)
	for _, k := range []kind{kindFind, kindExplainFind} {
		require.Equal(t, names, sorted(described().operations[k][http.MethodPost][0].Body))
	}
}
