package movein_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/movein"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

func TestADatabaseIsMovedIn(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.fill("", 1000)
	from.put("/_local/settings", `{"theme":"dark"}`)
	from.put("/_local/abc", `{"session_id":"x","last_seq":7}`)
	o, said := to.from(movein.CouchDB, from.url)
	require.NoError(t, movein.Run(t.Context(), o))
	require.Equal(t, from.content("_default", "_default"), to.content("_default", "_default"))
	require.Contains(t, said.String(), "1006 documents there, 1 of them deleted, with 1008 leaves and 2 attachments")
	require.Contains(t, said.String(), "all are here: the same winners, leaves, bodies and attachments")
	require.Contains(t, to.get("/_local/settings"), "dark")
	status, _ := to.ask(http.MethodGet, "/_local/abc", "")
	require.Equal(t, http.StatusNotFound, status, "no checkpoints")

	from.put("/later", `{}`)
	o, said = to.from(movein.CouchDB, from.url)
	require.NoError(t, movein.Run(t.Context(), o))
	require.Contains(t, said.String(), "1 revisions taken over")
	require.Equal(t, from.content("_default", "_default"), to.content("_default", "_default"))
}

// TestAMoveGoesOnWhereItWasEnded ends it at each request in turn.
func TestAMoveGoesOnWhereItWasEnded(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.fill("", 60)
	from.put("/_user/alice", `{"admin_channels":["a"]}`)
	for round := int64(1); ; round++ {
		require.Less(t, round, int64(500))
		ctx, cancel := context.WithCancel(t.Context())
		var asked atomic.Int64
		to.meddleWith(func(http.ResponseWriter, *http.Request) bool {
			if asked.Add(1) > round {
				cancel()
				panic(http.ErrAbortHandler)
			}
			return false
		})
		o, _ := to.from(movein.SyncGateway, from.url)
		o.Batch = 20
		err := movein.Run(ctx, o)
		cancel()
		if err == nil {
			break
		}
		require.ErrorIs(t, err, context.Canceled)
	}
	to.meddleWith(nil)
	require.Equal(t, from.content("_default", "_default"), to.content("_default", "_default"))
	require.Contains(t, to.get(""), `"doc_count":65,"doc_del_count":1`)
	require.Equal(t, "[\"alice\"]\n", to.get("/_user/"))
}

// A database may stand below a site that has pages of its own.
func TestAPageBesideTheDatabaseIsNoServer(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.fill("", 1)
	from.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/" {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!doctype html><title>notes</title>")
		}
		return r.URL.Path == "/"
	})
	o, _ := to.from(movein.CouchDB, from.url)
	require.NoError(t, movein.Run(t.Context(), o))
	require.Equal(t, from.content("_default", "_default"), to.content("_default", "_default"))
}

func TestUsersRolesAndCollectionsAreMovedIn(t *testing.T) {
	t.Parallel()
	from, to := newServer(t, "orders", "stock"), newServer(t, "orders", "stock")
	from.fill("", 0)
	from.fill(".shop.orders", 20)
	from.put("/_role/staff", `{"admin_channels":["s"],"collection_access":{"shop":{"orders":{"admin_channels":["so"]}}}}`)
	from.put("/_user/alice", `{"email":"alice@example.com","password":"correct horse","admin_channels":["a","b"],"admin_roles":["staff"],
		"collection_access":{"shop":{"stock":{"admin_channels":["st"]}}}}`)
	from.put("/_user/bob", `{"disabled":true}`)
	from.put("/_user/carl", `{"admin_channels":["there"]}`)
	to.put("/_user/carl", `{"admin_channels":["here"]}`)
	from.put("/_user/dora", `{"disabled":true}`)
	to.put("/_user/dora", `{}`)
	from.meddleWith(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_config"):
			fmt.Fprint(w, `{"scopes":{"_default":{"collections":{"_default":{}}},"shop":{"collections":{"orders":{"sync":"function (doc) { channel(doc.c) }"},"stock":{}}}}}`)
		case strings.HasSuffix(r.URL.Path, "/notes.shop.orders/_config/sync"):
			w.Header().Set("Content-Type", "application/javascript")
			fmt.Fprint(w, `function (doc) { channel(doc.c) }`)
		case strings.HasSuffix(r.URL.Path, "/_config/sync"):
			http.Error(w, `{"error":"not_found","reason":"missing"}`, http.StatusNotFound)
		default:
			return false
		}
		return true
	})
	o, said := to.from(movein.SyncGateway, from.url)
	saved := make(map[string]string)
	o.Save = func(name, text string) (string, error) {
		saved[name] = text
		return "/etc/caddy/" + name, nil
	}
	require.NoError(t, movein.Run(t.Context(), o), said)
	require.Equal(t, map[string]string{"notes.shop.orders.sync.js": "function (doc) { channel(doc.c) }"}, saved)
	for _, name := range []string{"orders", "stock"} {
		require.Equal(t, from.content("shop", name), to.content("shop", name))
	}
	require.Equal(t, from.content("_default", "_default"), to.content("_default", "_default"))
	require.Equal(t, from.get("/_role/staff"), to.get("/_role/staff"))
	require.Equal(t, strings.Replace(from.get("/_user/alice"), `"password_set":true`, `"password_set":false`, 1), to.get("/_user/alice"))
	require.Contains(t, to.get("/_user/bob"), `"disabled":true`)
	require.Contains(t, to.get("/_user/carl"), `"admin_channels":["here"]`)
	for _, text := range []string{
		"\n  collection shop.orders {\n  \tsync_function /etc/caddy/notes.shop.orders.sync.js\n  }\n", "is not applied",
		`user "carl" is here already, with other channels, roles or state; it is left as it is`,
		`user "dora" is disabled there and is NOT here`,
		"users: 2 made, 2 were here already", "roles: 1 made", " users have NONE here",
	} {
		require.Contains(t, said.String(), text)
	}
}

