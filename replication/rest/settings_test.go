package rest

import (
	"net/http"
	"testing"
)

func TestSettingsOfADatabase(t *testing.T) {
	t.Parallel()
	put := func(name, path, body string, status int, has ...string) scenario {
		return scenario{name: name, method: http.MethodPut, path: path, body: body, status: status, has: has}
	}
	s := newSite(t, adminSite)
	s.runAll([]scenario{
		{name: "security", path: "/notes/_security", has: []string{`"admins":{"names":[],"roles":["_admin"]}`}},
		put("security as it is", "/notes/_security", ` {"members":{"roles":[],"names":[]},"admins":{"roles":["_admin"],"names":[]}}`, 200, `{"ok":true}`),
		put("other security", "/notes/_security", `{"members":{"roles":["staff"]}}`, 501, "not_implemented", "Caddyfile"),
		put("security that is no JSON", "/notes/_security", `x`, 400),
		{name: "revisions", path: "/notes/_revs_limit", has: []string{"1000\n"}},
		put("revisions as they are", "/notes/_revs_limit", "1000", 200, `{"ok":true}`),
		put("other revisions", "/notes/_revs_limit", "5", 501, "revisions"),
		put("no revisions", "/notes/_revs_limit", "0", 400),
		put("revisions in words", "/notes/_revs_limit", `"many"`, 400),
		{name: "purges", path: "/notes/_purged_infos_limit", has: []string{"1000\n"}},
		put("purges as they are", "/notes/_purged_infos_limit", "1000", 200),
		put("other purges", "/notes/_purged_infos_limit", "5", 501),
		{name: "shards", path: "/notes/_shards", status: 501, has: []string{"not_implemented", "shards"}},
		{name: "replicate", method: http.MethodPost, path: "/_replicate", body: `{}`, status: 400, has: []string{"source and target"}},
		{name: "node", path: "/_node/_local/_config", status: 501, has: []string{"Caddyfile"}},
		{name: "method", method: http.MethodDelete, path: "/notes/_security", status: 405, headers: map[string]string{"Allow": "GET, HEAD, PUT, OPTIONS"}},
		{name: "of a collection", path: "/notes.s.c/_security", status: 404},
	})
	newSite(t).runAll([]scenario{
		{name: "security for users", path: "/notes/_security", has: []string{`"admins"`}},
		put("security by a user", "/notes/_security", `{}`, 403, "administrators"),
		{name: "revisions for users", path: "/notes/_revs_limit"},
		put("revisions by a user", "/notes/_revs_limit", `1000`, 403),
		{name: "purges for users", path: "/notes/_purged_infos_limit", status: 404},
		{name: "shards for users", path: "/notes/_shards", status: 404},
		{name: "replicate for users", method: http.MethodPost, path: "/_replicate", body: `{}`, status: 404},
	})
}
