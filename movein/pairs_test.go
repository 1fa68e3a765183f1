package movein_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddysync/caddy-sync/movein"
	"github.com/stretchr/testify/require"
)

// refuseAt refuses what is asked at a path.
func refuseAt(path string, status int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == path {
			http.Error(w, `{"error":"no","reason":"no"}`, status)
		}
		return r.URL.Path == path
	}
}

func TestASourceThatDoesNotNameItsCollectionsEndsTheMove(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusInternalServerError} {
		from, to := newServer(t, "orders"), newServer(t, "orders")
		from.fill("", 0)
		from.fill(".shop.orders", 20)
		from.meddleWith(refuseAt("/notes/_config", status))
		o, _ := to.from(movein.SyncGateway, from.url)
		err := movein.Run(t.Context(), o)
		require.ErrorIs(t, err, movein.ErrBadSource)
		require.ErrorContains(t, err, fmt.Sprintf("does not say which collections it has (GET _config: %d", status))
		require.ErrorContains(t, err, "notes.<scope>.<collection>")
		require.Empty(t, to.content("_default", "_default"), "nothing was done by halves")

		o, said := to.from(movein.SyncGateway, from.url+".shop.orders")
		o.Target.URL = o.Target.URL.JoinPath("../notes.shop.orders")
		require.NoError(t, movein.Run(t.Context(), o), said)
		require.Equal(t, from.content("shop", "orders"), to.content("shop", "orders"))
	}
}

// A database of this kind of server that was made by a request is in no configuration.
func TestADatabaseThatIsInNoConfigurationIsMovedInAndItsCollectionsAreAskedFor(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.fill("", 5)
	o, said := to.from(movein.SyncGateway, from.url)
	require.NoError(t, movein.Run(t.Context(), o), said)
	require.Equal(t, from.content("_default", "_default"), to.content("_default", "_default"))
	require.Contains(t, said.String(), "The source names no collections, since its configuration has nothing about the database. Taken: the default collection. Any other is NOT")
}

// Sync Gateway shows its configuration to fewer administrators than its collections.
func TestCollectionsThatTheDatabaseNamesAreMovedInWithoutItsConfiguration(t *testing.T) {
	t.Parallel()
	from, to := newServer(t, "orders"), newServer(t, "orders")
	from.fill(".shop.orders", 20)
	refuse := refuseAt("/notes/_config", http.StatusForbidden)
	from.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/notes" {
			fmt.Fprint(w, `{"db_name":"notes","scopes":{"shop":{"collections":{"orders":{"update_seq":21}}}}}`)
			return true
		}
		return refuse(w, r)
	})
	o, said := to.from(movein.SyncGateway, from.url)
	require.NoError(t, movein.Run(t.Context(), o), said)
	require.Equal(t, from.content("shop", "orders"), to.content("shop", "orders"))
}

func TestWhichCollectionsAreTakenOfASourceThatIsNoAdminPortIsSaid(t *testing.T) {
	t.Parallel()
	for scopes, want := range map[string]string{
		``: "Taken: the default collection. Any other is NOT",
		`,"scopes":{"_default":{"collections":{"_default":{}}},"shop":{"collections":{"orders":{}}}}`: "Taken: the default collection, the collection shop.orders. Any other is NOT",
	} {
		there := &gateway{large: "small"}
		source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/":
				fmt.Fprint(w, `{"couchdb":"Welcome","vendor":{"name":"Couchbase Sync Gateway"}}`)
			case "/db":
				fmt.Fprintf(w, `{"db_name":"db"%s}`, scopes)
			default:
				there.ServeHTTP(w, r)
			}
		}))
		t.Cleanup(source.Close)
		o, said := newServer(t, "orders").from(movein.SyncGateway, source.URL+"/db")
		require.NoError(t, movein.Run(t.Context(), o), said)
		require.Contains(t, said.String(), want)
	}
}

// Whether the source is an admin port is not known then, and its users would be left.
func TestASourceThatFailsAtItsRootEndsTheMoveOfASyncGateway(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusBadGateway, http.StatusTooManyRequests} {
		from, to := newServer(t), newServer(t)
		from.put("/_user/alice", `{}`)
		from.meddleWith(refuseAt("/", status))
		o, _ := to.from(movein.SyncGateway, from.url)
		require.ErrorContains(t, movein.Run(t.Context(), o), "looking who answers at the source")
		o, said := to.from(movein.CouchDB, from.url)
		require.NoError(t, movein.Run(t.Context(), o), "nothing hangs on it: %s", said)
	}
	from, to := newServer(t), newServer(t)
	from.put("/_user/alice", `{}`)
	from.meddleWith(refuseAt("/", http.StatusNotFound))
	o, said := to.from(movein.SyncGateway, from.url)
	require.NoError(t, movein.Run(t.Context(), o), "a proxy may pass on only the database")
	require.Contains(t, said.String(), "The source is no admin port")
}
