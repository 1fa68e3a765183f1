package rest

import (
	"net/http"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// blipSite is a site whose handshakes are recorded; refuse, if not nil, refuses them.
func blipSite(t *testing.T, refuse error, options ...siteOption) (*site, *[]Handshake) {
	t.Helper()
	var taken []Handshake
	s := newSite(t, append(options, func(c *Config, _ *fakeAuth) {
		c.Replicate = func(w http.ResponseWriter, _ *http.Request, h Handshake) error {
			if refuse != nil {
				return refuse
			}
			taken = append(taken, h)
			w.WriteHeader(http.StatusSwitchingProtocols)
			return nil
		}
	})...)
	s.take = func(*request) (heldLease, error) { return newFakeLease(), nil }
	return s, &taken
}

func TestHandshakeKnowsWhoAsks(t *testing.T) {
	t.Parallel()
	s, taken := blipSite(t, nil, allDatabases)
	s.runAll([]scenario{
		{name: "signed in", path: "/notes/_blipsync", status: 101},
		{name: "read-only", path: "/notes/_blipsync", header: map[string]string{"Authorization": "Bearer reader"}, status: 101},
		{name: "nobody", path: "/notes/_blipsync", header: map[string]string{"Authorization": ""}, status: 401, has: []string{"Login required"}},
		{name: "names do not leak", path: "/none/_blipsync", status: 401},
		{name: "of the database, not of a collection", path: "/notes._default.items/_blipsync", status: 404},
		{name: "no other method", method: http.MethodPut, path: "/notes/_blipsync", status: 405},
	})
	require.Len(t, *taken, 2)
	first := (*taken)[0]
	require.Equal(t, "alice", first.Viewer.Name)
	require.Equal(t, "notes", first.DatabaseName)
	require.False(t, first.Principal.ReadOnly)
	require.Equal(t, int64(100<<20), first.Limits.Attachment)
	c, ok := first.Collection("_default", "_default")
	require.True(t, ok)
	require.Same(t, s.db.Default(), c)
	_, ok = first.Collection("_default", "none")
	require.False(t, ok)
	require.True(t, (*taken)[1].Principal.ReadOnly)

	office, taken := blipSite(t, nil, adminSite)
	office.run(scenario{name: "an administrator sees everything", path: "/notes/_blipsync", status: 101})
	require.Nil(t, (*taken)[0].Viewer)
	newSite(t).run(scenario{name: "where nobody replicates", path: "/notes/_blipsync", status: 404})
}

func TestHandshakeThatIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := blipSite(t, &HandshakeError{Status: http.StatusUpgradeRequired, Reason: "No WebSocket."})
	s.runAll([]scenario{
		{
			name: "credentials first", path: "/notes/_blipsync", status: 426, headers: map[string]string{"Upgrade": "websocket", "Connection": "Upgrade"},
			has: []string{`{"error":"upgrade_required","reason":"No WebSocket."}`},
		},
		{name: "no credentials", path: "/notes/_blipsync", header: map[string]string{"Authorization": ""}, status: 401},
	})
	s, _ = blipSite(t, &HandshakeError{Status: http.StatusBadRequest, Reason: "No common version."})
	s.run(scenario{path: "/notes/_blipsync", status: 400, has: []string{"No common version."}, headers: map[string]string{"Upgrade": ""}})
}

func TestDecision12_HandshakesOfOtherOrigins(t *testing.T) {
	t.Parallel()
	evil := map[string]string{"Authorization": "", "Cookie": "s=alice", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
	app := map[string]string{"Authorization": "", "Cookie": "s=alice", "Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
	old := map[string]string{"Authorization": "", "Cookie": "s=alice", "Origin": "https://evil.example"}
	s, _ := blipSite(t, nil, withCORS(CORS{Origins: []string{"https://app.example"}, Credentials: true}), guests)
	s.runAll([]scenario{
		{name: "cookie, from elsewhere", path: "/notes/_blipsync", header: evil, status: 403},
		{name: "cookie, from elsewhere, old browser", path: "/notes/_blipsync", header: old, status: 403},
		{name: "cookie, from the app", path: "/notes/_blipsync", header: app, status: 101},
		{name: "cookie, no browser", path: "/notes/_blipsync", header: map[string]string{"Authorization": "", "Cookie": "s=alice"}, status: 101},
		{name: "guest, from elsewhere", path: "/notes/_blipsync", header: map[string]string{"Authorization": "", "Origin": "https://evil.example"}, status: 403},
		{name: "bearer", path: "/notes/_blipsync", header: map[string]string{"Origin": "https://evil.example"}, status: 101},
	})
}

// A collection that left the configuration is there for administrators only.
func TestHandshakeDoesNotReachClosedCollections(t *testing.T) {
	t.Parallel()
	closed := func(c *Config, _ *fakeAuth) {
		c.Database = func(string) Policy {
			return Policy{Collection: func(_, name string) CollectionPolicy { return CollectionPolicy{Closed: name == "gone"} }}
		}
	}
	for _, admin := range []bool{false, true} {
		options := []siteOption{closed}
		if admin {
			options = append(options, adminSite)
		}
		s, taken := blipSite(t, nil, options...)
		var opened *syncstore.Collection
		opened, err := s.db.OpenCollection(t.Context(), "_default", "gone")
		require.NoError(t, err)
		s.run(scenario{path: "/notes/_blipsync", status: 101})
		c, ok := (*taken)[0].Collection("_default", "gone")
		require.Equal(t, admin, ok)
		if admin {
			require.Same(t, opened, c)
		}
	}
}
