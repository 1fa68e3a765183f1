package rest

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUUIDs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.header = nil
	var page struct{ UUIDs []string }
	require.NoError(t, json.Unmarshal(s.run(scenario{path: "/_uuids?count=3", headers: map[string]string{"Cache-Control": "no-store"}}).Body.Bytes(), &page))
	require.Len(t, page.UUIDs, 3)
	require.Regexp(t, `^[0-9a-f]{32}$`, page.UUIDs[0])
	require.NotEqual(t, page.UUIDs[0], page.UUIDs[1])
	require.NoError(t, json.Unmarshal(s.run(scenario{path: "/_uuids"}).Body.Bytes(), &page))
	require.Len(t, page.UUIDs, 1)
	s.runAll([]scenario{
		{name: "too many", path: "/_uuids?count=1001", status: 400, has: []string{"count"}},
		{name: "no number", path: "/_uuids?count=x", status: 400},
		{name: "method", method: http.MethodPost, path: "/_uuids", body: "{}", status: 405},
	})
}

func TestDatabaseInfosAndTasksAreForAdministrators(t *testing.T) {
	t.Parallel()
	s := newSite(t, adminSite)
	s.run(scenario{method: http.MethodPut, path: "/other", status: 201})
	s.put("a", `{}`)
	s.runAll([]scenario{
		{name: "all", path: "/_dbs_info", has: []string{`[{"key":"notes","info":{"db_name":"notes","doc_count":1,`, `{"key":"other","info":{"db_name":"other","doc_count":0,`}},
		{
			name: "some", method: http.MethodPost, path: "/_dbs_info", body: `{"keys":["other","none"]}`,
			has: []string{`[{"key":"other","info":{`, `{"key":"none","error":"not_found"}]`}, hasNot: []string{`"notes"`},
		},
		{name: "no keys", method: http.MethodPost, path: "/_dbs_info", body: `{}`, status: 400, has: []string{"keys"}},
		{name: "tasks", path: "/_active_tasks", has: []string{"[]"}},
	})
	newSite(t).runAll([]scenario{
		{path: "/_dbs_info", status: 404}, {path: "/_active_tasks", status: 404},
	})
}
