package rest

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/badger"
	"github.com/stretchr/testify/require"
)

// badgerStore is a store as it is in production.
func badgerStore(tb testing.TB) (*syncstore.Store, *syncstore.Database) {
	tb.Helper()
	eng, err := badger.Open(tb.TempDir(), badger.Options{MinFree: 1})
	require.NoError(tb, err)
	store, err := syncstore.Open(tb.Context(), eng, syncstore.Options{})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		require.NoError(tb, store.Close())
		require.NoError(tb, eng.Close())
	})
	db, err := store.CreateDatabase(tb.Context(), "notes")
	require.NoError(tb, err)
	return store, db
}

// With the real sign-in and the real store, over the network: the feeds of somebody who
// may not come in any more end within a second and complete, and the next request is
// told why.
func TestDecision38_RevokedFeedsEndOverTheNetwork(t *testing.T) {
	t.Parallel()
	store, db := badgerStore(t)
	state, err := auth.OpenState(t.Context(), store.Records(), nil)
	require.NoError(t, err)
	t.Cleanup(state.Close)
	start := func(guest bool) *auth.Service {
		service, err := auth.New(auth.Config{Databases: []auth.Policy{{Name: "notes", Guest: guest, AccessStated: true}}})
		require.NoError(t, err)
		require.NoError(t, service.Start(t.Context(), state))
		t.Cleanup(service.Stop)
		return service
	}
	site := func(service *auth.Service) http.Handler {
		h, err := New(Config{Store: store, Auth: service, Site: auth.Site{CookiePath: "/"}, Databases: []string{"notes"}})
		require.NoError(t, err)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveNoted(h, w, r, http.NotFoundHandler()) })
	}
	server := httptest.NewServer(site(start(true)))
	t.Cleanup(server.Close)

	open := map[string]*bufio.Reader{}
	for _, feed := range []string{"longpoll", "continuous", "eventsource"} {
		response, err := server.Client().Get(server.URL + "/notes/_changes?since=now&heartbeat=60000&feed=" + feed)
		require.NoError(t, err)
		t.Cleanup(func() { _ = response.Body.Close() })
		require.Equal(t, http.StatusOK, response.StatusCode)
		open[feed] = bufio.NewReader(response.Body)
	}
	writeDocs(t, db, "a")
	line, err := open["continuous"].ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "\n", line, "it begins with a sign of life")
	line, err = open["continuous"].ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, `"id":"a"`)
	whole, err := io.ReadAll(open["longpoll"])
	require.NoError(t, err)
	page := parsePage(t, string(whole))
	require.Equal(t, []string{"a"}, page.ids())

	again, err := server.Client().Get(server.URL + "/notes/_changes?since=1&heartbeat=60000&feed=longpoll")
	require.NoError(t, err)
	t.Cleanup(func() { _ = again.Body.Close() })
	open["longpoll"] = bufio.NewReader(again.Body)

	begin := time.Now()
	closed := start(false) // a reload without guests
	for feed, want := range map[string]string{
		"longpoll": `"last_seq":"1"`, "continuous": `{"last_seq":"1","pending":0}`, "eventsource": "event: last_seq\n",
	} {
		rest, err := io.ReadAll(open[feed])
		require.NoError(t, err, "%s ends complete", feed)
		require.Contains(t, string(rest), want)
	}
	require.Less(t, time.Since(begin), time.Second)
	w := httptest.NewRecorder()
	site(closed).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/notes/_changes?since=1&feed=longpoll", strings.NewReader("")))
	require.Equal(t, http.StatusUnauthorized, w.Code)
}