// refusing is a policy that takes no document with a word in it.
type refusing struct{}

func (refusing) Evaluate(_ context.Context, write syncstore.Evaluation) (o syncstore.Outcome, err error) {
	if strings.Contains(string(write.New.Body), `"n":7}`) {
		return o, fmt.Errorf("%w: no sevens", syncstore.ErrRejected)
	}
	return o, nil
}

func TestWhatIsRefusedIsNamedWithTheReason(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.fill("", 30)
	to.db.Default().SetPolicy(syncstore.Policy{Evaluator: refusing{}, Version: "1"})
	for range 2 { // the second time, its checkpoint is behind the document
		o, said := to.from(movein.CouchDB, from.url)
		require.ErrorIs(t, movein.Run(t.Context(), o), movein.ErrDifferent)
		require.Contains(t, said.String(), "1 documents are NOT here as they are there")
		require.Regexp(t, `"d00007": revision 1-f is not there: the target refused it: forbidden`, said.String())
	}
	o, said := to.from(movein.CouchDB, from.url)
	o.CheckOnly = true
	require.ErrorIs(t, movein.Run(t.Context(), o), movein.ErrDifferent)
	require.Contains(t, said.String(), "1 documents are NOT here")

	to.db.Default().SetPolicy(syncstore.Policy{})
	o, _ = to.from(movein.CouchDB, from.url)
	require.NoError(t, movein.Run(t.Context(), o))
	require.Equal(t, from.content("_default", "_default"), to.content("_default", "_default"))
}

func TestAServerThatIsBusyIsAskedAgain(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	from.fill("", 50)
	from.put("/_user/alice", `{}`)
	var asked atomic.Int64
	busy := func(w http.ResponseWriter, _ *http.Request) bool {
		switch asked.Add(1) % 9 {
		case 0:
			http.Error(w, `{"error":"too_many_requests"}`, http.StatusTooManyRequests)
		case 1:
			http.Error(w, `{"error":"service_unavailable"}`, http.StatusServiceUnavailable)
		default:
			return false
		}
		return true
	}
	from.meddleWith(busy)
	to.meddleWith(busy)
	o, _ := to.from(movein.SyncGateway, from.url)
	o.Batch = 10
	require.NoError(t, movein.Run(t.Context(), o))
	from.meddleWith(nil)
	to.meddleWith(nil)
	require.Equal(t, from.content("_default", "_default"), to.content("_default", "_default"))
}

func TestWhatIsNotThereIsSaid(t *testing.T) {
	t.Parallel()
	from, to := newServer(t), newServer(t)
	for name, c := range map[string]struct {
		kind   movein.Kind
		source string
		target string
		want   string
	}{
		"no source": {movein.CouchDB, from.url + "x", to.url, "at the source"},
		"no target": {movein.CouchDB, from.url, to.url + "x", "notesx is not at the target: name it in the Caddyfile"},
	} {
		o, _ := to.from(c.kind, c.source)
		other, _ := to.from(c.kind, c.target)
		o.Target = other.Source
		require.ErrorContains(t, movein.Run(t.Context(), o), c.want, name)
	}
	for kind, root := range map[movein.Kind]string{
		movein.CouchDB:     `{"couchdb":"Welcome","vendor":{"name":"Couchbase Sync Gateway","version":"4.2"}}`,
		movein.SyncGateway: `{"couchdb":"Welcome","version":"3.5.0","vendor":{"name":"The Apache Software Foundation"}}`,
	} {
		from.meddleWith(func(w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprint(w, root)
			return true
		})
		o, _ := to.from(kind, from.url)
		require.ErrorIs(t, movein.Run(t.Context(), o), movein.ErrBadSource)
	}
}
