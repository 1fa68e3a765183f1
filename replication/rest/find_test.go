package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// found is an answer of _find.
type found struct {
	Docs     []json.RawMessage `json:"docs"`
	Bookmark string            `json:"bookmark"`
	Warning  string            `json:"warning"`
	Stats    struct {
		Keys    int `json:"total_keys_examined"`
		Docs    int `json:"total_docs_examined"`
		Results int `json:"results_returned"`
	} `json:"execution_stats"`
}

// ids are the documents of an answer.
func (f *found) ids() string {
	var ids []string
	for _, doc := range f.Docs {
		var d struct {
			ID string `json:"_id"`
		}
		if json.Unmarshal(doc, &d) != nil {
			return string(doc)
		}
		ids = append(ids, d.ID)
	}
	return strings.Join(ids, " ")
}

// find asks _find, and expects an answer.
func (g *gate) find(who, body string) found {
	g.t.Helper()
	w := g.as(who, http.MethodPost, "/notes/_find", body)
	require.Equal(g.t, http.StatusOK, w.Code, "%s: %s", body, w.Body)
	var f found
	require.NoError(g.t, json.Unmarshal(w.Body.Bytes(), &f), "%s", w.Body)
	return f
}

// index makes an index as the administrator, by the body of _index.
func (g *gate) index(body string) {
	g.t.Helper()
	w := g.as("admin", http.MethodPost, "/notes/_index", body)
	require.Equal(g.t, http.StatusOK, w.Code, "%s: %s", body, w.Body)
}

// characters stores documents to be asked for.
func (g *gate) characters() {
	g.t.Helper()
	w := g.as("admin", http.MethodPost, "/notes/_bulk_docs", `{"docs":[
		{"_id":"mario","channels":["!"],"name":"Mario","series":"Mario","debut":1981,"at":{"x":1,"y":"a"}},
		{"_id":"luigi","channels":["!"],"name":"Luigi","series":"Mario","debut":1983,"at":{"x":2}},
		{"_id":"link","channels":["!"],"name":"Link","series":"Zelda","debut":1986},
		{"_id":"fox","channels":["!"],"name":"fox","series":"Star Fox","debut":1993},
		{"_id":"kirby","channels":["!"],"name":"Kirby","series":["Kirby","Smash"],"debut":1992},
		{"_id":"nobody","channels":["!"]}]}`)
	require.Equal(g.t, http.StatusCreated, w.Code, w.Body)
}

func TestFindAnswersAsCouchDB(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.characters()
	g.index(`{"index":{"fields":["series","debut"]},"ddoc":"by","name":"series"}`)
	g.index(`{"index":{"fields":["debut"]},"ddoc":"by","name":"debut"}`)
	for _, c := range []struct{ body, ids, warning string }{
		{`{"selector":{"series":"Mario"}}`, "luigi mario", "No matching"},
		{`{"selector":{"series":"Mario","debut":{"$gt":1981}}}`, "luigi", ""},
		{`{"selector":{"series":"Mario"},"sort":["series","debut"]}`, "mario luigi", ""},
		{`{"selector":{"series":"Mario"},"sort":[{"debut":"desc"}]}`, "luigi mario", ""},
		{`{"selector":{"debut":{"$gte":1983}},"sort":["debut"]}`, "luigi link kirby fox", ""},
		{`{"selector":{"debut":{"$gte":1983}},"sort":[{"debut":"desc"}],"skip":1,"limit":2}`, "kirby link", ""},
		{`{"selector":{"debut":{"$in":[1993,1981,1981.0,5,"x"]}}}`, "mario fox", ""},
		{`{"selector":{"series":{"$in":["Kirby"]},"debut":{"$gt":0}}}`, "kirby", ""},
		{`{"selector":{"_id":"fox"}}`, "fox", ""},
		{`{"selector":{"_id":{"$in":["link","fox","none",5]}},"sort":[{"_id":"desc"}]}`, "link fox", ""},
		{`{"selector":{"_id":{"$gt":null}},"sort":["_id"],"limit":2}`, "fox kirby", "No matching"},
		{`{"selector":{"_id":{"$gt":"k","$lt":"m"}}}`, "kirby link luigi", "No matching"},
		{`{"selector":{"name":{"$beginsWith":"L"}}}`, "link luigi", "No matching"},
		{`{"selector":{"debut":{"$exists":false}}}`, "nobody", "No matching"},
		{`{"selector":{"at":{"x":1}}}`, "mario", "No matching"},
		{`{"selector":{"at":{"$eq":{"x":1,"y":"a"}}}}`, "mario", "No matching"},
		{`{"selector":{"at":{"$eq":{"y":"a","x":1}}}}`, "", "No matching"},
		{`{"selector":{"at.x":{"$gt":1}}}`, "luigi", "No matching"},
		{`{"selector":{"debut":{"$gt":5,"$lt":3}}}`, "", ""},
		{`{"selector":{"$or":[]}}`, "", "No matching"},
		{`{"selector":{},"limit":0}`, "", "No matching"},
		{`{"selector":{"debut":{"$gt":0}},"use_index":"by/series"}`, "mario luigi link kirby fox", "_design/by, series was not used"},
		{`{"selector":{"debut":{"$gt":0}},"use_index":"nothing"}`, "mario luigi link kirby fox", "_design/nothing was not used because it does not contain a valid index"},
		{`{"selector":{"debut":{"$gt":0}},"use_index":["_design/by","debut"]}`, "mario luigi link kirby fox", ""},
		{`{"selector":{"debut":{"$gt":0}},"use_index":null,"stale":"ok","stable":true,"update":true,"r":2}`, "mario luigi link kirby fox", ""},
	} {
		f := g.find("admin", c.body)
		require.Equal(t, c.ids, f.ids(), c.body)
		require.Equal(t, c.ids, func() string { f := g.find("alice", c.body); return f.ids() }(), c.body)
		if c.warning == "" {
			require.Empty(t, f.Warning, c.body)
		}
		require.Contains(t, f.Warning, c.warning, c.body)
	}
}

