package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"
)

// quickstart runs the quickstart in this process, on ports of its own and with its logs in
// a file.
type quickstart struct {
	t             *testing.T
	public, admin string // host:port
	log           string
	client        *http.Client
	api           string
	adapted       []byte
}

func startQuickstart(t *testing.T) *quickstart {
	t.Helper()
	q := &quickstart{t: t, log: filepath.Join(t.TempDir(), "log"), client: &http.Client{Timeout: 30 * time.Second}}
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	text, err := os.ReadFile(examples + "/quickstart/Caddyfile")
	require.NoError(t, err)
	function, err := os.ReadFile(examples + "/quickstart/lists.sync.js")
	require.NoError(t, err)
	page := os.DirFS(examples + "/quickstart/app")
	app, err := filepath.Abs(filepath.Join(t.TempDir(), "app"))
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(app, page))
	// Of npm, where `make run` was not used yet.
	require.NoError(t, os.MkdirAll(filepath.Join(app, "lib"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(app, "lib", "pouchdb.min.js"), []byte("// PouchDB\n"), 0o600))
	t.Chdir(filepath.Dir(app))
	require.NoError(t, os.WriteFile("lists.sync.js", function, 0o600))
	ports := freePorts(t, 3)
	q.public, q.admin, q.api = "localhost:"+ports[0], "127.0.0.1:"+ports[1], "localhost:"+ports[2]
	edited := strings.NewReplacer(
		":8080", ":"+ports[0], ":4985", ":"+ports[1], ":2020", ":"+ports[2],
		"\tlog {\n\t\tlevel WARN\n", "\tlog {\n\t\toutput file "+q.log+"\n",
		"./data/access.log", q.log,
	).Replace(string(text))
	q.adapted, _, err = caddyconfig.GetAdapter("caddyfile").Adapt([]byte(edited), map[string]any{"filename": "Caddyfile"})
	require.NoError(t, err)
	require.NoError(t, caddy.Load(q.adapted, true))
	t.Cleanup(func() {
		require.NoError(t, caddy.Stop())
		q.client.CloseIdleConnections()
	})
	return q
}

func freePorts(t *testing.T, n int) []string {
	t.Helper()
	ports := make([]string, n)
	for i := range ports {
		var config net.ListenConfig
		l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { require.NoError(t, l.Close()) }()
		_, ports[i], err = net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
	}
	return ports
}

