package rest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestAnOfflineDatabaseServesAdministratorsOnly(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	db, err := o.store.Database("notes")
	require.NoError(t, err)
	writeDocs(t, db, "a")
	public := newSite(t, func(c *Config, _ *fakeAuth) { c.Store = o.store })
	o.at(o.admin,
		scenario{name: "take out", method: http.MethodPost, path: "/notes/_offline", has: []string{`{"ok":true,"state":"Offline"}`}},
		scenario{name: "again", method: http.MethodPost, path: "/notes/_offline", body: `{}`},
		scenario{name: "administrators go on", path: "/notes/a"},
		scenario{name: "status", path: "/_status", has: []string{`"state":"Offline"`, `"seq":1`, `"state":"running"`}},
		scenario{name: "names", path: "/_all_dbs?verbose=true", has: []string{`[{"db_name":"notes","state":"Offline"}]`}},
		scenario{name: "no delay", method: http.MethodPost, path: "/notes/_online", body: `{"delay":3}`, status: 400, has: []string{`A state of a database has no members: leave \"delay\" out.`}},
	)
	o.at(o.reader, scenario{method: http.MethodPost, path: "/notes/_online", status: 403})
	away := scenario{status: http.StatusServiceUnavailable, has: []string{"offline"}, headers: map[string]string{"Retry-After": "30"}}
	for _, path := range []string{"/notes", "/notes/a", "/notes/_changes?feed=longpoll", "/notes._default._default/a", "/notes/_session", "/notes/_blipsync"} {
		away.name, away.path = path, path
		public.run(away)
	}
	public.run(scenario{name: "nobody is told of it", path: "/notes/a", header: map[string]string{"Authorization": ""}, status: http.StatusUnauthorized})
	o.at(o.admin, scenario{method: http.MethodPost, path: "/notes/_online", has: []string{`"state":"Online"`}})
	public.run(scenario{path: "/notes/a"})
	require.Equal(t, []string{"database_offline", "database_offline", "database_online"}, o.events("keyspace", "notes"))
}

func TestWhoMakesAndDeletesADatabaseIsAudited(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.at(o.admin,
		scenario{method: http.MethodPut, path: "/more", status: http.StatusCreated},
		scenario{name: "twice", method: http.MethodPut, path: "/more", status: http.StatusPreconditionFailed},
		scenario{method: http.MethodDelete, path: "/more"},
		scenario{name: "twice", method: http.MethodDelete, path: "/more", status: http.StatusNotFound},
	)
	require.Equal(t, []string{"database_created", "database_deleted"}, o.events("database", "more"))
}

// The others' sessions end too, and the provider has one address to tell it.
func TestALogoutOfTheProviderIsTakenWhileTheDatabaseIsOffline(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	require.NoError(t, s.db.SetOffline(t.Context(), true))
	nobody := map[string]string{"Authorization": ""}
	s.run(scenario{method: http.MethodPost, path: "/notes/_oidc_backchannel_logout", header: nobody, has: []string{"POST _oidc_backchannel_logout of notes"}})
	s.run(scenario{name: "nobody signs in", path: "/notes/_oidc", header: nobody, status: http.StatusServiceUnavailable})
}

func TestFeedsEndWhenTheDatabaseGoesOffline(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	done := make(chan int, 1)
	go func() { done <- s.send(scenario{path: "/notes/_changes?feed=longpoll&since=0&heartbeat=true"}).Code }()
	require.Eventually(t, func() bool {
		require.NoError(t, s.db.SetOffline(t.Context(), true))
		select {
		case code := <-done:
			return code == http.StatusOK || code == http.StatusServiceUnavailable
		case <-time.After(50 * time.Millisecond):
			return false
		}
	}, 10*time.Second, time.Millisecond)
}

func TestAServerThatIsStoppingTellsLoadBalancers(t *testing.T) {
	t.Parallel()
	draining := false
	s := newSite(t, adminSite, func(c *Config, _ *fakeAuth) { c.Draining = func() bool { return draining } })
	s.run(scenario{path: "/_up", has: []string{`{"status":"ok"}`}})
	s.run(scenario{path: "/_status", has: []string{`"state":"running"`}})
	draining = true
	s.run(scenario{path: "/_up", status: 503, has: []string{`"status":"draining"`}, headers: map[string]string{"Retry-After": "2"}})
	s.run(scenario{path: "/_status", status: 503, has: []string{`"state":"draining"`}, headers: map[string]string{"Retry-After": "2"}})
	s.run(scenario{name: "a feed would end at once, and come back", path: "/notes/_changes?feed=longpoll", status: 503})
	s.run(scenario{name: "what is short is answered", path: "/notes/_changes"})
}

