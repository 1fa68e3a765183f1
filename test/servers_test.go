package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const edgePassword = "correct horse battery"

// centreAndEdge are two servers; the edge replicates notes both ways, as the user edge of the
// centre.
func centreAndEdge(t *testing.T) (centre, edge *harness.Server) {
	t.Helper()
	centre = harness.New(t, harness.Options{Settings: harness.Settings{NoIDP: true, Database: "password_auth\naccess shared"}})
	administrate(t, centre, http.MethodPut, "/notes/_user/edge", `{"password":"`+edgePassword+`"}`, http.StatusCreated)
	login := " edge {env.CENTRE_PASSWORD}\ncontinuous\n}\n"
	edge = harness.New(t, harness.Options{
		Env: []string{"CENTRE_PASSWORD=" + edgePassword},
		Settings: harness.Settings{NoIDP: true, Database: "replicate down {\nfrom " + centre.URL + "/notes\ncookie" + login +
			"replicate up {\nto " + centre.URL + "/notes\nbasic" + login},
	})
	return centre, edge
}

// administrate asks an administrators' site.
func administrate(t *testing.T, s *harness.Server, method, path, body string, status int) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.AdminURL+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	if status != 0 {
		require.Equal(t, status, answer.StatusCode, "%s", text)
	}
	return string(text)
}

// leaves are the documents of a server with all their leaves, and how many there are.
func leaves(t *testing.T, s *harness.Server) map[string]string {
	t.Helper()
	var feed struct {
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
			Deleted bool
		}
	}
	require.NoError(t, json.Unmarshal([]byte(administrate(t, s, http.MethodGet, "/notes/_changes?style=all_docs", "", 200)), &feed))
	found := make(map[string]string)
	for _, row := range feed.Results {
		found[row.ID] = fmt.Sprint(row.Changes, row.Deleted)
	}
	return found
}

// same waits until both servers have the same.
func same(t *testing.T, a, b *harness.Server, n int) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		have := leaves(t, a)
		require.Len(c, have, n)
		require.Equal(c, have, leaves(t, b))
	}, 60*time.Second, 200*time.Millisecond)
}

func bulkOf(prefix string, n int) string {
	docs := make([]string, n)
	for i := range docs {
		docs[i] = fmt.Sprintf(`{"_id":"%s%05d","n":%d}`, prefix, i, i)
	}
	return `{"docs":[` + strings.Join(docs, ",") + `]}`
}

func TestServersReplicateBothWays(t *testing.T) {
	t.Parallel()
	centre, edge := centreAndEdge(t)
	administrate(t, edge, http.MethodPost, "/notes/_bulk_docs", bulkOf("edge", 300), 201)
	administrate(t, centre, http.MethodPost, "/notes/_bulk_docs", bulkOf("centre", 300), 201)
	same(t, centre, edge, 600)

	conflict := func(s *harness.Server, rev string) {
		administrate(t, s, http.MethodPost, "/notes/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"conflict","_rev":"2-`+rev+
			`","_revisions":{"start":2,"ids":["`+rev+`","a"]},"by":"`+rev+`"}]}`, 201)
	}
	conflict(edge, "e")
	conflict(centre, "c")
	large := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	administrate(t, edge, http.MethodPut, "/notes/attached/large.bin", large, 201)
	var doomed struct{ Rev string }
	require.NoError(t, json.Unmarshal([]byte(administrate(t, centre, http.MethodPut, "/notes/doomed", "{}", 201)), &doomed))
	administrate(t, centre, http.MethodDelete, "/notes/doomed?rev="+doomed.Rev, "", 200)
	same(t, centre, edge, 603)
	for _, s := range []*harness.Server{centre, edge} {
		require.Contains(t, administrate(t, s, http.MethodGet, "/notes/conflict?conflicts=true", "", 200), `"_conflicts":["2-c"]`)
		require.Equal(t, large, administrate(t, s, http.MethodGet, "/notes/attached/large.bin", "", 200))
		administrate(t, s, http.MethodGet, "/notes/doomed", "", 404)
	}
	require.NotContains(t, edge.LogTail(1<<20), edgePassword)
	require.NotContains(t, administrate(t, edge, http.MethodGet, "/notes/_replicationStatus/", "", 200), edgePassword)
}

// Either server is killed in the middle, again and again; nothing is lost and nothing stays behind.
func TestServersReplicateThroughKills(t *testing.T) {
	t.Parallel()
	centre, edge := centreAndEdge(t)
	const n = 2000
	for i, victim := range []*harness.Server{edge, centre, edge} {
		administrate(t, edge, http.MethodPost, "/notes/_bulk_docs", bulkOf(fmt.Sprint("edge", i, "-"), n), 201)
		administrate(t, centre, http.MethodPost, "/notes/_bulk_docs", bulkOf(fmt.Sprint("centre", i, "-"), n), 201)
		require.NoError(t, victim.Kill())
		require.NoError(t, victim.Restart(t.Context()))
	}
	same(t, centre, edge, 6*n)
	status := administrate(t, edge, http.MethodGet, "/notes/_replicationStatus/", "", 200)
	require.NotContains(t, status, `"doc_write_failures":1`)
	t.Log(status)
}
