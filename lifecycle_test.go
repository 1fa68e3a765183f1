package caddysync

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/stretchr/testify/require"
)

// These tests run configurations in this process. Caddy runs one at a time, so they do
// not run in parallel.

// testSite is a site on a port of its own.
type testSite struct {
	t      *testing.T
	addr   string
	client *http.Client
}

func newTestSite(t *testing.T) *testSite {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(func() {
		require.NoError(t, caddy.Stop())
		transport.CloseIdleConnections()
	})
	return &testSite{t: t, addr: addr, client: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

// config is a Caddyfile with the guest database notes at the site. The words replace
// STORE, OPTION and SITE.
func (s *testSite) config(store, option, site string) []byte {
	s.t.Helper()
	return adapt(s.t, s.caddyfile(store, option, site))
}

func (s *testSite) caddyfile(store, option, site string) string {
	return fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		output discard
	}
	sync {
		%s
		database notes {
			guest
			access shared
		}
		%s
	}
}
http://%s {
	bind 127.0.0.1
	sync notes
	%s
	respond "next" 404
}
`, store, option, s.addr, site)
}

func (s *testSite) load(config []byte) error { return caddy.Load(config, true) }

// request sends a request, again if it got no byte of an answer (DECISIONS 40): Linux
// resets connections that wait in the queue of a listening socket that Caddy closes.
func (s *testSite) request(method, path, body string) (int, string) {
	s.t.Helper()
	return s.requestOften(method, path, body, 3)
}

// requestOften is request where configurations follow one another more quickly than requests.
func (s *testSite) requestOften(method, path, body string, most int) (int, string) {
	s.t.Helper()
	for retries := 0; ; retries++ {
		status, text, err := s.once(method, path, body)
		if err == nil {
			if retries > 0 && status == http.StatusConflict && method == http.MethodPut {
				status = http.StatusCreated // the first one had arrived
			}
			return status, text
		}
		require.Less(s.t, retries, most, err)
	}
}

func (s *testSite) once(method, path, body string) (int, string, error) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.addr+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	return answer.StatusCode, string(text), nil
}

// put writes a document and reads it back.
func (s *testSite) put(id string) {
	s.t.Helper()
	status, text := s.request(http.MethodPut, "/notes/"+id, `{"n":1}`)
	require.Equal(s.t, http.StatusCreated, status, text)
	s.has(id)
}

func (s *testSite) has(id string) {
	s.t.Helper()
	status, text := s.request(http.MethodGet, "/notes/"+id, "")
	require.Equal(s.t, http.StatusOK, status, text)
	require.Contains(s.t, text, `"n":1`)
}

// longpoll opens a longpoll and waits until it is open. The channel gets its body, or an
// error's text.
func (s *testSite) longpoll(since string) <-chan string {
	s.t.Helper()
	return s.longpollAt("/notes/_changes", since)
}

func (s *testSite) longpollAt(path, since string) <-chan string {
	s.t.Helper()
	done, open := make(chan string, 1), make(chan struct{})
	go func() {
		r, err := http.NewRequestWithContext(context.WithoutCancel(s.t.Context()), http.MethodGet,
			"http://"+s.addr+path+"?feed=longpoll&timeout=60000&since="+since, nil)
		if err != nil {
			done <- err.Error()
			return
		}
		answer, err := s.client.Do(r)
		for retries := 0; err != nil && retries < 3; retries++ {
			answer, err = s.client.Do(r) // as request does
		}
		if err != nil {
			done <- err.Error()
			return
		}
		defer func() { _ = answer.Body.Close() }()
		close(open)
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			done <- "cut: " + err.Error()
			return
		}
		done <- string(text)
	}()
	select {
	case <-open:
	case got := <-done:
		require.Fail(s.t, "longpoll did not open", got)
	}
	return done
}

func (s *testSite) ends(feed <-chan string, within time.Duration) string {
	s.t.Helper()
	select {
	case got := <-feed:
		require.Contains(s.t, got, `"last_seq"`, "a feed ends with a complete body")
		return got
	case <-time.After(within):
		require.FailNow(s.t, "the feed is still open")
		return ""
	}
}

func TestReloadKeepsTheStoreOpen(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory reload", "", "")))
	s.put("before")
	require.NoError(t, s.load(s.config("store memory reload", "stream_close_delay 1s", "")))
	s.has("before") // a store in memory is empty when it is opened again
	s.put("after")
}

func TestFailedReloadLeavesTheRunningConfiguration(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()

	const store = "store memory failed"
	tests := map[string]struct {
		config func(s *testSite) []byte
		want   string
	}{
		"a provider that is refused": {func(s *testSite) []byte {
			return s.config(store, "oidc a {\n issuer http://example.com\n client_id x\n}", "")
		}, "use https"},
		"a site that is refused": {func(s *testSite) []byte {
			return bytes.Replace(s.config(store, "", ""), []byte(`"databases":["notes"]`), []byte(`"databases":["other"]`), 1)
		}, ErrUnknownDatabase.Error()},
		"an option that needs a restart": {func(s *testSite) []byte {
			return s.config(store+" {\n option other\n}", "", "")
		}, ErrRestartNeeded.Error()},
		"another number of revisions": {func(s *testSite) []byte {
			return bytes.Replace(s.config(store, "", ""), []byte(`"guest":true`), []byte(`"guest":true,"revisions":7`), 1)
		}, ErrRestartNeeded.Error()},
		"a sync function with a mistake": {func(s *testSite) []byte {
			return bytes.Replace(s.config(store, "", ""), []byte(`"access":"shared"`), []byte(`"sync_function":"testdata/bad.sync.js"`), 1)
		}, "database notes: sync_function: testdata/bad.sync.js:2:11: "},
		"another store that does not open": {func(s *testSite) []byte {
			return s.config("store memory elsewhere {\n fail\n}", "", "")
		}, "the disk is gone"},
		"a port that is taken": {func(s *testSite) []byte {
			return bytes.Replace(s.config(store, "", ""), []byte(`"listen":[`),
				[]byte(`"listen":["`+taken.Addr().String()+`",`), 1)
		}, "bind: address already in use"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newTestSite(t)
			require.NoError(t, s.load(s.config(store, "", "")))
			s.put("before")
			feed := s.longpoll("1")

			require.ErrorContains(t, s.load(test.config(s)), test.want)

			s.has("before")
			s.put("after") // the open feed hears of it: nothing ended it
			require.Contains(t, s.ends(feed, 10*time.Second), `"after"`)
			require.NoError(t, s.load(s.config(store, "stream_close_delay 0s", "")), "the next reload works")
			s.has("after")
		})
	}
}

// TestAFailedReloadLeavesNoDatabase: apps start in any order, so it fails before this one has started, or after it.
func TestAFailedReloadLeavesNoDatabase(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory nothing", "", "")))
	with := s.config("store memory nothing", "database extra", "")
	for range 8 {
		require.Error(t, s.load(bytes.Replace(with, []byte(`"listen":[`), []byte(`"listen":["`+taken.Addr().String()+`",`), 1)))
		require.Equal(t, []string{"notes"}, handles()[0].current().store.Databases())
	}
	require.NoError(t, s.load(with))
	require.Equal(t, []string{"extra", "notes"}, handles()[0].current().store.Databases())
}

func TestDecision17_ReloadEndsFeedsWithinTheDelay(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory feeds", "stream_close_delay 600ms", "")))
	s.put("first")
	var feeds []<-chan string
	for range 8 {
		feeds = append(feeds, s.longpoll("1"))
	}
	feeds = append(feeds, s.longpollAt("/notes/_changes/", "1"))
	began := time.Now()
	require.NoError(t, s.load(s.config("store memory feeds", "stream_close_delay 1s", "")))
	fresh := s.longpoll("1")
	for _, feed := range feeds {
		s.ends(feed, 10*time.Second)
	}
	require.Less(t, time.Since(began), 5*time.Second)
	s.put("second") // a feed of the new configuration is not ended by the old one's
	require.Contains(t, s.ends(fresh, 10*time.Second), `"second"`)
}

// TestDecision17_ReloadEndsFeedsOfAdministratorsWhoseRuleIsGone: those of the others end with the delay only.
func TestDecision17_ReloadEndsFeedsOfAdministratorsWhoseRuleIsGone(t *testing.T) {
	s, admin := newTestSite(t), newTestSite(t)
	config := withAdmin(t, s.config("store memory adminfeeds", "stream_close_delay 1h", ""), admin.addr)
	require.NoError(t, s.load(config))
	s.put("first")
	theirs, users := admin.longpoll("1"), s.longpoll("1")
	require.NoError(t, s.load(config))
	require.NoError(t, s.load(bytes.Replace(config, []byte(`"admin":{"loopback":true}`), []byte(`"admin":{"loopback":true,"read_only":true}`), 1)))
	s.ends(theirs, 10*time.Second)
	select {
	case got := <-users:
		require.Fail(t, "the rule is not theirs", got)
	default:
	}
	s.put("second")
	require.Contains(t, s.ends(users, 10*time.Second), `"second"`)
}

func TestOpenFeedDoesNotHoldUpTheEnd(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory end", "stream_close_delay 1h", "")))
	s.put("first")
	feed := s.longpoll("1")
	began := time.Now()
	require.NoError(t, caddy.Stop())
	s.ends(feed, 5*time.Second)
	require.Less(t, time.Since(began), 5*time.Second, "the store waited for a feed")
}

func TestRequestsAreCutOffWhenTheDelayAndTheGracePeriodOfAnExitAreOver(t *testing.T) {
	s := newTestSite(t)
	for options, want := range map[string]time.Duration{
		"":                     drainLimit,
		"shutdown_delay 100ms": drainLimit + 100*time.Millisecond,
		"grace_period 40s":     40 * time.Second,
		"shutdown_delay 200ms\n\tgrace_period 40s": 40*time.Second + 200*time.Millisecond,
	} {
		config := strings.Replace(s.caddyfile("store memory cut", "", ""), "persist_config off", "persist_config off\n\t"+options, 1)
		require.NoError(t, s.load(adapt(t, config)))
		s.put("one")
		require.Equal(t, want, handles()[0].newest().cutAfter(), options)
		require.NoError(t, caddy.Stop())
	}
}

func TestConfigurationWithoutSyncClosesTheStore(t *testing.T) {
	s := newTestSite(t)
	path := filepath.Join(t.TempDir(), "store")
	store := "store badger " + path + " {\n memory 64MiB\n min_free 1MiB\n}"
	require.NoError(t, s.load(s.config(store, "stream_close_delay 1h", "")))
	s.put("kept")
	feed := s.longpoll("1")
	require.NoError(t, s.load([]byte(`{"admin":{"disabled":true},"logging":{"logs":{"default":{"writer":{"output":"discard"}}}}}`)))
	s.ends(feed, 5*time.Second)
	_, held := stores.References(path)
	require.False(t, held)
	// Other options are no matter: it is opened anew.
	require.NoError(t, s.load(s.config(strings.Replace(store, "64MiB", "96MiB", 1), "", "")))
	s.has("kept")
}

func TestValidateTouchesNoRunningStore(t *testing.T) {
	s := newTestSite(t)
	config := s.config("store memory validate", "", "")
	require.NoError(t, s.load(config))
	s.put("before")
	require.NoError(t, validate(t, config))
	s.has("before")
	refs, held := stores.References("memory:validate")
	require.True(t, held)
	require.Equal(t, 1, refs)
}

func TestDecision14_WhatIsNotOursGoesToTheNextHandler(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory next", "", "")))
	status, text := s.request(http.MethodGet, "/app/index.html", "")
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, "next", text)
	status, text = s.request(http.MethodGet, "/_up", "")
	require.Equal(t, http.StatusOK, status, text)
	status, _ = s.request(http.MethodGet, "/notes", "")
	require.Equal(t, http.StatusOK, status)
}

func TestPathPrefixWorksWithAndWithoutHandlePath(t *testing.T) {
	s := newTestSite(t)
	config := adapt(t, fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		output discard
	}
	sync {
		store memory prefix
		database notes {
			guest
			access shared
		}
	}
}
http://%s {
	bind 127.0.0.1
	handle_path /stripped/* {
		sync notes {
			path_prefix /stripped
		}
		respond "stripped" 404
	}
	sync notes {
		path_prefix /api
	}
	respond "next" 404
}
`, s.addr))
	require.NoError(t, s.load(config))
	for _, prefix := range []string{"/api", "/stripped"} {
		status, text := s.request(http.MethodGet, prefix+"/notes", "")
		require.Equal(t, http.StatusOK, status, prefix+": "+text)
		require.Contains(t, text, `"db_name":"notes"`)
		status, text = s.request(http.MethodPut, prefix+"/notes/a%2Fb"+strings.Trim(prefix, "/"), `{}`)
		require.Equal(t, http.StatusCreated, status, text)
		require.Contains(t, text, `"id":"a/b`+strings.Trim(prefix, "/")+`"`)
	}
	status, text := s.request(http.MethodGet, "/notes", "")
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, "next", text)
}

