package test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

// copyScript matches the script of docs/from-sync-gateway.md that copies a database.
var copyScript = regexp.MustCompile("(?ms)^```js copy\n(.*?)^```$")

// TestTheScriptForMovingOverCopiesADatabase copies from one database to another: Sync
// Gateway, from which it is meant to copy, has the same endpoints.
func TestTheScriptForMovingOverCopiesADatabase(t *testing.T) {
	t.Parallel()

	block := copyScript.FindStringSubmatch(readFile(t, "docs", "from-sync-gateway.md"))
	require.NotNil(t, block, "docs/from-sync-gateway.md has the script")

	caddyfile := strings.NewReplacer(
		"database notes {", "database copy {\naccess shared\n}\ndatabase notes {", "sync notes lists {\n\t\tadmin", "sync notes lists copy {\n\t\tadmin",
	).Replace(quickstart(t))
	server := harness.New(t, harness.Options{Caddyfile: caddyfile})
	from, to := server.AdminURL+"/notes", server.AdminURL+"/copy"

	// Two branches, one with an attachment; a number that JavaScript cannot hold; a tombstone.
	got := ask(t, server, request{method: http.MethodPost, url: from + "/_bulk_docs", body: `{"new_edits":false,"docs":[
		{"_id":"note/1","n":9223372036854775807,"_revisions":{"start":2,"ids":["bb","aa"]},
			"_attachments":{"blob_/cat":{"content_type":"text/plain","data":"bWlhb3c="}}},
		{"_id":"note/1","n":2,"_revisions":{"start":2,"ids":["ba","aa"]}},
		{"_id":"gone","_deleted":true,"_revisions":{"start":3,"ids":["c","b","a"]}}]}`})
	require.Equal(t, http.StatusCreated, got.status, got.body)

	script := filepath.Join(t.TempDir(), "copy.mjs")
	require.NoError(t, os.WriteFile(script, []byte(block[1]), 0o600))

	for range 2 { // what is there already is no mistake
		node := harness.NewScript(t, harness.Script{Path: script, Args: []string{from, to}, Dir: filepath.Dir(script)})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)

		require.NoError(t, node.Wait(ctx))
		cancel()
	}

	for _, path := range []string{"/note%2F1?open_revs=all&revs=true", "/gone?rev=3-c&revs=true", "/note%2F1?attachments=true"} {
		want := ask(t, server, request{url: from + path})
		require.Equal(t, http.StatusOK, want.status, want.body)
		require.Equal(t, want.body, ask(t, server, request{url: to + path}).body, path)
	}

	require.Contains(t, ask(t, server, request{url: to + "/note%2F1"}).body, `"n":9223372036854775807`)
}
