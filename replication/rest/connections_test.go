package rest

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/stretchr/testify/require"
)

// opened is a live feed of somebody's, and what ends it.
func opened(t *testing.T, s *site, name, agent string, kind FeedKind) (doing *Activity, end func()) {
	t.Helper()
	r := s.request(scenario{path: "/notes/_changes", header: map[string]string{"User-Agent": agent}})
	if kind == FeedReplication {
		r.URL.Path = "/notes/_blipsync"
	}
	r = r.WithContext(auth.WithClient(r.Context(), auth.Client{Addr: netip.MustParseAddr("::ffff:192.0.2.7")}))
	rq := &request{r: r, db: s.db, dbName: "notes", keyspace: "notes", coll: s.db.Default(), principal: &auth.Principal{Name: name, Method: auth.MethodCookie}}
	end, err := s.beginFeed(rq, kind)
	require.NoError(t, err)
	return rq.doing, end
}

func TestAdministratorsSeeWhoIsConnected(t *testing.T) {
	t.Parallel()
	s := newSite(t, adminSite)
	s.run(scenario{name: "nobody", path: "/notes/_connections", has: []string{`{"connections":[],"total":0}`}})
	alice, endAlice := opened(t, s, "alice", "App/1", FeedContinuous)
	bob, endBob := opened(t, s, "bob", "CouchbaseLite/4", FeedReplication)
	alice.sentUpTo(7)
	alice.atEnd()
	bob.Follows("shop", "orders")
	bob.Sent()
	bob.Received("shop", "orders")
	bob.Received("_default", "_default")
	s.runAll([]scenario{
		{name: "both, the newest first", path: "/notes/_connections", has: []string{
			`"total":2`,
			`{"kind":"continuous","user":"alice","method":"cookie","address":"192.0.2.7","user_agent":"App/1","since":"`,
			`"keyspaces":["notes._default._default"],"sent":7,"received":0,"caught_up":true}`,
			`{"kind":"blip","user":"bob","method":"cookie"`,
			`"keyspaces":["notes.shop.orders","notes._default._default"],"sent":1,"received":2,"caught_up":false}`,
		}},
		{name: "some", path: "/notes/_connections?limit=1", has: []string{`"total":2`, `"bob"`}, hasNot: []string{"alice"}},
		{name: "of a user", path: "/notes/_connections?user=alice", has: []string{`"total":1`, `"alice"`}, hasNot: []string{"bob"}},
		{name: "of nobody in particular", path: "/notes/_connections?user=", has: []string{`"total":0`}},
		{name: "no number", path: "/notes/_connections?limit=0", status: http.StatusBadRequest},
		{name: "of a database only", path: "/notes._default._default/_connections", status: http.StatusNotFound},
	})
	endAlice()
	endBob()
	endBob()
	s.run(scenario{name: "gone", path: "/notes/_connections", has: []string{`"total":0`}})
	public := newSite(t)
	public.run(scenario{name: "on a public site", path: "/notes/_connections", status: http.StatusNotFound})
}

func TestALongUserAgentIsCut(t *testing.T) {
	t.Parallel()
	s := newSite(t, adminSite)
	agent := make([]byte, 10_000)
	for i := range agent {
		agent[i] = 'x'
	}
	_, end := opened(t, s, "alice", string(agent)+"\xff", FeedContinuous)
	defer end()
	require.Len(t, s.Usage.feedsOpen(s.db.ID(), nil)[0].agent, maxAgent)
}
