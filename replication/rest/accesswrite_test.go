package rest

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestF105_RefusedWritesAreCounted(t *testing.T) {
	t.Parallel()
	var refused atomic.Int64
	g := newGate(t, func(c *Config, _ *fakeAuth) { c.Rejected = func() { refused.Add(1) } })
	g.give("alice", "a")
	for _, write := range []struct {
		who, method, path, body string
		status                  int
		counts                  int64
	}{
		{"alice", http.MethodPut, "x", `{"requires":["b"]}`, 403, 1},
		{"alice", http.MethodPut, "x", `{"requires":["a"]}`, 201, 0},
		{"alice", http.MethodPut, "x", `{}`, 409, 0},
		{"alice", http.MethodPost, "_bulk_docs", `{"docs":[{"requires":["b"]},{"requires":["a"]},{"requires":["c"]}]}`, 201, 2},
		{"admin", http.MethodPut, "y", `{"requires":["b"]}`, 201, 0},
	} {
		before := refused.Load()
		w := g.as(write.who, write.method, "/notes/"+write.path, write.body)
		require.Equal(t, write.status, w.Code, "%+v: %s", write, w.Body)
		require.Equal(t, before+write.counts, refused.Load(), write)
		if write.status == http.StatusForbidden {
			require.JSONEq(t, `{"error":"forbidden","reason":"sg missing channel access"}`, w.Body.String())
		}
	}
}

func TestRefusedWritesSayThePolicysWords(t *testing.T) {
	t.Parallel()
	var refused atomic.Int64
	g := newGate(t, func(c *Config, _ *fakeAuth) { c.Rejected = func() { refused.Add(1) } })
	for status, name := range map[int]string{401: "unauthorized", 403: "forbidden", 500: "internal_server_error"} {
		before := refused.Load()
		doc := fmt.Sprintf(`{"_id":"x","refuse":%d}`, status)
		want := `"error":"` + name + `","reason":"no \"good\""`
		for _, body := range []string{doc, `{"docs":[` + doc + `,{"_id":"good%d"}]}`} {
			path := "/notes"
			if body != doc {
				path, body = "/notes/_bulk_docs", fmt.Sprintf(body, status)
			}
			w := g.as("alice", http.MethodPost, path, body)
			require.Contains(t, w.Body.String(), want)
			if path == "/notes" {
				require.Equal(t, status, w.Code)
				require.Equal(t, status == 401, w.Header().Get("Www-Authenticate") != "")
			}
		}
		counted := before
		if status < 500 {
			counted += 2
		}
		require.Equal(t, counted, refused.Load(), "what fails is no refusal")
	}
	require.Equal(t, http.StatusNotFound, g.as("admin", http.MethodGet, "/notes/x", "").Code, "nothing is stored")
}

// Channels of a token count in every collection, while the database takes the provider's
// tokens, and as the newest token says.
func TestChannelsOfATokenShowDocuments(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	db, err := o.store.Database("notes")
	require.NoError(t, err)
	for _, c := range []*syncstore.Collection{db.Default(), o.collection("s", "c")} {
		c.SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	}
	for _, keyspace := range []string{"notes", "notes.s.c"} {
		o.at(o.admin,
			scenario{method: http.MethodPut, path: "/" + keyspace + "/a", body: `{"channels":["a"]}`, status: 201},
			scenario{method: http.MethodPut, path: "/" + keyspace + "/b", body: `{"channels":["b"]}`, status: 201},
			scenario{method: http.MethodPut, path: "/" + keyspace + "/team", body: `{"channels":["team"]}`, status: 201})
	}
	o.at(o.admin, scenario{method: http.MethodPut, path: "/notes/_role/r1", status: 201,
		body: `{"admin_channels":["team"],"collection_access":{"s":{"c":{"admin_channels":["team"]}}}}`})
	first := bearer(o.issuer.token("carl", map[string]any{"channels": []string{"a"}, "roles": []string{"r1"}, "iat": time.Now().Unix() - 10}))
	sees := func(header map[string]string, status map[string]int) {
		t.Helper()
		for _, keyspace := range []string{"notes", "notes.s.c"} {
			for id, code := range status {
				o.at(o.public, scenario{name: "read", path: "/" + keyspace + "/" + id, header: header, status: code})
			}
		}
	}
	sees(first, map[string]int{"a": 200, "b": 404, "team": 200})
	o.at(o.public, scenario{name: "feed", path: "/notes.s.c/_changes", header: first, has: []string{`"id":"a"`, `"id":"team"`}, hasNot: []string{`"id":"b"`}})
	later := bearer(o.issuer.token("carl", map[string]any{"channels": []string{"b"}, "roles": []string{}}))
	before := db.Info().Seq
	sees(later, map[string]int{"a": 404, "b": 200, "team": 404})
	o.at(o.public, scenario{name: "what was lost", path: fmt.Sprintf("/notes/_changes?revocations=true&since=%d", before), header: later,
		has: []string{`"id":"a"`, `"revoked":true`, `"id":"team"`, `"id":"b"`}})
}

