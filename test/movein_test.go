package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

const pouchPassword = "correct horse"

// pouchServer is a PouchDB Server from npm, with an administrator.
type pouchServer struct {
	t   *testing.T
	url string
}

func newPouchServer(t *testing.T) pouchServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a cold npm ci
	defer cancel()
	program, err := harness.PouchDBServer(ctx)
	require.NoError(t, harness.NeedTool(t, err))
	port, err := harness.FreePort()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"admins":{"admin":"`+pouchPassword+`"}}`), 0o600))
	node := harness.NewScript(t, harness.Script{Path: program, Dir: dir, Args: []string{
		"--in-memory", "--port", fmt.Sprint(port), "--host", "127.0.0.1", "--config", filepath.Join(dir, "config.json"),
	}})
	s := pouchServer{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	require.Eventually(t, func() bool {
		answer, err := http.Get(s.url)
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil
	}, time.Minute, 50*time.Millisecond, "%s", node.Output())
	return s
}

// ask sends a request as the administrator.
func (s pouchServer) ask(method, path, contentType, body string) string {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.SetBasicAuth("admin", pouchPassword)
	r.Header.Set("Content-Type", contentType)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	require.Less(s.t, answer.StatusCode, 300, "%s %s: %s", method, path, text)
	return string(text)
}

// fill makes a database with documents of all sorts, and a user.
func (s pouchServer) fill(name string, many int) {
	s.t.Helper()
	const json = "application/json"
	s.ask(http.MethodPut, "/"+name, json, "")
	s.ask(http.MethodPost, "/"+name+"/_bulk_docs", json, `{"new_edits":false,"docs":[
		{"_id":"tree","_rev":"3-c","_revisions":{"start":3,"ids":["c","b","a"]},"v":"c"},
		{"_id":"tree","_rev":"3-d","_revisions":{"start":3,"ids":["d","b","a"]},"v":"d"},
		{"_id":"tree","_rev":"4-e","_deleted":true,"_revisions":{"start":4,"ids":["e","x","b","a"]}},
		{"_id":"gone","_rev":"2-y","_revisions":{"start":2,"ids":["y","x"]},"_deleted":true},
		{"_id":"a/b ü%","_rev":"1-f","v":1},
		{"_id":"_design/app","_rev":"1-f","views":{"all":{"map":"function (doc) { emit(doc._id) }"}}},
		{"_id":"small","_rev":"2-f","_revisions":{"start":2,"ids":["f","e"]},"_attachments":{"a b.txt":{"content_type":"text/plain","data":"aGVsbG8="}}}]}`)
	s.ask(http.MethodPut, "/"+name+"/large/big.bin", "application/octet-stream", strings.Repeat("0123456789abcdef", 20_000))
	for from := 0; from < many; from += 500 {
		var docs []string
		for i := from; i < min(from+500, many); i++ {
			docs = append(docs, fmt.Sprintf(`{"_id":"d%05d","n":%d}`, i, i))
		}
		s.ask(http.MethodPost, "/"+name+"/_bulk_docs", json, `{"docs":[`+strings.Join(docs, ",")+`]}`)
	}
	s.ask(http.MethodPut, "/_users/org.couchdb.user:alice", json, `{"name":"alice","type":"user","roles":["staff"],"password":"long enough"}`)
}

// TestTheCommandsOfTheImportPageMoveAPouchDBServerIn runs them against a PouchDB Server; one is killed on its way before.
func TestTheCommandsOfTheImportPageMoveAPouchDBServerIn(t *testing.T) {
	t.Parallel()
	pouch := newPouchServer(t)
	pouch.fill("notes", 3000)
	server := operated{harness.New(t, harness.Options{
		Settings: harness.Settings{NoIDP: true, Database: "password_auth\naccess shared"}, Env: []string{"CADDY_SYNC_SOURCE_PASSWORD=" + pouchPassword},
	}), t}

	source, err := url.Parse(pouch.url)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(source)
	var asked, limit atomic.Int64
	stuck := make(chan struct{}, 100)
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l := limit.Load(); l > 0 && asked.Add(1) > l {
			stuck <- struct{}{}
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(between.Close)

	for _, after := range []int64{12, 30} { // requests; then the command waits for the source, and is killed
		asked.Store(0)
		limit.Store(after)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		ended := make(chan error, 1)
		go func() {
			_, err := server.Command(ctx, "sync", "import", "couchdb", "--user", "admin", between.URL+"/notes", server.AdminURL+"/notes")
			ended <- err
		}()
		select {
		case <-stuck:
		case err := <-ended:
			require.FailNow(t, "the command ended before it was stuck", "after %d requests: %v", asked.Load(), err)
		}
		cancel() // SIGKILL
		require.Error(t, <-ended)
	}
	limit.Store(0)
	before := docCount(t, server.get("/notes"))
	require.Positive(t, before)
	require.Less(t, before, 3000)

	out := runPage(t, server, "import.md", strings.NewReplacer("https://couch.example.com", between.URL, "http://127.0.0.1:4985", server.AdminURL), map[string]string{
		"couch.password": pouchPassword + "\n",
	})
	require.Contains(t, out, "3006 documents there, 1 of them deleted, with 3008 leaves and 2 attachments")
	require.Equal(t, 2, strings.Count(out, "all are here: the same winners, leaves, bodies and attachments"), out)
	require.Contains(t, out, "1 users have a password here")
	require.Contains(t, string(server.get("/notes")), `"doc_count":3005,"doc_del_count":1`)
	require.Contains(t, string(server.get("/notes/tree?conflicts=true")), `"_conflicts":["3-c"]`)
	require.Len(t, server.get("/notes/large/big.bin"), 320_000)
	require.Contains(t, string(server.get("/notes/_design/app/_view/all?limit=1")), `"total_rows":3004`)
	status, answer := server.ask(t.Context(), http.MethodPost, "/notes/_session", []byte(`{"name":"alice","password":"long enough"}`))
	require.Equal(t, http.StatusOK, status, string(answer))
	require.Contains(t, string(server.get("/notes/_user/alice")), `"admin_roles":["staff"]`)

	out, err = server.Command(t.Context(), "sync", "import", "couchdb", "http://admin:hidden@127.0.0.1:1/notes", server.AdminURL+"/notes")
	require.ErrorContains(t, err, "the URL has credentials in it")
	require.NotContains(t, out, "hidden")
}

func docCount(t *testing.T, info []byte) int {
	t.Helper()
	var said struct {
		Docs int `json:"doc_count"`
	}
	require.NoError(t, json.Unmarshal(info, &said))
	return said.Docs
}

// runPage runs the blocks of sh of a page of docs/, one after the other.
func runPage(t *testing.T, server operated, page string, places *strings.Replacer, files map[string]string) string {
	t.Helper()
	var script strings.Builder
	for _, block := range operatingBlock.FindAllStringSubmatch(readFile(t, "docs", page), -1) {
		script.WriteString(block[1])
	}
	binary, err := harness.Binary(t.Context(), false)
	require.NoError(t, err)
	dir, tools := t.TempDir(), t.TempDir()
	require.NoError(t, os.Symlink(binary, filepath.Join(tools, "caddy-sync")))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", places.Replace(script.String()))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "HOME="+server.Dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// TestReplicationWithAPouchDBServer pulls from, and pushes to, a server that is not ours.
func TestReplicationWithAPouchDBServer(t *testing.T) {
	t.Parallel()
	pouch := newPouchServer(t)
	pouch.fill("notes", 700)
	server := operated{harness.New(t, harness.Options{Settings: harness.Settings{NoIDP: true, Sync: "database other", Databases: "notes other"}}), t}
	other := func(name string) string {
		return fmt.Sprintf(`{"url":"%s/%s","auth":{"basic":{"username":"admin","password":"%s"}}}`, pouch.url, name, pouchPassword)
	}
	replicate := func(source, target, more string) string {
		t.Helper()
		status, answer := server.ask(t.Context(), http.MethodPost, "/_replicate", []byte(`{"source":`+source+`,"target":`+target+more+`}`))
		require.Equal(t, http.StatusOK, status, "%s", answer)
		return string(answer)
	}
	require.Contains(t, replicate(other("notes"), `"notes"`, ""), `"docs_written":708,"doc_write_failures":0`)
	require.Contains(t, replicate(other("notes"), `"notes"`, ""), `"no_changes":true`)
	require.Contains(t, replicate(`"notes"`, other("back"), `,"create_target":true`), `"docs_written":708,"doc_write_failures":0`)
	require.Contains(t, replicate(other("back"), `"other"`, ""), `"docs_written":708,"doc_write_failures":0`)
	for _, path := range []string{"_all_docs?include_docs=true", "tree?revs=true&conflicts=true", "gone?rev=2-y&revs=true", "large/big.bin", "small/a%20b.txt"} {
		require.Equal(t, string(server.get("/notes/"+path)), string(server.get("/other/"+path)), path)
	}
	require.Contains(t, string(server.get("/other/_changes?style=all_docs")), `"id":"tree","changes":[{"rev":"3-d"},{"rev":"3-c"},{"rev":"4-e"}]`)

	// What it refuses comes when it is mended.
	pouch.ask(http.MethodPut, "/strict", "", "")
	pouch.ask(http.MethodPut, "/strict/_design/v", "application/json", `{"validate_doc_update":"function (doc) { if (doc.bad) { throw({forbidden: 'it is bad'}); } }"}`)
	for _, doc := range []string{"/other/bad", "/other/fine"} {
		status, text := server.ask(t.Context(), http.MethodPut, doc, []byte(`{"bad":`+strconv.FormatBool(doc == "/other/bad")+`}`))
		require.Equal(t, http.StatusCreated, status, "%s", text)
	}
	ids := `,"doc_ids":["bad","fine"]`
	require.Contains(t, replicate(`"other"`, other("strict"), ids), `"docs_written":1,"doc_write_failures":1`)
	var design struct {
		Rev string `json:"_rev"`
	}
	require.NoError(t, json.Unmarshal([]byte(pouch.ask(http.MethodGet, "/strict/_design/v", "", "")), &design))
	pouch.ask(http.MethodDelete, "/strict/_design/v?rev="+design.Rev, "", "")
	require.Contains(t, replicate(`"other"`, other("strict"), ids), `"docs_written":1,"doc_write_failures":0`)
	require.Contains(t, pouch.ask(http.MethodGet, "/strict/bad", "", ""), `"bad":true`)

	// And on, in both directions.
	pouch.ask(http.MethodPut, "/notes/there", "application/json", `{"n":1}`)
	require.Contains(t, replicate(other("notes"), `"notes"`, ""), `"docs_written":1,`)
	server.put("/notes/here", `{"n":2}`)
	require.Contains(t, replicate(`"notes"`, other("back"), ""), `"docs_written":2,`)
	require.Contains(t, pouch.ask(http.MethodGet, "/back/here", "", ""), `"n":2`)
}

// TestAServerOfOursMovesInAsASyncGateway takes collections, users and roles over by the command.
func TestAServerOfOursMovesInAsASyncGateway(t *testing.T) {
	t.Parallel()
	policy := "access channels\npassword_auth\ncollection shop.orders {\naccess channels\n}\ncollection shop.stock {\naccess channels\n}"
	settings := harness.Settings{NoIDP: true, Database: policy}
	from, to := operated{harness.New(t, harness.Options{Settings: settings}), t}, operated{harness.New(t, harness.Options{Settings: settings}), t}
	for _, keyspace := range []string{"notes", "notes.shop.orders", "notes.shop.stock"} {
		for n := range 30 {
			from.put(fmt.Sprintf("/%s/d%d", keyspace, n), fmt.Sprintf(`{"n":%d,"channels":["c%d"]}`, n, n%3))
		}
		status, answer := from.ask(t.Context(), http.MethodPut, "/"+keyspace+"/file/big.bin", bytes.Repeat([]byte{1, 2, 3}, 100_000))
		require.Equal(t, http.StatusCreated, status, string(answer))
	}
	from.put("/notes/_role/staff", `{"collection_access":{"shop":{"orders":{"admin_channels":["c1"]}}}}`)
	from.put("/notes/_user/alice", `{"password":"long enough","email":"alice@example.com","admin_channels":["c2"],"admin_roles":["staff"]}`)
	out := to.command("import", "sync-gateway", from.AdminURL+"/notes", to.AdminURL+"/notes")
	require.Equal(t, 3, strings.Count(out, "all are here: the same winners, leaves, bodies and attachments"), out)
	require.Contains(t, out, " users have NONE here")
	for _, path := range []string{
		"/notes/_all_docs?include_docs=true", "/notes.shop.orders/_all_docs?include_docs=true", "/notes.shop.stock/_all_docs?include_docs=true",
		"/notes/_role/staff", "/notes.shop.orders/file/big.bin",
	} {
		require.Equal(t, string(from.get(path)), string(to.get(path)), path)
	}
	require.Contains(t, string(to.get("/notes/_user/alice")), `"admin_channels":["c2"]`)
	require.Contains(t, string(to.get("/notes.shop.orders/_changes?filter=sync_gateway/bychannel&channels=c1")), `"id":"d1"`)
}
