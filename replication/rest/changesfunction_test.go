package rest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// newDesignGate is a gate whose design documents mean something.
func newDesignGate(t *testing.T) *gate {
	t.Helper()
	g := newGate(t)
	g.setPolicy(byBody{})
	return g
}

func (g *gate) setPolicy(evaluator syncstore.Evaluator) {
	policy := syncstore.Policy{Version: "1", Validator: access.NewValidations(design.Check, access.Options{}).For("notes", nil)}
	if evaluator != nil {
		policy.Evaluator = access.Designs{Evaluator: evaluator}
	}
	g.db.Default().SetPolicy(policy)
}

// design stores a design document as the administrator, or changes it.
func (g *gate) design(name, members string) {
	g.t.Helper()
	rev := ""
	if old, err := g.db.Default().Get(g.t.Context(), "_design/"+name, syncstore.GetOptions{}); err == nil {
		rev = `,"_rev":"` + old.Rev.String() + `"`
	}
	w := g.as("admin", http.MethodPut, "/notes/_design/"+name, "{"+members+rev+"}")
	require.Equal(g.t, http.StatusCreated, w.Code, w.Body)
}

func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}

// changed are the IDs of a feed.
func (g *gate) changed(who, query string) []string {
	g.t.Helper()
	w := g.as(who, http.MethodGet, "/notes/_changes?"+query, "")
	require.Equal(g.t, http.StatusOK, w.Code, "%s: %s", query, w.Body)
	var page struct {
		Results []struct {
			ID string `json:"id"`
		} `json:"results"`
	}
	require.NoError(g.t, json.Unmarshal(w.Body.Bytes(), &page))
	ids := []string{}
	for _, row := range page.Results {
		ids = append(ids, row.ID)
	}
	return ids
}

func TestFilterFunctionsChooseAmongWhatTheReaderMaySee(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.give("alice", "a")
	g.design("app", `"filters":{"n":`+quote(`function (doc, req) { return doc.n > (req.query.over || 0) }`)+
		`,"mine":`+quote(`(doc, req) => doc.owner === req.userCtx.name && req.userCtx.roles.length === 0 && req.method === "GET"`)+`}`)
	for id, body := range map[string]string{
		"a1": `{"n":1,"channels":["a"],"owner":"alice"}`, "a2": `{"n":2,"channels":["a"]}`, "b3": `{"n":3,"channels":["b"],"owner":"alice"}`,
	} {
		require.Equal(t, http.StatusCreated, g.as("admin", http.MethodPut, "/notes/"+id, body).Code)
	}
	require.ElementsMatch(t, []string{"a1", "a2", "b3"}, g.changed("admin", "filter=app/n"))
	require.ElementsMatch(t, []string{"a1", "a2"}, g.changed("alice", "filter=app/n"), "she need not see the design document")
	require.Equal(t, []string{"a2"}, g.changed("alice", "filter=app/n&over=1"))
	require.Equal(t, []string{"a1"}, g.changed("alice", "filter=app/mine"))
	require.Equal(t, []string{"a1"}, g.changed("alice", "filter=app/mine&include_docs=true&limit=1"))
	require.NotContains(t, g.as("alice", http.MethodGet, "/notes/_changes", "").Body.String(), "_design")
	require.Contains(t, g.as("admin", http.MethodPost, "/notes/_changes?filter=app/n&over=2", `{}`).Body.String(), `"id":"b3"`)
}

