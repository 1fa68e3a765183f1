package rest

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/stretchr/testify/require"
)

func from(r *http.Request, addr string) *http.Request {
	return r.WithContext(auth.WithClient(r.Context(), auth.Client{Addr: netip.MustParseAddr(addr)}))
}

func TestAUserMaySendSoManyRequestsASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := NewUsage()
		alice, bob := usageKey{db: 1, user: "alice"}, usageKey{db: 1, user: "bob"}
		for range 20 { // 2 s at once
			require.Zero(t, u.ask(alice, 10))
		}
		require.Equal(t, 100*time.Millisecond, u.ask(alice, 10))
		require.Zero(t, u.ask(bob, 10), "somebody else")
		require.Zero(t, u.ask(usageKey{db: 2, user: "alice"}, 10), "in another database")
		time.Sleep(time.Second)
		for range 10 {
			require.Zero(t, u.ask(alice, 10))
		}
		require.Positive(t, u.ask(alice, 10))
		for i := range 4 * keptBuckets * usageShards {
			if i%(keptBuckets*usageShards) == 0 {
				time.Sleep(time.Hour)
			}
			u.ask(usageKey{db: uint32(i)}, 1000)
		}
		for i := range u.shards {
			require.LessOrEqual(t, len(u.shards[i].due), 3*keptBuckets, "who has not asked for long is forgotten")
		}
	})
}

func TestRequestsOverTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, withLimits(Limits{UserRequests: 1}), guests)
	ask := scenario{path: "/notes"}
	s.run(ask)
	s.run(ask)
	ask.status, ask.has = http.StatusTooManyRequests, []string{`"error":"too_many_requests"`, "1 requests a second"}
	ask.headers = map[string]string{"Retry-After": "1"}
	s.run(ask)
	s.run(scenario{name: "Couchbase Lite comes back after 503", path: "/notes/_blipsync", status: http.StatusServiceUnavailable})
	s.run(scenario{name: "somebody else", path: "/notes", header: map[string]string{"Authorization": "Bearer bob"}})
	require.EqualValues(t, 2, s.Usage.Refused(LimitUserRequests))
	guest := func(addr string) int {
		return s.serveRequest(from(s.request(scenario{path: "/notes", header: map[string]string{"Authorization": ""}}), addr)).Code
	}
	for range 5 {
		require.Equal(t, http.StatusOK, guest("127.0.0.1"), "this machine")
	}
	require.Equal(t, http.StatusOK, guest("2001:db8::1"))
	require.Equal(t, http.StatusOK, guest("2001:db8::2"))
	require.Equal(t, http.StatusTooManyRequests, guest("2001:db8::3"), "the same network")
	require.Equal(t, http.StatusOK, guest("192.0.2.1"))

	admin := newSite(t, adminSite, withLimits(Limits{UserRequests: 1}))
	for range 5 {
		admin.run(scenario{path: "/notes"})
	}
	off := newSite(t, withLimits(Limits{UserRequests: Unlimited}))
	for range 5 {
		off.run(scenario{path: "/notes"})
	}
}

// openFeeds opens longpolls from an address, and returns when they are counted.
func (s *site) openFeeds(user, addr string, n int) {
	s.t.Helper()
	before := s.Usage.Open(FeedLongpoll)
	for range n {
		r := s.request(scenario{path: "/notes/_changes?feed=longpoll&heartbeat=true&since=now", header: map[string]string{"Authorization": user}})
		go s.ServeHTTP(httptest.NewRecorder(), from(r, addr), http.NotFoundHandler())
	}
	require.Eventually(s.t, func() bool { return s.Usage.Open(FeedLongpoll) == before+int64(n) }, time.Minute, time.Millisecond)
}

func TestFeedsAreLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t, withLimits(Limits{UserFeeds: 2}), guests, func(c *Config, _ *fakeAuth) { c.Limits = ServerLimits{Feeds: 6, AddressFeeds: 3} })
	ask := func(user, addr, path string) *httptest.ResponseRecorder {
		return s.serveRequest(from(s.request(scenario{path: path, header: map[string]string{"Authorization": user}}), addr))
	}
	const live = "/notes/_changes?feed=longpoll&since=now&timeout=1"
	s.openFeeds("Bearer alice", "192.0.2.1", 2)
	w := ask("Bearer alice", "192.0.2.2", live)
	require.Equal(t, http.StatusTooManyRequests, w.Code, w.Body)
	require.Contains(t, w.Body.String(), "A user may have 2 live feeds")
	require.Equal(t, "10", w.Header().Get("Retry-After"))
	require.Equal(t, http.StatusServiceUnavailable, func() int {
		s.Replicate = func(http.ResponseWriter, *http.Request, Handshake) error { return nil }
		return ask("Bearer alice", "192.0.2.2", "/notes/_blipsync").Code
	}(), "Couchbase Lite comes back after 503")
	require.Equal(t, http.StatusOK, ask("Bearer alice", "192.0.2.2", "/notes/_changes").Code, "a page is no feed")

	s.openFeeds("Bearer bob", "192.0.2.1", 1)
	w = ask("Bearer carol", "192.0.2.1", live)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), "One address may have 3")
	s.openFeeds("", "127.0.0.1", 3) // guests, of this machine: limited together only
	w = ask("Bearer dave", "192.0.2.9", live)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), "as many live feeds and replications")
	require.Equal(t, 6, s.Usage.FeedsOf(s.db.ID()))
	for limit, want := range map[Limit]uint64{LimitUserFeeds: 2, LimitAddressFeeds: 1, LimitFeeds: 1} {
		require.Equal(t, want, s.Usage.Refused(limit), limit)
	}
	writeDocs(t, s.db, "end") // they all end
	require.Eventually(t, func() bool { return s.Usage.FeedsOf(s.db.ID()) == 0 }, time.Minute, time.Millisecond)
	for i := range s.Usage.shards {
		require.Empty(t, s.Usage.shards[i].feeds, "nothing is kept of what has ended")
	}
	require.Equal(t, http.StatusOK, ask("Bearer alice", "192.0.2.1", live).Code)
}

// A replication is counted until whoever answered the handshake gives the lease back.
func TestReplicationsAreCountedBeyondTheirRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var held Handshake
	s.Replicate = func(_ http.ResponseWriter, _ *http.Request, handshake Handshake) error {
		held = handshake
		return nil
	}
	s.ServeHTTP(httptest.NewRecorder(), s.request(scenario{path: "/notes/_blipsync"}), http.NotFoundHandler())
	require.EqualValues(t, 1, s.Usage.Open(FeedReplication))
	held.Lease.Close()
	require.Zero(t, s.Usage.Open(FeedReplication))
}

func TestDatabasesAreLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t, adminSite, func(c *Config, _ *fakeAuth) { c.Limits.Databases = 2 })
	s.run(scenario{method: http.MethodPut, path: "/second", status: 201})
	s.run(scenario{method: http.MethodPut, path: "/third", status: 503, has: []string{"There are 2 databases, and the server may have 2"}, headers: map[string]string{"Retry-After": "60"}})
	s.run(scenario{method: http.MethodPut, path: "/Bad", status: 400, has: []string{"illegal_database_name"}})
	s.run(scenario{method: http.MethodDelete, path: "/second"})
	s.run(scenario{method: http.MethodPut, path: "/third", status: 201})
	require.EqualValues(t, 1, s.Usage.Refused(LimitDatabases))
}

func TestSizesThatAreRefusedAreCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t, withLimits(Limits{Document: 20, Attachment: 20, Request: 200, BulkDocs: 2, FindDocuments: 1}))
	const long = `{"text":"more than twenty bytes"}`
	put := func(method, path, body string, status int) {
		t.Helper()
		s.run(scenario{method: method, path: path, body: body, status: status})
	}
	put(http.MethodPut, "/notes/a", long, 413)
	put(http.MethodPost, "/notes/_bulk_docs", `{"docs":[`+long+`]}`, 201)
	put(http.MethodPut, "/notes/a", `{"x":"`+string(make([]byte, 300))+`"}`, 413)
	put(http.MethodPost, "/notes/_bulk_docs", `{"docs":[{},{},{}]}`, 413)
	put(http.MethodPut, "/notes/a/att", long, 413)
	put(http.MethodPost, "/notes/_bulk_docs", `{"docs":[{"_id":"x"},{"_id":"y"}]}`, 201)
	put(http.MethodPost, "/notes/_find", `{"selector":{"n":1}}`, 400)
	const says = `"reason":"The body of the request is over 200 bytes."`
	packed := gzipped(t, `{"x":"`+strings.Repeat("x", 300)+`"}`)
	s.runAll([]scenario{
		{name: "named", method: http.MethodPut, path: "/notes/a", body: `{"x":"` + strings.Repeat("x", 300) + `"}`, status: 413, has: []string{says}},
		{name: "unpacked", method: http.MethodPut, path: "/notes/a", body: packed, header: map[string]string{"Content-Encoding": "gzip"}, status: 413, has: []string{says}},
	})
	for limit, want := range map[Limit]uint64{LimitDocument: 2, LimitRequest: 3, LimitBulkDocs: 1, LimitAttachment: 1, LimitFind: 1} {
		require.Equal(t, want, s.Usage.Refused(limit), limit)
	}
}
