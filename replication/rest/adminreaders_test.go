package rest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestAdministratorsLearnWhoSeesADocument(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	items := o.collection("s", "c")
	db, err := o.store.Database("notes")
	require.NoError(t, err)
	db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}})
	items.SetPolicy(syncstore.Policy{Evaluator: byBody{}})
	o.put("alice", `{"admin_channels":["own"],"admin_roles":["staff"]}`)
	o.put("bob", `{"admin_channels":["other"]}`)
	o.put("carol", `{"admin_channels":["*"],"disabled":true}`)
	o.at(o.admin,
		scenario{method: http.MethodPut, path: "/notes/_role/staff", body: `{"admin_channels":["desk"]}`, status: 201},
		scenario{method: http.MethodPut, path: "/notes/grant", body: `{"grants":{"bob":["own"]}}`, status: 201},
		scenario{method: http.MethodPut, path: "/notes/doc", body: `{"channels":["own","desk"]}`, status: 201},
		scenario{method: http.MethodPut, path: "/notes/open", body: `{"channels":["!"]}`, status: 201},
		scenario{method: http.MethodPut, path: "/notes.s.c/item", body: `{"channels":["own"]}`, status: 201},
		scenario{name: "by whom", path: "/notes/_readers/doc", has: []string{
			`"channels":["desk","own"]`,
			`{"name":"alice","by":[{"channel":"own","since":1,"by":"admin"},{"channel":"desk","since":4,"by":"admin","role":"staff"}]}`,
			`{"name":"bob","by":[{"channel":"own","since":5,"by":"document","document":"grant","keyspace":"notes._default._default"}]}`,
			`{"name":"carol","disabled":true,"by":[{"channel":"*","since":3,"by":"admin"}]}`,
		}, hasNot: []string{"next", "everybody"}},
		scenario{name: "a page", path: "/notes/_readers/doc?limit=1", has: []string{`"name":"alice"`, `"next":"bob"`}, hasNot: []string{"carol"}},
		scenario{name: "the next", path: "/notes/_readers/doc?limit=2&startkey=bob", has: []string{`"name":"bob"`, `"name":"carol"`}, hasNot: []string{"alice", "next"}},
		scenario{name: "everybody", path: "/notes/_readers/open", has: []string{`"everybody":"channel"`, `"users":[]`}},
		scenario{name: "of a collection its own channels count", path: "/notes.s.c/_readers/item", has: []string{`"users":[]`}},
		scenario{name: "missing", path: "/notes/_readers/none", status: 404},
		scenario{name: "no number", path: "/notes/_readers/doc?limit=x", status: 400},
	)
	o.at(o.admin,
		scenario{method: http.MethodPut, path: "/notes/more", body: `{"grants":{"role:staff":["team"]}}`, status: 201},
		scenario{name: "what a role gives", path: "/notes/_role/staff/_all_channels", has: []string{
			`"desk":[{"since":4,"by":"admin"}]`, `"team":[{"since":9,"by":"document","document":"more","keyspace":"notes._default._default"}]`,
		}, hasNot: []string{`"staff"`}},
		scenario{name: "no role", path: "/notes/_role/none/_all_channels", status: 404},
	)
	o.at(o.reader, scenario{name: "who may only read", path: "/notes/_readers/doc"})
	o.at(o.public, scenario{path: "/notes/_readers/doc", status: 401})
	db.Default().SetPolicy(syncstore.Policy{})
	o.at(o.admin, scenario{name: "shared", path: "/notes/_readers/doc", has: []string{`"everybody":"shared"`, `"users":[]`}})
}

func TestUsersAreListedFromAName(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i := range 5 {
		o.put(fmt.Sprintf("user%d", i), `{}`)
	}
	o.at(o.admin,
		scenario{path: "/notes/_user/?name_only=false&limit=2&startkey=user2", has: []string{`"user2"`, `"user3"`}, hasNot: []string{"user1", "user4"}},
		scenario{path: "/notes/_user/?startkey=user4", has: []string{`["user4"]`}},
		scenario{path: "/notes/_user/?startkey=x", has: []string{`[]`}},
	)
}

func TestStatusTellsOfSomeDatabases(t *testing.T) {
	t.Parallel()
	s := newSite(t, adminSite)
	for _, name := range []string{"a", "b"} {
		s.run(scenario{method: http.MethodPut, path: "/" + name, status: http.StatusCreated})
	}
	s.runAll([]scenario{
		{path: "/_status", has: []string{`"a":{`, `"b":{`, `"notes":{`, `"collections":["_default._default"]`}},
		{path: "/_status?limit=1", has: []string{`"a":{`}, hasNot: []string{`"b":{`}},
		{path: "/_status?limit=1&startkey=b", has: []string{`"b":{`}, hasNot: []string{`"a":{`, `"notes":{`}},
		{path: "/_status?limit=0", status: 400},
	})
}