func TestFilterFunctionsAreToldOfTheRequest(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.give("alice", "a", "role:staff")
	g.give(syncstore.RolePrincipal("staff"), "role:staff")
	g.store("a1", "", "a")
	g.design("app", `"filters":{"f":`+quote(`function (doc, req) { throw ({forbidden: toJSON(req)}) }`)+`}`)
	for who, want := range map[string]string{
		"alice": `{"db":"notes","name":"alice","roles":["staff"]}`,
		"admin": `{"db":"notes","name":null,"roles":["_admin"]}`,
	} {
		w := g.as(who, http.MethodGet, "/notes/_changes?filter=app/f&x=1&y=a%20b", "", "X-Test", "here", "Cookie", "s=secret")
		require.Equal(t, http.StatusForbidden, w.Code)
		var answer struct{ Reason string }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		var request map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(answer.Reason), &request), answer.Reason)
		require.Equal(t, want, string(request["userCtx"]))
		require.Equal(t, `{"filter":"app/f","x":"1","y":"a b"}`, string(request["query"]))
		require.Equal(t, `["notes","_changes"]`, string(request["path"]))
		require.Contains(t, string(request["headers"]), `"X-Test":"here"`)
		require.NotContains(t, answer.Reason, "Bearer")
		require.NotContains(t, answer.Reason, "secret")
	}
}

func TestFilterFunctionsAreToldOfNoLongRequest(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.give("alice", "a")
	g.store("a1", "", "a")
	g.design("app", `"filters":{"f":"function (doc, req) { return req.body.length > 3 }"},"views":{"v":{"map":"function (doc) { emit(1) }"}}`)
	body := func(n int) string { return `{"x":"` + strings.Repeat("x", n) + `"}` }
	for _, c := range []struct {
		method, query, body string
		status              int
	}{
		{http.MethodPost, "filter=app/f", body(maxFunctionRequest / 2), 200},
		{http.MethodPost, "filter=app/f", body(maxFunctionRequest), 400},
		{http.MethodGet, "filter=app/f&x=" + strings.Repeat("x", maxFunctionRequest), "", 400},
		{http.MethodPost, "filter=_view&view=app/v", body(maxFunctionRequest), 200},
	} {
		w := g.as("alice", c.method, "/notes/_changes?"+c.query, c.body)
		require.Equal(t, c.status, w.Code, "%.30s: %.200s", c.query, w.Body)
	}
}

// Not in parallel: a function that never ends is blamed for what other tests make the heap grow
// (script/function.go), and would be stopped for its memory.
func TestFilterFunctionsThatAreNotThereOrFail(t *testing.T) {
	g := newDesignGate(t)
	g.give("alice", "a")
	g.store("a1", "", "a")
	g.design("app", `"filters":{"bad":"function (doc) {","text":"5","throws":"function (doc) { throw new Error(doc.text) }","never":"function () { for (;;) {} }",`+
		`"no":"function () { throw ({forbidden: 'not you'}) }","sign":"function () { throw ({unauthorized: 'who?'}) }"}`)
	g.design("erl", `"language":"erlang","filters":{"f":"fun() -> true end."}`)
	g.design("odd", `"views":{"v":{"map":"function (doc) { emit(doc._id) }"}}`)
	for _, c := range []struct {
		query       string
		status      int
		name        string
		has, forAll string
	}{
		{"filter=none/f", 404, "not_found", "missing", "missing"},
		{"filter=app/none", 404, "not_found", "missing json key: none", "missing json key: none"},
		{"filter=odd/v", 404, "not_found", "missing json key: v", "missing json key: v"},
		{"filter=_view&view=app/none", 404, "not_found", "missing json key: none", ""},
		{"filter=_view&view=none/v", 404, "not_found", "missing", ""},
		{"filter=_view", 400, "bad_request", "needs the option view", ""},
		{"filter=app/bad", 500, "compilation_error", "_design/app/filters/bad:1:", "cannot be run"},
		{"filter=app/text", 500, "compilation_error", "expected one function", "cannot be run"},
		{"filter=erl/f", 500, "compilation_error", "erlang", "cannot be run"},
		{"filter=app/throws", 500, "internal_server_error", "body-of-a1", "Exception in _design/app/filters/throws"},
		{"filter=app/no", 403, "forbidden", "not you", "not you"},
		{"filter=app/sign", 401, "unauthorized", "who?", "who?"},
		{"filter=app/never", 500, "internal_server_error", "timed out", "timed out"},
	} {
		for _, who := range []string{"admin", "alice"} {
			w := g.as(who, http.MethodGet, "/notes/_changes?"+c.query, "")
			require.Equal(t, c.status, w.Code, "%s: %s", c.query, w.Body)
			require.Contains(t, w.Body.String(), `"error":"`+c.name+`"`)
			if who == "admin" {
				require.Contains(t, w.Body.String(), c.has)
			} else {
				require.Contains(t, w.Body.String(), c.forAll)
				require.NotContains(t, w.Body.String(), "body-of")
			}
		}
	}
}

