package peer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// server is a server of this kind with the database notes, in memory: an administrators' site
// and a public one.
type server struct {
	t      *testing.T
	engine engine.Engine
	store  *syncstore.Store
	db     *syncstore.Database
	admin  string // the URL of the database there
	public string
	// meddle, if not nil, answers in the server's place if it returns true.
	mu     sync.Mutex
	meddle func(http.ResponseWriter, *http.Request) bool
	asked  []string // method and path below the database of each request
}

func newServer(t *testing.T) *server {
	t.Helper()
	return newServerOn(t, memory.New())
}

// newServerOn is newServer on an engine of the test's own.
func newServerOn(t *testing.T, e engine.Engine) *server {
	t.Helper()
	store, err := syncstore.Open(t.Context(), e, syncstore.Options{})
	require.NoError(t, err)
	db, err := store.CreateDatabase(t.Context(), "notes")
	require.NoError(t, err)
	service, err := auth.New(auth.Config{Databases: []auth.Policy{{Name: "notes", PasswordAuth: true, AccessStated: true}}})
	require.NoError(t, err)
	state, err := auth.OpenState(t.Context(), store.Records(), zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, service.Start(t.Context(), state))
	s := &server{t: t, engine: e, store: store, db: db}
	streams := make(chan struct{})
	site := func(names []string, of auth.Site) string {
		h, err := rest.New(rest.Config{Store: store, Auth: service, Site: of, Databases: names, TempDir: t.TempDir(), Streams: streams})
		require.NoError(t, err)
		httpd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			meddle := s.meddle
			s.asked = append(s.asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/notes"))
			s.mu.Unlock()
			if meddle == nil || !meddle(w, r) {
				h.ServeHTTP(w, r, http.NotFoundHandler())
			}
		}))
		t.Cleanup(httpd.Close)
		return httpd.URL + "/notes"
	}
	s.admin = site([]string{"*"}, auth.Site{CookiePath: "/", Admin: &auth.AdminRule{Loopback: true}})
	s.public = site([]string{"notes"}, auth.Site{CookiePath: "/"})
	t.Cleanup(func() {
		service.Stop()
		state.Close()
		require.NoError(t, store.Close())
		require.NoError(t, e.Close())
	})
	t.Cleanup(func() { close(streams) })
	return s
}

func (s *server) meddleWith(fn func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meddle = fn
}

// times is how often something was asked for.
func (s *server) times(what string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, asked := range s.asked {
		if strings.HasPrefix(asked, what) {
			n++
		}
	}
	return n
}

// ask sends a request to the administrators' site.
func (s *server) ask(method, path, body string) (int, string) {
	s.t.Helper()
	status, text, err := s.try(method, path, body)
	require.NoError(s.t, err)
	return status, text
}

// try is ask, where the answer may fail.
func (s *server) try(method, path, body string) (int, string, error) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.admin+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func (s *server) put(path, body string) string {
	s.t.Helper()
	status, text := s.ask(http.MethodPut, path, body)
	require.Contains(s.t, []int{200, 201}, status, text)
	var said struct{ Rev string }
	require.NoError(s.t, json.Unmarshal([]byte(text), &said))
	return said.Rev
}

// bulk writes documents as a replicator does.
func (s *server) bulk(docs ...string) {
	s.t.Helper()
	status, text := s.ask(http.MethodPost, "/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`)
	require.Equal(s.t, 201, status, text)
	require.JSONEq(s.t, "[]", text)
}

// content is everything that can be read of the documents: all leaves with their ancestry and
// attachments.
func (s *server) content() string {
	s.t.Helper()
	_, text := s.ask(http.MethodGet, "/_changes?style=all_docs", "")
	var feed struct {
		Results []struct{ ID string }
	}
	require.NoError(s.t, json.Unmarshal([]byte(text), &feed))
	var all []string
	for _, row := range feed.Results {
		results, err := s.db.Default().GetRevs(s.t.Context(), row.ID, nil, syncstore.GetOptions{History: true})
		require.NoError(s.t, err)
		for _, result := range results {
			doc := result.Doc
			line := []string{row.ID, doc.Rev.String(), string(doc.Body)}
			if doc.Deleted {
				line = append(line, "deleted")
			}
			for _, rev := range doc.History {
				line = append(line, rev.String())
			}
			for _, a := range doc.Attachments {
				line = append(line, a.Name, a.ContentType, a.Digest, string(s.attached(&a)))
			}
			all = append(all, strings.Join(line, " "))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func (s *server) attached(a *syncstore.Attachment) []byte {
	s.t.Helper()
	reader, err := s.db.OpenContent(s.t.Context(), a.Content)
	require.NoError(s.t, err)
	defer reader.Close()
	text, err := io.ReadAll(reader)
	require.NoError(s.t, err)
	require.Len(s.t, text, int(a.Content.Length))
	if len(text) > 100 {
		return bytes.Clone(text[:100])
	}
	return text
}

// to are options of a replication between s and another server.
func (s *server) to(direction peer.Direction, url string) peer.Options {
	s.t.Helper()
	u, c, err := peer.ParseURL(url)
	require.NoError(s.t, err)
	return peer.Options{
		Direction: direction, Keyspace: "notes", Remote: peer.Remote{URL: u, Credentials: c}, MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond,
		Open: func() (peer.Local, error) { return peer.Local{Database: s.db, Collection: s.db.Default()}, nil },
	}
}

// run does a replication to its end.
func run(t *testing.T, o peer.Options) (*peer.Result, peer.Status) {
	t.Helper()
	r, err := peer.New(o)
	require.NoError(t, err)
	result, err := r.Run(t.Context())
	require.NoError(t, err)
	return result, r.Status()
}

// start begins a replication that goes on until the test ends.
func start(t *testing.T, o peer.Options) (*peer.Replication, context.CancelFunc) {
	t.Helper()
	m := peer.NewManager(nil)
	o.Continuous = true
	r, err := m.Start(o)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return r, m.Close
}

func eventually(t *testing.T, what func() bool, text ...any) {
	t.Helper()
	require.Eventually(t, what, time.Minute, 5*time.Millisecond, text...)
}

// rev is the winner of a document.
func (s *server) rev(id string) string {
	s.t.Helper()
	doc, err := s.db.Default().Get(s.t.Context(), id, syncstore.GetOptions{})
	require.NoError(s.t, err)
	return doc.Rev.String()
}

// loseContent takes away what attachments hold, as a damaged disk does. Documents name it still.
func (s *server) loseContent() {
	s.t.Helper()
	const chunk = 0x19 // the kind of keys in syncstore/keys.go
	lost := 0
	require.NoError(s.t, s.engine.Update(s.t.Context(), func(txn engine.Txn) error {
		var keys [][]byte
		pairs, failed := txn.Scan(engine.Range{Start: []byte{chunk}, End: []byte{chunk + 1}})
		for key := range pairs {
			keys = append(keys, bytes.Clone(key))
		}
		for _, key := range keys {
			if err := txn.Delete(key); err != nil {
				return err
			}
		}
		lost = len(keys)
		return failed()
	}))
	require.NotZero(s.t, lost)
}
