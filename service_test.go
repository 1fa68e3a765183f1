package caddysync

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/test/harness"
	"github.com/stretchr/testify/require"
)

func TestADatabaseThatGoesOfflineEndsWhatItsUsersHaveOpen(t *testing.T) {
	s := newTestSite(t)
	require.NoError(t, s.load(s.config("store memory offline", "", "")))
	s.put("one")
	sockets, feed := s.liteSockets(1), s.longpoll("1")
	db, err := handles()[0].current().store.Database("notes")
	require.NoError(t, err)
	require.NoError(t, db.SetOffline(t.Context(), true))
	s.dropped(sockets, 5*time.Second)
	s.ends(feed, 5*time.Second)
	status, text := s.request(http.MethodGet, "/notes/one", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, "offline")
	_, err = harness.DialLite(t.Context(), "http://"+s.addr+"/notes", harness.LiteOptions{})
	var refused *harness.HandshakeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusServiceUnavailable, refused.Status, "Couchbase Lite comes back after it, and after nothing else")
	require.NoError(t, db.SetOffline(t.Context(), false))
	s.put("two")
}

func TestUpAnswersAtOnceWhileTheStoreIsNotOpen(t *testing.T) {
	t.Parallel()
	h := &Handler{app: &App{ready: make(chan struct{}), handle: newStoreHandle("up")}}
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
		require.NoError(t, h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil), next))
		return w
	}
	w := ask("/_up")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), `"status":"starting"`)
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	close(h.app.ready)
	require.Contains(t, ask("/_up").Body.String(), `"status":"draining"`)
}

func TestAdministratorsReadConfigurationAndCounters(t *testing.T) {
	t.Setenv("PLANTED_SECRET", "s3cr3t-of-the-client")
	s := newTestSite(t)
	config := s.config("store memory described", `oidc idp {
			issuer https://idp.example.com
			client_id app
			client_secret {env.PLANTED_SECRET}
		}
		database shop {
			oidc idp
			access shared
			limits {
				document 1MiB
			}
		}`, "")
	admin := newTestSite(t)
	config = withAdmin(t, config, admin.addr)
	require.NoError(t, s.load(config))
	s.put("one")
	status, text := admin.request(http.MethodGet, "/shop/_config", "")
	require.Equal(t, http.StatusOK, status, text)
	for _, want := range []string{`"name":"shop"`, `"oidc":["idp"]`, `"document":1048576`, `"client_secret":"xxxxx"`, `"issuer":"https://idp.example.com"`} {
		require.Contains(t, text, want)
	}
	for _, secret := range []string{"PLANTED", "s3cr3t"} {
		require.NotContains(t, text, secret)
	}
	status, text = admin.request(http.MethodGet, "/_stats", "")
	require.Equal(t, http.StatusOK, status, text)
	require.Contains(t, text, `"caddy_sync_document_writes_total":1,`)
	require.Contains(t, text, `{"labels":{"direction":"in"},"value":0}`)
	status, text = admin.request(http.MethodGet, "/_status", "")
	require.Equal(t, http.StatusOK, status, text)
	require.Contains(t, text, `"state":"running","databases":{"notes":{"seq":1,`)
}

// withAdmin adds an administrators' site to an adapted configuration.
func withAdmin(t *testing.T, config []byte, addr string) []byte {
	t.Helper()
	admin := adapt(t, `{
	sync {
		store memory none
		database notes
	}
}
http://`+addr+` {
	bind 127.0.0.1
	sync * {
		admin {
			allow loopback
		}
	}
}
`)
	var whole, part map[string]any
	require.NoError(t, json.Unmarshal(config, &whole))
	require.NoError(t, json.Unmarshal(admin, &part))
	servers := func(c map[string]any) map[string]any {
		return c["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any) //nolint:forcetypeassert // as adapted
	}
	servers(whole)["admin"] = servers(part)["srv0"]
	text, err := json.Marshal(whole)
	require.NoError(t, err)
	return text
}

func TestDatabasesKeepThingsAsTheConfigurationSays(t *testing.T) {
	s := newTestSite(t)
	database := func(retention string) string {
		return "database shop {\naccess shared\n" + retention + "\n}"
	}
	require.NoError(t, s.load(s.config("store memory retention", database("retention {\ntombstones 90d\nold_revisions 1h\nlocal_documents 30d\nlost_access 10d\n}"), "")))
	shop, err := handles()[0].current().store.Database("shop")
	require.NoError(t, err)
	const day = 24 * time.Hour
	require.Equal(t, syncstore.Retention{Tombstones: 90 * day, OldBodies: time.Hour, LocalDocuments: 30 * day, LostAccess: 10 * day}, shop.Retention())
	require.NoError(t, s.load(s.config("store memory retention", database(""), "")))
	require.Equal(t, syncstore.Retention{}, shop.Retention(), "a reload changes it")
}
