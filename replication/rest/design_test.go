package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestOnlyAdministratorsWriteDesignDocuments(t *testing.T) {
	t.Parallel()
	for name, evaluator := range map[string]syncstore.Evaluator{"shared": nil, "by body": byBody{}} {
		g := newGate(t)
		g.setPolicy(evaluator)
		g.give("alice", "*")
		g.design("app", `"channels":["!"],"language":"javascript"`)
		old, err := g.db.Default().Get(t.Context(), "_design/app", syncstore.GetOptions{})
		require.NoError(t, err)
		const refused = `"error":"forbidden","reason":"only administrators write design documents"`
		for _, c := range []struct{ method, path, body string }{
			{http.MethodPut, "_design/new", `{}`},
			{http.MethodPut, "_design/app", `{"_rev":"` + old.Rev.String() + `"}`},
			{http.MethodPost, "", `{"_id":"_design/new"}`},
			{http.MethodDelete, "_design/app?rev=" + old.Rev.String(), ""},
			{http.MethodPut, "_design/app/att?rev=" + old.Rev.String(), `{}`},
		} {
			w := g.as("alice", c.method, "/notes/"+c.path, c.body)
			require.Equal(t, http.StatusForbidden, w.Code, "%s: %+v: %s", name, c, w.Body)
			require.Contains(t, w.Body.String(), refused)
		}
		w := g.as("alice", http.MethodPost, "/notes/_bulk_docs", `{"docs":[{"_id":"_design/new"},{"_id":"a1","channels":["!"]}]}`)
		require.Equal(t, http.StatusCreated, w.Code)
		require.Contains(t, w.Body.String(), `[{"id":"_design/new",`+refused+`,"status":403},{"ok":true,"id":"a1"`, "the others are stored")
		w = g.as("alice", http.MethodPost, "/notes/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"_design/new","_rev":"1-a"},{"_id":"a2","_rev":"1-a"}]}`)
		require.Contains(t, w.Body.String(), `[{"id":"_design/new","rev":"1-a",`+refused+`,"status":403}]`)
		require.Equal(t, http.StatusOK, g.as("alice", http.MethodGet, "/notes/_design/app", "").Code)
		require.Equal(t, http.StatusNotFound, g.as("admin", http.MethodGet, "/notes/_design/new", "").Code)
	}
}

func TestDesignDocumentsAreInTheChannelsTheyName(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.give("alice", "a")
	g.give("star", "*")
	g.design("all", `"channels":"!","requires":["nobody"]`)
	g.design("ofa", `"channels":["a"]`)
	g.design("own", `"filters":{}`)
	for who, sees := range map[string]string{"": "all", "alice": "all ofa", "star": "all ofa own", "admin": "all ofa own"} {
		var seen []string
		for _, name := range []string{"all", "ofa", "own"} {
			if g.as(who, http.MethodGet, "/notes/_design/"+name, "").Code == http.StatusOK {
				seen = append(seen, name)
			}
		}
		require.Equal(t, sees, strings.Join(seen, " "), who)
		require.Len(t, g.changed(who, "filter=_design"), len(seen), who)
	}
}

func TestDesignDocumentsThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	for _, c := range []struct{ body, name, reason string }{
		{`{"views":5}`, "invalid_design_doc", "`views` field must have object type"},
		{`{"views":{"v":"x"}}`, "invalid_design_doc", "`views.v` field must have object type"},
		{`{"views":{"v":{}}}`, "invalid_design_doc", "`views.v.map` field must have string type"},
		{`{"views":{"v":{"map":"function (doc) {}","reduce":5}}}`, "invalid_design_doc", "`views.v.reduce`"},
		{`{"views":{"v":{"map":"function (doc) {"}}}`, "compilation_error", "Compilation of the map function in the 'v' view failed: _design/x/views/v/map:1:"},
		{`{"views":{"v":{"map":"function (doc) {}\n)"}}}`, "compilation_error", "map:2:1"},
		{`{"views":{"v":{"map":"5"}}}`, "compilation_error", "expected one function"},
		{`{"views":{"v":{"map":"function (doc) {}","reduce":"function ("}}}`, "compilation_error", "Compilation of the reduce function in the 'v' view failed"},
		{`{"views":{"v":{"map":"function (doc) {}","reduce":"_median"}}}`, "compilation_error", "_median is no built-in reduce function; there are _sum, _count"},
		{`{"validate_doc_update":"function (newDoc) { return"}`, "compilation_error", "_design/x/validate_doc_update:1:"},
		{`{"validate_doc_update":5}`, "invalid_design_doc", "`validate_doc_update`"},
		{`{"language":"erlang","validate_doc_update":"fun() -> ok end."}`, "compilation_error", "erlang"},
		{`{"language":5}`, "invalid_design_doc", "`language`"},
		{`{"filters":{"f":5}}`, "invalid_design_doc", "`filters`"},
		{`{"options":5}`, "invalid_design_doc", "`options`"},
	} {
		w := g.as("admin", http.MethodPut, "/notes/_design/x", c.body)
		require.Equal(t, http.StatusBadRequest, w.Code, "%s: %s", c.body, w.Body)
		var answer struct{ Error, Reason string }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		require.Equal(t, c.name, answer.Error, c.body)
		require.Contains(t, answer.Reason, c.reason)
		w = g.as("admin", http.MethodPost, "/notes/_bulk_docs", `{"docs":[{"_id":"_design/x",`+c.body[1:]+`]}`)
		require.Contains(t, w.Body.String(), `"error":"`+c.name+`"`)
	}
	for _, body := range []string{
		`{"views":{"lib":{"m":"exports.x = 1"},"v":{"map":"doc => emit(doc._id)","reduce":"_sum"}}}`,
		`{"language":"query","views":{"v":{"map":{"fields":{"a":"asc"}},"reduce":"_count"}}}`,
		`{"language":"erlang","views":{"v":{"map":"fun({Doc}) -> ok end."}}}`,
		`{"filters":{"bad":"function ("},"lists":{},"anything":[1]}`,
		`{"views":null,"language":null,"options":{"include_design":true}}`,
	} {
		w := g.as("admin", http.MethodPost, "/notes", `{"_id":"_design/`+fmt.Sprint(len(body))+`",`+body[1:])
		require.Equal(t, http.StatusCreated, w.Code, "%s: %s", body, w.Body)
	}
}

