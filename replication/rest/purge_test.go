package rest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPurgeAndCompactAreForAdministrators(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	post := func(name, path, body string, status int, has ...string) scenario {
		return scenario{name: name, method: http.MethodPost, path: path, body: body, status: status, has: has}
	}
	o.at(o.admin,
		scenario{method: http.MethodPut, path: "/notes/a?new_edits=false", body: `{"_rev":"1-aa"}`, status: 201},
		scenario{method: http.MethodPut, path: "/notes/a?new_edits=false", body: `{"_rev":"1-bb"}`, status: 201},
		scenario{method: http.MethodPut, path: "/notes/b", body: `{}`, status: 201},
		post("one leaf", "/notes/_purge", `{"a":["1-bb","7-zz"],"none":["1-aa"]}`, 201, `{"purge_seq":1,"purged":{"a":["1-bb"],"none":[]}}`),
		scenario{path: "/notes/a", has: []string{`"_rev":"1-aa"`}},
		post("all, as Sync Gateway has it", "/notes/_purge", `{"b":["*"]}`, 201, `"purged":{"b":["*"]}`),
		scenario{name: "gone", path: "/notes/b", status: 404, has: []string{`"reason":"missing"`}},
		scenario{name: "counted", path: "/notes", has: []string{`"doc_count":1,"doc_del_count":0,`, `"purge_seq":"2"`}},
		scenario{name: "counted in the list", path: "/_dbs_info", has: []string{`"purge_seq":"2"`}},
		scenario{method: http.MethodPut, path: "/notes/c", body: `{}`, status: 201},
		scenario{name: "writes are no purges", path: "/notes", has: []string{`"purge_seq":"2"`}},
		scenario{name: "no tombstone", path: "/notes/_changes", has: []string{`"id":"a"`}, hasNot: []string{`"id":"b"`}},
		post("no list", "/notes/_purge", `{"a":"1-aa"}`, 400, "array"),
		post("star and more", "/notes/_purge", `{"a":["*","1-aa"]}`, 400, "alone"),
		post("no revision", "/notes/_purge", `{"a":["x"]}`, 400, "rev"),
		post("no object", "/notes/_purge", `[]`, 400),
		post("compact", "/notes/_compact", "", 202, `{"ok":true}`),
		post("compact by type", "/notes/_compact?type=tombstone", "", 400, "type"),
		scenario{name: "tasks", path: "/_active_tasks", has: []string{"["}},
	)
	o.at(o.reader,
		post("purge", "/notes/_purge", `{"a":["*"]}`, 403),
		post("compact", "/notes/_compact", "", 403),
	)
	require.Equal(t, []string{"purged", "purged", "compacted"}, o.events("keyspace", "notes"))
	s := newSite(t)
	s.put("a", `{}`)
	s.runAll([]scenario{
		{name: "none yet", path: "/notes", has: []string{`"purge_seq":"0"`}},
		post("purge by a user", "/notes/_purge", `{"a":["*"]}`, 404),
		post("compaction by a user", "/notes/_compact", `{}`, 404),
		{name: "still there", path: "/notes/a"},
	})
}