func TestFindRefusesWhatMeansNothing(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.characters()
	for _, c := range []struct{ body, name, reason string }{
		{`{}`, "missing_required_key", "selector"},
		{`[]`, "bad_request", "JSON object"},
		{``, "bad_request", ""},
		{`{"selector":[]}`, "invalid_selector_json", ""},
		{`{"selector":{"a":{"$foo":1}}}`, "invalid_selector", "there is no such operator"},
		{`{"selector":{},"limit":-1}`, "invalid_non_neg_integer", "limit"},
		{`{"selector":{},"limit":"5"}`, "invalid_non_neg_integer", "limit"},
		{`{"selector":{},"r":0}`, "invalid_pos_integer", ""},
		{`{"selector":{},"sort":{"a":"asc"}}`, "invalid_sort_json", "sort"},
		{`{"selector":{},"sort":["a",{"b":"desc"}]}`, "unsupported_mixed_sort", ""},
		{`{"selector":{},"sort":[{"b":"up"}]}`, "invalid_sort_dir", ""},
		{`{"selector":{},"sort":[5]}`, "invalid_sort_field", ""},
		{`{"selector":{},"sort":["a"]}`, "no_usable_index", "No index exists for this sort, try indexing by the sort fields."},
		{`{"selector":{},"fields":"a"}`, "invalid_fields", ""},
		{`{"selector":{},"fields":[5]}`, "invalid_field", ""},
		{`{"selector":{},"fields":["a..b"]}`, "invalid_field_name", ""},
		{`{"selector":{},"use_index":5}`, "invalid_index_name", ""},
		{`{"selector":{},"use_index":["a","b","c"]}`, "invalid_index_name", ""},
		{`{"selector":{},"use_index":"none","allow_fallback":false}`, "invalid_index", "_design/none specified by"},
		{`{"selector":{},"allow_fallback":false}`, "invalid_index", "You must specify an index"},
		{`{"selector":{},"bookmark":"x"}`, "invalid_bookmark", ""},
		{`{"selector":{},"bookmark":5}`, "invalid_bookmark", ""},
		{`{"selector":{},"conflicts":1}`, "invalid_boolean", ""},
		{`{"selector":{},"stale":"maybe"}`, "invalid_value", ""},
		{`{"selector":{},"partition":"p"}`, "bad_request", "no partitions"},
		{`{"selector":{},"unknown":1}`, "invalid_key", "unknown"},
		{`{"selector":{},"selector":{}}`, "bad_request", ""},
	} {
		for _, path := range []string{"_find", "_explain"} {
			if c.name == "no_usable_index" && path == "_explain" {
				continue
			}
			w := g.as("alice", http.MethodPost, "/notes/"+path, c.body)
			require.Equal(t, http.StatusBadRequest, w.Code, "%s %s: %s", path, c.body, w.Body)
			var answer struct{ Error, Reason string }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
			require.Equal(t, c.name, answer.Error, c.body)
			require.Contains(t, answer.Reason, c.reason, c.body)
		}
	}
}

func TestFindGoesOnFromItsBookmark(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.characters()
	g.index(`{"index":{"fields":["debut"]}}`)
	for _, query := range []string{
		`"selector":{"debut":{"$gt":0}},"sort":["debut"]`, `"selector":{"debut":{"$gt":0}},"sort":[{"debut":"desc"}]`,
		`"selector":{}`, `"selector":{"debut":{"$in":[1981,1986,1993]}}`, `"selector":{"_id":{"$gt":"f"}},"sort":[{"_id":"desc"}]`,
	} {
		all := g.find("admin", `{`+query+`}`)
		var ids []string
		bookmark := ""
		for range 10 {
			page := g.find("alice", fmt.Sprintf(`{%s,"limit":2,"bookmark":%q}`, query, bookmark))
			if len(page.Docs) == 0 {
				require.Equal(t, bookmark, page.Bookmark, "CouchDB repeats it")
				break
			}
			ids = append(ids, page.ids())
			bookmark = page.Bookmark
		}
		require.Equal(t, all.ids(), strings.Join(ids, " "), query)
		w := g.as("alice", http.MethodPost, "/notes/_find", `{"selector":{"name":"x"},"sort":["_id"],"bookmark":"`+bookmark+`"}`)
		if w.Code != http.StatusOK {
			require.Contains(t, w.Body.String(), "invalid_bookmark")
		}
	}
	empty := g.find("admin", `{"selector":{"debut":5}}`)
	require.Equal(t, "nil", empty.Bookmark)
	again := g.find("admin", `{"selector":{"debut":1981},"bookmark":"nil"}`)
	require.Equal(t, "mario", again.ids())
}