const fooNeeded = `function (newDoc, oldDoc, userCtx, secObj) {
	if (newDoc._deleted) return
	if (newDoc.foo === undefined) throw ({forbidden: 'Document must have a foo.'})
	if (newDoc.foo === 'who') throw ({unauthorized: 'Who are you?'})
	if (newDoc.foo === 'object') throw ({forbidden: {foo: 'is object'}})
	if (newDoc.foo === 'bug') newDoc.bar.baz = 1
}`

func TestValidationIsAskedOnEveryWay(t *testing.T) {
	t.Parallel()
	for name, evaluator := range map[string]syncstore.Evaluator{"shared": nil, "by body": byBody{}} {
		for _, who := range []string{"alice", "admin"} {
			g := newGate(t)
			g.setPolicy(evaluator)
			g.give("alice", "a")
			free := g.store("free", "", "a")
			g.design("validate", `"validate_doc_update":`+quote(fooNeeded))
			const refused = `"error":"forbidden","reason":"Document must have a foo."`
			for _, c := range []struct {
				method, path, body string
				status             int
				has                string
			}{
				{http.MethodPut, "a1", `{}`, 403, refused},
				{http.MethodPost, "", `{}`, 403, refused},
				{http.MethodPut, "a1", `{"foo":"who"}`, 401, `"error":"unauthorized","reason":"Who are you?"`},
				{http.MethodPut, "a1", `{"foo":"object"}`, 403, `"error":"forbidden","reason":"forbidden"`},
				{http.MethodPut, "a1", `{"foo":"bug"}`, 500, `"reason":"Exception in validate_doc_update of _design/validate"`},
				{http.MethodPut, "a1?new_edits=false", `{"_rev":"3-x"}`, 403, refused},
				{http.MethodPut, "free", `{"_rev":"` + free.rev + `"}`, 403, refused},
				{http.MethodPut, "free/more?rev=" + free.rev, `{}`, 403, refused},
				{http.MethodPost, "_bulk_docs", `{"docs":[{"_id":"b1","foo":1},{"_id":"b2"}]}`, 201, `{"id":"b2",` + refused + `,"status":403}]`},
				{
					http.MethodPost, "_bulk_docs", `{"new_edits":false,"docs":[{"_id":"c0","_rev":"1-x","foo":1},{"_id":"c1","_rev":"1-x"}]}`,
					201, `[{"id":"c1","rev":"1-x",` + refused + `,"status":403}]`,
				},
				{http.MethodPut, "_local/x", `{}`, 201, `"ok":true`},
				{http.MethodPut, "a1", `{"foo":1}`, 201, `"ok":true`},
				{http.MethodDelete, "free?rev=" + free.rev, ``, 200, `"ok":true`},
			} {
				w := g.as(who, c.method, "/notes/"+c.path, c.body, "Content-Type", "application/json")
				require.Equal(t, c.status, w.Code, "%s, %s: %+v: %s", name, who, c, w.Body)
				require.Contains(t, w.Body.String(), c.has)
			}
			g.design("other", `"views":{}`)
			require.Equal(t, http.StatusForbidden, g.as(who, http.MethodPut, "/notes/a3", `{}`).Code)
			g.design("validate", `"validate_doc_update":"function () {}"`)
			require.Equal(t, http.StatusCreated, g.as(who, http.MethodPut, "/notes/a3", `{}`).Code, "another function, at once")
		}
	}
}