func TestStatisticsAreTheServersCounters(t *testing.T) {
	t.Parallel()
	stats := func() (map[string]any, error) { return map[string]any{"caddy_sync_feeds": 3}, nil }
	s := newSite(t, adminSite, func(c *Config, _ *fakeAuth) { c.Stats = stats })
	s.run(scenario{path: "/_stats", has: []string{`{"caddy_sync_feeds":3}`}})
}

func TestTheConfigurationOfADatabaseIsRead(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.at(o.admin, scenario{path: "/notes/_config", status: 404})
	o.admin.Database = func(string) Policy {
		return Policy{Config: func() ([]byte, error) { return []byte(`{"name":"notes","database":{}}`), nil }}
	}
	o.at(o.admin, scenario{path: "/notes/_config", has: []string{`{"name":"notes"`}})
	require.Equal(t, []string{"database_config_read"}, o.events("keyspace", "notes"))
	newSite(t).run(scenario{path: "/notes/_config", status: 404})
}

func TestADocumentIsShownWithAllThatIsKept(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	db, err := o.store.Database("notes")
	require.NoError(t, err)
	db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}, Version: "1"})
	o.at(o.admin,
		scenario{method: http.MethodPut, path: "/notes/a", body: `{"n":"body","channels":["news"],"_attachments":{"att":{"content_type":"text/plain","data":"YQ=="}}}`, status: 201},
		scenario{method: http.MethodPut, path: "/notes/a?new_edits=false", body: `{"_rev":"1-0a","x":1}`, status: 201},
		scenario{path: "/notes/_raw/a", has: []string{
			`{"_id":"a","_rev":"1-`, `"n":"body"`, `"channels":["news"]`, `"sequence":2,"created_sequence":1`, `"parents":[-1,-1]`, `"1-0a"`,
			`"content_type":"text/plain","digest":"md5-`, `"channel_set":[{"name":"news","start":1}]`, `"_vv":{"cv":"`,
		}},
		scenario{path: "/notes/_raw/a?include_doc=false", has: []string{`"_xattrs"`}, hasNot: []string{"body"}},
		scenario{path: "/notes/_raw/a?include_doc=1", status: 400},
		scenario{path: "/notes/_raw/none", status: 404},
		scenario{method: http.MethodPut, path: "/notes/gone?new_edits=false", body: `{"_rev":"1-0a","_deleted":true}`},
		scenario{name: "tombstone", path: "/notes/_raw/gone", has: []string{`"_deleted":true,`, `"deleted":[0],"bodies":[0]`}},
	)
	require.Equal(t, []string{"document_metadata_read", "document_metadata_read", "document_metadata_read"}, o.events("keyspace", "notes"))
	o.nobodyElse("/notes/_raw/a")
}

func (o *office) nobodyElse(path string) {
	o.t.Helper()
	newSite(o.t).run(scenario{name: "a user", path: path, status: 404})
}

func TestATreeOfRevisionsIsDrawn(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const id = `a%3C%22%26`
	put := scenario{method: http.MethodPut, path: "/notes/" + id + "?new_edits=false", status: 201}
	for _, put.body = range []string{
		`{"_rev":"3-cc","_revisions":{"start":3,"ids":["cc","bb","aa"]}}`, `{"_rev":"2-d&d","_deleted":true,"_revisions":{"start":2,"ids":["d&d","aa"]}}`,
	} {
		o.at(o.admin, put)
		put.status = http.StatusOK // a deletion
	}
	o.at(o.admin, scenario{path: "/notes/_revtree/" + id, has: []string{
		`digraph "a<\"&" {`, `"1-aa" -> "2-bb";`, `"2-bb" -> "3-cc";`, `"1-aa" -> "2-d&d";`, `"3-cc" [style=bold, color=black];`,
		`"2-bb" [style=dashed, color=black];`, `"2-d&d" [style=solid, color=gray]`,
	}, headers: map[string]string{"Content-Type": "text/vnd.graphviz; charset=utf-8"}})
	for _, svg := range []scenario{
		{path: "?format=svg"}, {header: map[string]string{"Accept": "image/svg+xml,image/*;q=0.8,*/*;q=0.5"}},
	} {
		svg.path = "/notes/_revtree/" + id + svg.path
		svg.headers = map[string]string{"Content-Type": "image/svg+xml", "Content-Security-Policy": "default-src 'none'; sandbox"}
		svg.has, svg.hasNot = []string{"<title>a&lt;&#34;&amp;</title>", "2-d&amp;d"}, []string{"d&d"}
		text := o.send(o.admin, svg).Body.String()
		o.at(o.admin, svg)
		require.Equal(t, 4, strings.Count(text, "<rect "))
		require.Equal(t, 3, strings.Count(text, "<line "))
	}
	o.at(o.admin, scenario{path: "/notes/_revtree/a?format=png", status: 400}, scenario{path: "/notes/_revtree/a", status: 404})
	o.nobodyElse("/notes/_revtree/" + id)
}