// do sends a request and returns the status and the body.
func (q *quickstart) do(method, address, body string, headers ...string) (int, string) {
	q.t.Helper()
	r, err := http.NewRequestWithContext(q.t.Context(), method, address, strings.NewReader(body))
	require.NoError(q.t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := q.client.Do(r)
	require.NoError(q.t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(q.t, err)
	return answer.StatusCode, string(text)
}

func (q *quickstart) token(user string) string {
	q.t.Helper()
	status, text := q.do(http.MethodPost, "http://"+q.public+"/idp/dev/token", url.Values{"user": {user}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/plain")
	require.Equal(q.t, http.StatusOK, status, text)
	return text
}

func TestQuickstart(t *testing.T) {
	q := startQuickstart(t)
	notes := "http://" + q.public + "/notes"

	t.Run("get a token, put a document, read it back", func(t *testing.T) {
		q := q.at(t)
		bearer := "Bearer " + q.token("alice")
		status, text := q.do(http.MethodPut, notes+"/first", `{"text":"hello"}`, "Authorization", bearer, "Content-Type", "application/json")
		require.Equal(t, http.StatusCreated, status, text)
		status, text = q.do(http.MethodGet, notes+"/first", "", "Authorization", bearer)
		require.Equal(t, http.StatusOK, status, text)
		require.Contains(t, text, `"text":"hello"`)
	})
	t.Run("nobody comes in without a token", func(t *testing.T) {
		q := q.at(t)
		status, _ := q.do(http.MethodGet, notes+"/first", "")
		require.Equal(t, http.StatusUnauthorized, status)
	})
	t.Run("the administrator's endpoints are at their site only", func(t *testing.T) {
		q := q.at(t)
		status, text := q.do(http.MethodGet, "http://"+q.admin+"/_all_dbs", "")
		require.Equal(t, http.StatusOK, status)
		require.JSONEq(t, `["lists","notes"]`, text)
		status, _ = q.do(http.MethodGet, "http://"+q.public+"/_all_dbs", "", "Authorization", "Bearer "+q.token("alice"))
		require.Equal(t, http.StatusNotFound, status)
		status, _ = q.do(http.MethodGet, "http://"+q.admin+"/_all_dbs", "", "X-Forwarded-For", "127.0.0.1")
		require.Equal(t, http.StatusForbidden, status, "a proxy led here")
	})
	t.Run("a browser gets the app, which asks nobody but this site", func(t *testing.T) {
		q := q.at(t)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+q.public+"/", nil)
		require.NoError(t, err)
		r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		answer, err := q.client.Do(r)
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.Contains(t, string(text), "<title>Shared lists</title>")
		require.NotRegexp(t, `(?:src|href)="(?:https?:)?//`, string(text))
		policy := answer.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.NotRegexp(t, `unsafe|\*|http`, policy)

		_, welcome := q.do(http.MethodGet, "http://"+q.public+"/", "")
		require.Contains(t, welcome, `"couchdb":"Welcome"`, "clients that sync ask there too")
		for _, path := range []string{"/js/", "/lib/", "/app/", "/Caddyfile", "/js/../../Caddyfile"} {
			status, _ := q.do(http.MethodGet, "http://"+q.public+path, "")
			require.Equal(t, http.StatusNotFound, status, path)
		}
	})
	t.Run("the service worker keeps all that the app needs", func(t *testing.T) {
		q := q.at(t)
		worker, err := os.ReadFile("app/sw.js")
		require.NoError(t, err)
		_, shell, _ := strings.Cut(string(worker), "const shell = [")
		shell, _, _ = strings.Cut(shell, "]")
		kept := regexp.MustCompile(`'/([^']+)'`).FindAllStringSubmatch(shell, -1)
		names := []string{"index.html", "sw.js"}
		for _, name := range kept {
			names = append(names, name[1])
			status, _ := q.do(http.MethodGet, "http://"+q.public+"/"+name[1], "")
			require.Equal(t, http.StatusOK, status, name[1])
		}
		var files []string
		require.NoError(t, fs.WalkDir(os.DirFS("app"), ".", func(path string, entry fs.DirEntry, err error) error {
			if !entry.IsDir() {
				files = append(files, path)
			}
			return err
		}))
		require.ElementsMatch(t, files, names)
	})
	t.Run("other paths are not found", func(t *testing.T) {
		q := q.at(t)
		status, _ := q.do(http.MethodGet, "http://"+q.public+"/other/path", "")
		require.Equal(t, http.StatusNotFound, status)
	})
	t.Run("the admin API knows the store", func(t *testing.T) {
		q := q.at(t)
		status, text := q.do(http.MethodGet, "http://"+q.api+"/sync/health", "")
		require.Equal(t, http.StatusOK, status, text)
		status, text = q.do(http.MethodGet, "http://"+q.api+"/sync/stats", "")
		require.Equal(t, http.StatusOK, status)
		var stats struct {
			Stores []struct {
				Databases []string `json:"databases"`
				Writes    uint64   `json:"writes"`
				DiskBytes int64    `json:"disk_bytes"`
			} `json:"stores"`
		}
		require.NoError(t, json.Unmarshal([]byte(text), &stats))
		require.Len(t, stats.Stores, 1)
		require.Equal(t, []string{"lists", "notes"}, stats.Stores[0].Databases)
		require.EqualValues(t, 1, stats.Stores[0].Writes, "of all databases")
		require.Positive(t, stats.Stores[0].DiskBytes)
	})
	t.Run("a list is its owner's and its members'", func(t *testing.T) {
		q := q.at(t)
		lists := "http://" + q.public + "/lists"
		as := map[string][]string{}
		for _, user := range []string{"alice", "bob", "carol"} {
			as[user] = []string{"Authorization", "Bearer " + q.token(user), "Content-Type", "application/json"}
		}
		put := func(user, id, body string) (rev string) {
			status, text := q.do(http.MethodPut, lists+"/"+id, body, as[user]...)
			require.Equal(t, http.StatusCreated, status, text)
			_, rev, _ = strings.Cut(text, `"rev":"`)
			rev, _, _ = strings.Cut(rev, `"`)
			return rev
		}
		feed := func(user, since string) string {
			status, text := q.do(http.MethodGet, lists+"/_changes?revocations=true&since="+since, "", as[user]...)
			require.Equal(t, http.StatusOK, status, text)
			return text
		}
		first := put("alice", "list:shopping", `{"type":"list","owner":"alice","members":["bob"]}`)
		milk := put("bob", "item:milk", `{"type":"item","list":"list:shopping","text":"Milk"}`)
		status, text := q.do(http.MethodPut, lists+"/item:bread", `{"type":"item","list":"list:shopping"}`, as["carol"]...)
		require.Equal(t, http.StatusForbidden, status, text)
		require.Contains(t, text, "sg missing channel access")
		status, text = q.do(http.MethodPut, lists+"/list:shopping?rev="+first, `{"type":"list","owner":"alice","members":["bob","carol"]}`, as["bob"]...)
		require.Equal(t, http.StatusForbidden, status, text)
		for _, user := range []string{"alice", "bob"} {
			require.Contains(t, feed(user, "0"), `"item:milk"`, user)
		}
		require.NotContains(t, feed("carol", "0"), "milk")

		_, seen, _ := strings.Cut(feed("bob", "0"), `"last_seq":"`)
		seen, _, _ = strings.Cut(seen, `"`)
		put("alice", "list:shopping?rev="+first, `{"type":"list","owner":"alice","members":["carol"]}`)
		require.Contains(t, feed("carol", "0"), `"item:milk"`)
		require.Equal(t, 2, strings.Count(feed("bob", seen), `"revoked":true`), "both leave bob's devices")
		require.NotContains(t, feed("bob", "0"), "milk", "nor do they come to new ones")
		status, _ = q.do(http.MethodPut, lists+"/item:milk?rev="+milk, `{"type":"item","list":"list:shopping"}`, as["bob"]...)
		require.Equal(t, http.StatusForbidden, status)
	})
	t.Run("metrics survive a reload", func(t *testing.T) {
		q := q.at(t)
		require.NoError(t, caddy.Load(q.adapted, true))
		status, text := q.do(http.MethodGet, "http://"+q.api+"/metrics", "")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, text, "caddy_sync_document_writes_total 4\n")
		require.NotContains(t, text, "alice")
	})
}

// at is q for a subtest.
func (q *quickstart) at(t *testing.T) *quickstart {
	t.Helper()
	inner := *q
	inner.t = t
	return &inner
}

// TestDecision15_PlantedSecrets sends secrets in every place where they may be and then
// looks for them in the logs.
func TestDecision15_PlantedSecrets(t *testing.T) {
	q := startQuickstart(t)
	token := q.token("alice")
	base := "http://" + q.public
	const (
		code, state, refresh = "planted-code", "planted-state", "planted-refresh"
		hint                 = "planted-hint"
		cookie, protocol     = "planted-cookie", "planted-protocol"
		referer, basic       = "planted-referer", "cGxhbnRlZDpiYXNpYw=="
	)
	query := fmt.Sprintf("?code=%s&state=%s&refresh_token=%s&id_token_hint=%s&kept=visible", code, state, refresh, hint)
	for _, path := range []string{"/notes", "/notes/doc", "/notes/_session", "/_session", "/notes/_oidc_callback", "/notes/_oidc_logout", "/idp/authorize", "/idp/logout", "/elsewhere"} {
		q.do(http.MethodGet, base+path+query, "", "Authorization", "Bearer "+token,
			"Cookie", "SyncGatewaySession="+cookie, "Sec-WebSocket-Protocol", "BLIP_3+CBMobile_3, SyncGatewaySession_"+protocol,
			"Referer", base+"/callback?code="+referer)
		q.do(http.MethodGet, base+path, "", "Authorization", "Basic "+basic)
		q.do(http.MethodGet, base+path, "", "Authorization", "Bearer "+token+"x")
	}
	session, _ := q.session(base, token)
	require.NoError(t, caddy.Stop()) // flushes
	log, err := os.ReadFile(q.log)
	require.NoError(t, err)
	require.Contains(t, string(log), "kept=visible", "there is an access log")
	require.Contains(t, string(log), `"sync_db":"notes"`)
	require.Contains(t, string(log), `"sync_endpoint":"sign_in"`)
	payload, _, _ := strings.Cut(strings.TrimPrefix(token, strings.SplitN(token, ".", 2)[0]+"."), ".")
	signature := token[strings.LastIndexByte(token, '.')+1:]
	for _, secret := range []string{code, state, refresh, hint, cookie, protocol, referer, basic, payload, signature, session} {
		require.NotEmpty(t, secret)
		require.False(t, bytes.Contains(log, []byte(secret)), "the log has %q", secret)
	}
	require.NotContains(t, string(log), "lacks the filter")
	require.NotContains(t, string(log), "without effect")
}

// session trades a token for a session and returns its ID.
func (q *quickstart) session(base, token string) (string, error) {
	q.t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(q.t.Context()), http.MethodPost, base+"/notes/_session", nil)
	require.NoError(q.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := q.client.Do(r)
	require.NoError(q.t, err)
	require.Equal(q.t, http.StatusOK, answer.StatusCode)
	for _, c := range answer.Cookies() {
		if c.Name == "SyncGatewaySession" {
			return c.Value, answer.Body.Close()
		}
	}
	return "", answer.Body.Close()
}
