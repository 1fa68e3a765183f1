package rest

import (
	"net/http"
	"testing"
)

func TestDatabaseEndpoints(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put("a", `{}`)
	s.runAll([]scenario{
		{name: "info", path: "/notes", has: []string{`"db_name":"notes"`, `"doc_count":1`, `"doc_del_count":0`, `"update_seq":"1"`, `"uuid":"`, `"instance_start_time":"`}},
		{name: "slash", path: "/notes/", has: []string{`"db_name":"notes"`}},
		{name: "head", method: http.MethodHead, path: "/notes"},
		{name: "full commit", method: http.MethodPost, path: "/notes/_ensure_full_commit", status: 201, has: []string{`"ok":true`, `"instance_start_time":"`}},
		{name: "create on a public site", method: http.MethodPut, path: "/notes", status: 412, has: []string{"file_exists"}},
		{name: "delete on a public site", method: http.MethodDelete, path: "/notes", status: 403, has: []string{"forbidden"}},
		{name: "unmounted", path: "/other", status: http.StatusTeapot},
	})
}

func TestAdminSite(t *testing.T) {
	t.Parallel()
	s := newSite(t, adminSite)
	json := map[string]string{"Content-Type": "application/json"}
	s.runAll([]scenario{
		{name: "create", method: http.MethodPut, path: "/more", status: 201, has: []string{`{"ok":true}`}, headers: map[string]string{"Location": "/more"}},
		{name: "twice", method: http.MethodPut, path: "/more", status: 412, has: []string{"file_exists"}},
		{name: "bad name", method: http.MethodPut, path: "/More", status: 400, has: []string{"illegal_database_name"}},
		{name: "unknown", path: "/none", status: 404, has: []string{`{"error":"not_found","reason":"no_db_file"}`}},
		{name: "all", path: "/_all_dbs", has: []string{`["more","notes"]`}},
		{name: "delete", method: http.MethodDelete, path: "/more", has: []string{`{"ok":true}`}},
		{name: "deleted", path: "/more", status: 404, has: []string{"no_db_file"}},
		{name: "delete by mistake", method: http.MethodDelete, path: "/notes?rev=1-a", status: 400},
		{name: "document", method: http.MethodPut, path: "/notes/a", body: `{}`, header: json, status: 201},
		{name: "welcome", path: "/", has: []string{`"couchdb":"Welcome"`, `"version":"1.2.3"`, `"ADMIN":true`}},
	})
}

func TestDecision12_AdminSiteTakesOnlyJSON(t *testing.T) {
	t.Parallel()
	s := newSite(t, adminSite)
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
		header := map[string]string{"Content-Type": contentType}
		s.runAll([]scenario{
			{name: contentType, method: http.MethodPut, path: "/notes/a", body: `{}`, header: header, status: 415, has: []string{"bad_content_type"}},
			{name: contentType, method: http.MethodPost, path: "/notes", body: `{}`, header: header, status: 415},
			{name: contentType, method: http.MethodPost, path: "/notes/_bulk_docs", body: `{"docs":[]}`, header: header, status: 415},
		})
	}
	s.runAll([]scenario{
		{name: "attachment", method: http.MethodPut, path: "/notes/a/b", body: `x`, header: map[string]string{"Content-Type": "text/plain"}, status: 201},
		{name: "charset", method: http.MethodPut, path: "/notes/b", body: `{}`, header: map[string]string{"Content-Type": "application/json; charset=utf-8"}, status: 201},
	})
}

func TestRootEndpoints(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	anonymous := map[string]string{"Authorization": ""}
	s.runAll([]scenario{
		{name: "welcome", path: "/", header: anonymous, has: []string{`{"couchdb":"Welcome"`}, hasNot: []string{"ADMIN"}},
		{name: "up", path: "/_up", header: anonymous, has: []string{`{"status":"ok"}`}},
		{name: "session", path: "/_session", has: []string{"session of the site notes"}, headers: map[string]string{"Cache-Control": "no-store"}},
		{name: "session of a database", path: "/notes/_session", has: []string{"session of notes notes"}},
		{name: "all_dbs is for administrators", path: "/_all_dbs", status: 404},
		{name: "unknown", path: "/_stats", status: 404, has: []string{"not_found"}},
		{name: "method", method: http.MethodPost, path: "/_up", status: 405, headers: map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
	})
}

func TestUpWhileStopping(t *testing.T) {
	t.Parallel()
	stopping := make(chan struct{})
	close(stopping)
	s := newSite(t, func(c *Config, _ *fakeAuth) { c.Streams = stopping })
	w := s.run(scenario{path: "/_up", status: 503, has: []string{"service_unavailable"}})
	if w.Header().Get("Retry-After") == "" {
		t.Fatal("no Retry-After")
	}
}
