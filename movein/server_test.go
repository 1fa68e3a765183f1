package movein_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/movein"
	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// server is a server of ours with the database notes, in memory, by its administrators' site.
type server struct {
	t   *testing.T
	db  *syncstore.Database
	url string // of the database

	mu     sync.Mutex
	meddle func(http.ResponseWriter, *http.Request) bool
}

func newServer(t *testing.T, collections ...string) *server {
	t.Helper()
	e := memory.New()
	store, err := syncstore.Open(t.Context(), e, syncstore.Options{})
	require.NoError(t, err)
	db, err := store.CreateDatabase(t.Context(), "notes")
	require.NoError(t, err)
	for _, name := range collections {
		_, err := db.OpenCollection(t.Context(), "shop", name)
		require.NoError(t, err)
	}
	service, err := auth.New(auth.Config{Databases: []auth.Policy{{Name: "notes", PasswordAuth: true, AccessStated: true}}})
	require.NoError(t, err)
	state, err := auth.OpenState(t.Context(), store.Records(), zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, service.Start(t.Context(), state))
	streams := make(chan struct{})
	h, err := rest.New(rest.Config{
		Store: store, Auth: service, Site: auth.Site{CookiePath: "/", Admin: &auth.AdminRule{Loopback: true}},
		Databases: []string{"*"}, TempDir: t.TempDir(), Streams: streams,
	})
	require.NoError(t, err)
	s := &server{t: t, db: db}
	httpd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		meddle := s.meddle
		s.mu.Unlock()
		if meddle == nil || !meddle(w, r) {
			h.ServeHTTP(w, r, http.NotFoundHandler())
		}
	}))
	t.Cleanup(func() {
		close(streams)
		httpd.Close()
		service.Stop()
		state.Close()
		require.NoError(t, store.Close())
		require.NoError(t, e.Close())
	})
	s.url = httpd.URL + "/notes"
	return s
}

func (s *server) meddleWith(fn func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meddle = fn
}

// ask sends a request; path is behind the database's name.
func (s *server) ask(method, path, body string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	return answer.StatusCode, string(text)
}

func (s *server) put(path, body string) {
	s.t.Helper()
	status, text := s.ask(http.MethodPut, path, body)
	require.Contains(s.t, []int{200, 201}, status, text)
}

func (s *server) get(path string) string {
	s.t.Helper()
	status, text := s.ask(http.MethodGet, path, "")
	require.Equal(s.t, http.StatusOK, status, text)
	return text
}

// fill writes documents of all sorts into a keyspace, "" for the default one.
func (s *server) fill(keyspace string, many int) {
	s.t.Helper()
	docs := []string{
		`{"_id":"tree","_rev":"3-c","_revisions":{"start":3,"ids":["c","b","a"]},"v":"c","long":12345678901234567890.10}`,
		`{"_id":"tree","_rev":"3-d","_revisions":{"start":3,"ids":["d","b","a"]},"v":"d"}`,
		`{"_id":"tree","_rev":"4-e","_deleted":true,"_revisions":{"start":4,"ids":["e","x","b","a"]}}`,
		`{"_id":"gone","_rev":"2-y","_revisions":{"start":2,"ids":["y","x"]},"_deleted":true,"why":"old"}`,
		`{"_id":"a/b ü%","_rev":"1-f","v":1}`,
		`{"_id":"_design/d","_rev":"1-f","views":{"v":{"map":"function(doc){emit(doc._id)}"}}}`,
		`{"_id":"small","_rev":"2-f","_revisions":{"start":2,"ids":["f","e"]},"_attachments":{"a b.txt":{"content_type":"text/plain","revpos":1,"data":"aGVsbG8="}}}`,
	}
	for i := range many {
		docs = append(docs, fmt.Sprintf(`{"_id":"d%05d","_rev":"1-f","n":%d}`, i, i))
	}
	for some := range slices.Chunk(docs, 500) {
		status, text := s.ask(http.MethodPost, keyspace+"/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(some, ",")+`]}`)
		require.Equal(s.t, http.StatusCreated, status, text)
		require.JSONEq(s.t, "[]", text)
	}
	s.put(keyspace+"/large/big.bin", strings.Repeat("0123456789abcdef", 40<<10))
}

// content is everything that can be read of a collection.
func (s *server) content(scope, name string) string {
	s.t.Helper()
	coll, ok := s.db.Collection(scope, name)
	require.True(s.t, ok)
	keyspace := ""
	if name != "_default" {
		keyspace = "." + scope + "." + name
	}
	var feed struct {
		Results []struct{ ID string }
	}
	require.NoError(s.t, json.Unmarshal([]byte(s.get(keyspace+"/_changes?style=all_docs")), &feed))
	var all []string
	for _, row := range feed.Results {
		results, err := coll.GetRevs(s.t.Context(), row.ID, nil, syncstore.GetOptions{History: true})
		require.NoError(s.t, err)
		for _, result := range results {
			doc := result.Doc
			line := fmt.Sprint(row.ID, doc.Rev, doc.History, string(doc.Body), doc.Deleted)
			for _, a := range doc.Attachments {
				line += fmt.Sprint(a.Name, a.ContentType, a.Digest, a.Content.Length)
			}
			all = append(all, line)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// told keeps what a move says.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (l *told) Say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (*told) Progress(string, uint64, uint64) {}

func (l *told) String() string { return strings.Join(l.lines, "\n") }

// from are options of a move from a URL to a server.
func (s *server) from(kind movein.Kind, source string) (movein.Options, *told) {
	s.t.Helper()
	l := new(told)
	at := func(text string) peer.Remote {
		u, c, err := peer.ParseURL(text)
		require.NoError(s.t, err)
		return peer.Remote{URL: u, Credentials: c}
	}
	return movein.Options{Kind: kind, Source: at(source), Target: at(s.url), Teller: l, MinDelay: time.Millisecond}, l
}