func TestViewsAreFiltersToo(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.give("alice", "a")
	g.design("app", `"views":{"even":{"map":`+quote(`function (doc) { if (doc.n % 2 === 0) { emit(doc._id); emit(doc.n, {}) } }`)+`}}`)
	for _, body := range []string{`{"_id":"a1","n":1,"channels":["a"]}`, `{"_id":"a2","n":2,"channels":["a"]}`, `{"_id":"b4","n":4}`} {
		require.Equal(t, http.StatusCreated, g.as("admin", http.MethodPost, "/notes", body).Code)
	}
	require.Equal(t, []string{"a2", "b4"}, g.changed("admin", "filter=_view&view=app/even"))
	require.Equal(t, []string{"a2"}, g.changed("alice", "filter=_view&view=app/even"))
	require.Equal(t, []string{"a2"}, g.changed("admin", "filter=_view&view=app/even&limit=1"))
}

func TestFilterFunctionsSeeTombstonesAndEachLeaf(t *testing.T) {
	t.Parallel()
	g := newDesignGate(t)
	g.design("app", `"filters":{"gone":"function (doc) { return doc._deleted }","v":"function (doc, req) { return doc.v === req.query.v }"}`)
	for _, body := range []string{`{"_rev":"1-a","v":"a"}`, `{"_rev":"1-b","v":"b"}`, `{"_rev":"1-c","v":"c"}`} {
		require.Equal(t, http.StatusCreated, g.as("admin", http.MethodPut, "/notes/doc?new_edits=false", body).Code)
	}
	g.remove(g.store("left", ""))
	require.Equal(t, []string{"left"}, g.changed("admin", "filter=app/gone"))
	require.Equal(t, []string{"doc"}, g.changed("admin", "filter=app/v&v=c"))
	require.Empty(t, g.changed("admin", "filter=app/v&v=b"), "it is not the winner")
	w := g.as("admin", http.MethodGet, "/notes/_changes?filter=app/v&v=b&style=all_docs", "")
	require.Contains(t, w.Body.String(), `"id":"doc","changes":[{"rev":"1-b"}]}`)
}

func TestFilterFunctionsOfLiveFeeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newDesignGate(t)
		g.give("alice", "a")
		g.design("app", `"filters":{"even":"function (doc) { if (doc.text.length % 2 === 0) throw new Error(); return true }"}`)
		done := make(chan string)
		for _, feed := range []string{"longpoll", "continuous"} {
			go func() {
				w := g.as("alice", http.MethodGet, "/notes/_changes?feed="+feed+"&timeout=60000&limit=1&filter="+url.QueryEscape("app/even"), "")
				done <- w.Body.String()
			}()
		}
		synctest.Wait()
		g.store("b22", "", "b")
		synctest.Wait()
		g.store("a22", "", "a")
		for range 2 {
			text := <-done
			require.Contains(t, text, `"id":"a22"`)
			require.NotContains(t, text, "b22")
		}
		go func() {
			w := g.as("alice", http.MethodGet, "/notes/_changes?feed=continuous&timeout=60000&filter=app/even", "")
			done <- w.Body.String()
		}()
		synctest.Wait()
		g.store("a333", "", "a")
		g.store("a444", "", "a")
		text := <-done
		require.Contains(t, text, `"id":"a22"`)
		require.True(t, strings.HasSuffix(text, "\"last_seq\":\"3\"}\n") || strings.Contains(text, `"last_seq":"`), "it ends complete before what failed: %s", text)
		require.NotContains(t, text, "a333")
	})
}
