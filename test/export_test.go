package test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// TestADatabaseIsExportedAndImportedWithItsRevisions goes from one database into another.
func TestADatabaseIsExportedAndImportedWithItsRevisions(t *testing.T) {
	t.Parallel()
	server := operated{harness.New(t, harness.Options{Settings: harness.Settings{
		NoIDP: true, Sync: "database other", Databases: "notes other",
	}}), t}
	post := func(path, body string) {
		t.Helper()
		status, answer := server.ask(t.Context(), http.MethodPost, path, []byte(body))
		require.Less(t, status, 300, "%s: %s", path, answer)
	}
	server.put("/notes/plain", `{"text":"two\nlines, <b>&amp;</b>\u0041","n":12345678901234567890.10}`)
	post("/notes/_bulk_docs", `{"new_edits":false,"docs":[
		{"_id":"conflict","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"from":"b"},
		{"_id":"conflict","_rev":"3-d","_revisions":{"start":3,"ids":["d","c","a"]},"from":"d"},
		{"_id":"gone","_rev":"2-y","_revisions":{"start":2,"ids":["y","x"]},"_deleted":true,"why":"old"}]}`)
	attachment := bytes.Repeat([]byte{0, 1, 2, 3}, 300_000)
	status, answer := server.ask(t.Context(), http.MethodPut, "/notes/attached/file.bin", attachment)
	require.Equal(t, http.StatusCreated, status, string(answer))
	for n := range 2500 { // more than a page of the feed
		if n%500 == 0 {
			docs := ""
			for i := range 500 {
				docs += fmt.Sprintf(`,{"_id":"d%04d","n":%d}`, n+i, n+i)
			}
			post("/notes/_bulk_docs", `{"docs":[`+docs[1:]+`]}`)
		}
	}

	file := filepath.Join(server.Dir, "notes.jsonl")
	require.Contains(t, server.command("export", server.AdminURL+"/notes", file), "2505 revisions")
	server.command("import", file, server.AdminURL+"/other")
	require.Contains(t, server.command("import", file, server.AdminURL+"/other"), "2505 revisions are there", "again, which changes nothing")

	for _, path := range []string{
		"_all_docs?include_docs=true", "conflict?revs=true&conflicts=true", "gone?rev=2-y&revs=true", "attached/file.bin",
	} {
		require.Equal(t, string(server.get("/notes/"+path)), string(server.get("/other/"+path)), path)
	}
	require.Contains(t, string(server.get("/other/_changes?style=all_docs")), `"id":"conflict","changes":[{"rev":"3-d"},{"rev":"2-b"}]`)
	require.Contains(t, string(server.get("/other")), `"doc_count":2503,"doc_del_count":1`)

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file+".cut", text[:len(text)/2], 0o600))
	_, err = server.Command(t.Context(), "sync", "import", file+".cut", server.AdminURL+"/other")
	require.ErrorContains(t, err, "not a whole dump")
	_, err = server.Command(t.Context(), "sync", "import", file, server.AdminURL+"/none")
	require.Error(t, err)
}