func TestDatabasesMayBeNamedLikeThePathPrefixThatHandlePathTakesAway(t *testing.T) {
	s := newTestSite(t)
	config := adapt(t, fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		output discard
	}
	sync {
		store memory likeprefix
		database api {
			guest
			access shared
		}
		database apis {
			guest
			access shared
		}
		database notes {
			guest
			access shared
		}
	}
}
http://%s {
	bind 127.0.0.1
	handle_path /api/* {
		sync * {
			path_prefix /api
		}
		respond "stripped" 404
	}
	respond "next" 404
}
`, s.addr))
	require.NoError(t, s.load(config))
	for _, name := range []string{"api", "apis", "notes"} {
		status, text := s.request(http.MethodGet, "/api/"+name, "")
		require.Equal(t, http.StatusOK, status, name+": "+text)
		require.Contains(t, text, `"db_name":"`+name+`"`)
	}
	status, text := s.request(http.MethodPut, "/api/api/notes", `{}`)
	require.Equal(t, http.StatusCreated, status, text)
	require.Contains(t, text, `"id":"notes"`, "a document of api, and not the database notes")
}

func TestRequestsWaitForTheStore(t *testing.T) {
	t.Parallel()
	h := &Handler{app: &App{ready: make(chan struct{})}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, h.app.waitReady(ctx), context.Canceled)
	close(h.app.ready)
	require.NoError(t, h.app.waitReady(t.Context()))
}