func TestResyncSaysWhichDocumentTheFunctionRefusesAndWhy(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		`throw({forbidden: "no list"})`: `"last_error":"document \"old\": rejected: no list"`,
		`throw new Error("broken")`:     `"last_error":"document \"old\": rejected: Exception in JS sync function: Error: broken at`,
	} {
		o := newOffice(t)
		db, err := o.store.Database("notes")
		require.NoError(t, err)
		o.at(o.admin, scenario{method: http.MethodPut, path: "/notes/old", body: `{}`, status: 201})
		function, err := access.NewSyncFunction("f.js", "function (doc) { "+words+" }", access.Options{})
		require.NoError(t, err)
		db.Default().SetPolicy(syncstore.Policy{Evaluator: function, Version: "2"})
		o.at(o.admin, scenario{name: "resync", method: http.MethodPost, path: "/notes/_resync"})
		require.Eventually(t, func() bool {
			status, err := db.Default().ResyncStatus(t.Context())
			return err == nil && status.State == syncstore.ResyncCompleted
		}, 10*time.Second, time.Millisecond)
		o.at(o.admin,
			scenario{name: "says why", path: "/notes/_resync", has: []string{`"docs_errored":1`, want}},
			scenario{name: "a writer is not told", method: http.MethodPut, path: "/notes/new", body: `{}`, status: map[bool]int{true: 403, false: 500}[strings.Contains(words, "forbidden")],
				hasNot: []string{"broken"}},
		)
	}
}

func TestResyncPutsDocumentsWhereThePolicySaysNow(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	db, err := o.store.Database("notes")
	require.NoError(t, err)
	o.put("alice", `{"admin_channels":["a"]}`)
	alice := cookie(o.session("alice"))
	o.at(o.admin, scenario{method: http.MethodPut, path: "/notes/old", body: `{"channels":["a"]}`, status: 201})
	o.at(o.public, scenario{name: "shared", path: "/notes/old", header: alice})
	db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "2"})
	o.at(o.public, scenario{name: "written under another policy: in no channel", path: "/notes/old", header: alice, status: 404})
	o.at(o.admin, scenario{name: "resync", method: http.MethodPost, path: "/notes/_resync"})
	require.Eventually(t, func() bool {
		w := o.send(o.admin, scenario{path: "/notes/_resync"})
		return strings.Contains(w.Body.String(), `"status":"completed","start_time":"`) &&
			strings.Contains(w.Body.String(), `"docs_processed":1,"docs_changed":1,"docs_errored":0,"last_error":""`)
	}, 10*time.Second, time.Millisecond)
	o.at(o.public,
		scenario{name: "there", path: "/notes/old", header: alice},
		scenario{name: "in the feed", path: "/notes/_changes?since=2", header: alice, has: []string{`"id":"old"`}})
}