func TestDecision25_ValidationSeesWhatIsReplaced(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.give("alice", "a", "role:staff")
	g.give(syncstore.RolePrincipal("staff"), "role:staff")
	g.design("validate", `"validate_doc_update":`+quote(`function (newDoc, oldDoc, userCtx, secObj) { throw ({forbidden: toJSON([newDoc.n, oldDoc && oldDoc.n, userCtx, secObj.admins.roles])}) }`))
	told := func(who, path, body string) string {
		t.Helper()
		w := g.as(who, http.MethodPut, "/notes/"+path, body)
		require.Equal(t, http.StatusForbidden, w.Code, w.Body)
		var answer struct{ Reason string }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		return answer.Reason
	}
	const alice, admin = `{"db":"notes","name":"alice","roles":["staff"]},["_admin"]]`, `{"db":"notes","name":null,"roles":["_admin"]},["_admin"]]`
	require.Equal(t, `[1,null,`+alice, told("alice", "new", `{"n":1}`))
	require.Equal(t, `[1,null,`+admin, told("admin", "new", `{"n":1}`))
	require.Equal(t, `[1,null,{"db":"notes","name":null,"roles":[]},["_admin"]]`, told("", "new", `{"n":1}`))
	open := func(body string) stored {
		t.Helper()
		g.design("validate", `"x":1`)
		w := g.as("admin", http.MethodPut, "/notes/doc?new_edits=false", body)
		require.Equal(t, http.StatusCreated, w.Code, w.Body)
		return stored{"doc", strings.Trim(w.Header().Get("Etag"), `"`)}
	}
	closeAgain := func() {
		g.design("validate", `"validate_doc_update":`+quote(`function (newDoc, oldDoc) { throw ({forbidden: toJSON([newDoc.n, oldDoc && oldDoc.n, oldDoc && oldDoc._deleted])}) }`))
	}
	open(`{"_rev":"1-a","n":1}`)
	winner := open(`{"_rev":"1-b","n":2}`)
	closeAgain()
	require.Equal(t, `[3,2,null]`, told("admin", "doc", `{"_rev":"1-b","n":3}`))
	require.Contains(t, told("admin", "doc?new_edits=false", `{"_rev":"2-x","n":4,"_revisions":{"start":2,"ids":["x","a"]}}`), `[4,1`, "the leaf that it extends")
	require.Contains(t, told("admin", "doc?new_edits=false", `{"_rev":"1-y","n":5}`), `[5,2`, "the winner, if it extends none")
	g.design("validate", `"x":1`)
	g.remove(stored{"doc", winner.rev})
	g.remove(stored{"doc", "1-a"})
	closeAgain()
	require.Equal(t, `[6,null,null]`, told("admin", "doc", `{"n":6}`), "what was deleted is written anew")
	require.Contains(t, told("admin", "doc?new_edits=false", `{"_rev":"9-z","n":7}`), `true]`, "but not by what a peer made")
}

// A 404 for a missing attachment would send whoever moves an app over on a search.
func TestFunctionsOfDesignDocumentsThatAreNotThereSaySo(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.give("alice", "*")
	for _, function := range []string{"_show/post", "_show/post/id", "_list/rows/view", "_update/stamp/id", "_rewrite/a"} {
		w := g.as("alice", http.MethodGet, "/notes/_design/app/"+function, "")
		require.Equal(t, http.StatusNotImplemented, w.Code, function)
		require.Contains(t, w.Body.String(), "Design documents have filters, views and rules for writes.")
	}
	require.Equal(t, http.StatusNotFound, g.as("alice", http.MethodGet, "/notes/_design/app/_show", "").Code)
}