func TestFindTakesFieldsOutOfDocuments(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.characters()
	for fields, want := range map[string]string{
		`["_id","name"]`:             `{"_id":"mario","name":"Mario"}`,
		`["at.x","_id","at.y"]`:      `{"at":{"x":1,"y":"a"},"_id":"mario"}`,
		`["at.x","at"]`:              `{"at":{"x":1,"y":"a"}}`,
		`["at","at.y"]`:              `{"at":{"x":1,"y":"a"}}`,
		`["none","name.x","debut"]`:  `{"debut":1981}`,
		`["channels.0","channels"]`:  `{"channels":["!"]}`,
		`["channels.0","_id","_id"]`: `{"channels":{"0":"!"},"_id":"mario"}`,
	} {
		f := g.find("admin", `{"selector":{"_id":"mario"},"fields":`+fields+`}`)
		require.Len(t, f.Docs, 1)
		require.Equal(t, want, string(f.Docs[0]), fields)
	}
	for _, fields := range []string{`[]`, `["_rev"]`} {
		f := g.find("admin", `{"selector":{"_id":"mario"},"fields":`+fields+`}`)
		require.Contains(t, string(f.Docs[0]), `"_rev":"1-`)
	}
}

func TestFindShowsConflictsIfTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	for _, rev := range []string{"1-a", "1-b"} {
		w := g.as("admin", http.MethodPut, "/notes/doc?new_edits=false", `{"_rev":"`+rev+`","channels":["!"],"of":"`+rev+`"}`)
		require.Equal(t, http.StatusCreated, w.Code)
	}
	g.index(`{"index":{"fields":["of"]}}`)
	for _, selector := range []string{`{"of":"1-b"}`, `{"_id":"doc"}`} {
		f := g.find("admin", `{"selector":`+selector+`,"conflicts":true}`)
		require.Contains(t, string(f.Docs[0]), `"_conflicts":["1-a"]`)
		f = g.find("admin", `{"selector":`+selector+`}`)
		require.NotContains(t, string(f.Docs[0]), "_conflicts")
	}
	f := g.find("admin", `{"selector":{"of":"1-a"}}`)
	require.Empty(t, f.Docs, "the winner alone is asked")
}

// What a user may ask for is bounded by what they see, and tells of nothing else.
func TestQueriesOfUsersMayCostSoMuch(t *testing.T) {
	t.Parallel()
	g := newGate(t, withLimits(Limits{FindDocuments: 6}))
	g.characters()
	for i := range 10 {
		g.store(fmt.Sprintf("secret%d", i), "", "secret")
	}
	g.index(`{"index":{"fields":["text"]}}`)
	require.Len(t, g.find("alice", `{"selector":{}}`).Docs, 6)
	require.Len(t, g.find("admin", `{"selector":{}}`).Docs, 16, "administrators have no limit")
	g.store("one-more", "", "!")
	for _, selector := range []string{`{"text":{"$exists":true}}`, `{}`} {
		w := g.as("alice", http.MethodPost, "/notes/_find", `{"selector":`+selector+`}`)
		if selector != `{}` {
			require.Equal(t, http.StatusOK, w.Code, "the index has one of theirs")
			continue
		}
		require.Equal(t, http.StatusBadRequest, w.Code)
		require.Equal(t, `{"error":"query_too_expensive","reason":"The query looked at 6 documents and found 6 of 25, which is as much as it may cost. `+
			`Ask for a smaller limit, or for fields that have an index."}`+"\n", w.Body.String())
	}
}

// The upkeep of views keeps the indexes of fields, and drops those that stand in no design document
// any more.
func TestViewCleanupKeepsIndexesOfFields(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.characters()
	stored := func() int {
		w := g.as("admin", http.MethodPost, "/notes/_view_cleanup", "{}")
		require.Equal(t, http.StatusAccepted, w.Code)
		ids, err := g.db.Default().StoredIndexes(t.Context())
		require.NoError(t, err)
		return len(ids)
	}
	g.index(`{"index":{"fields":["debut"]},"ddoc":"d","name":"debut"}`)
	require.Equal(t, "mario", func() string { f := g.find("alice", `{"selector":{"debut":1981}}`); return f.ids() }())
	require.Equal(t, 1, stored())
	w := g.as("admin", http.MethodDelete, "/notes/_index/d/json/debut", "", "Content-Type", "application/json")
	require.Equal(t, http.StatusOK, w.Code)
	require.Zero(t, stored())
}
