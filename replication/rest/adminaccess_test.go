package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// judged has the site's collections judged by p, and dry runs answered by it.
func (o *office) judged(p CollectionPolicy) {
	for _, h := range []*Handler{o.admin, o.reader, o.public} {
		h.Database = func(string) Policy {
			return Policy{Collection: func(string, string) CollectionPolicy { return p }}
		}
	}
}

func TestCollectionAccessNamesCollectionsThatAreThere(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	grants := `{"collection_access":{"s":{"c":{"admin_channels":["x"]}}}}`
	unknown := []string{`"reason":"keyspace \"notes.s.c\" not found"`}
	o.at(o.admin,
		scenario{name: "user", method: http.MethodPut, path: "/notes/_user/alice", body: grants, status: 404, has: unknown},
		scenario{name: "role", method: http.MethodPut, path: "/notes/_role/staff", body: grants, status: 404, has: unknown},
		scenario{name: "nothing was made", path: "/notes/_user/alice", status: 404},
	)
	o.collection("s", "c")
	o.at(o.admin,
		scenario{name: "user", method: http.MethodPut, path: "/notes/_user/alice", body: grants, status: 201},
		scenario{name: "role", method: http.MethodPut, path: "/notes/_role/staff", body: grants, status: 201},
	)
}

// What documents grant is in all_channels, which is read-only.
func TestAdministratorsSeeWhatDocumentsGrant(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	items := o.collection("s", "c")
	db, err := o.store.Database("notes")
	require.NoError(t, err)
	db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}})
	items.SetPolicy(syncstore.Policy{Evaluator: byBody{}})
	o.put("alice", `{"admin_channels":["own"],"admin_roles":["staff"]}`)
	o.at(o.admin,
		scenario{method: http.MethodPut, path: "/notes/_role/staff", body: `{"admin_channels":["desk"]}`, status: 201},
		scenario{method: http.MethodPut, path: "/notes/g1", body: `{"grants":{"alice":["given"],"role:staff":["team"]}}`, status: 201},
		scenario{method: http.MethodPut, path: "/notes.s.c/g2", body: `{"grants":{"alice":["item"],"role:staff":["shelf"]}}`, status: 201},
		scenario{name: "user", path: "/notes/_user/alice", has: []string{
			`"all_channels":["!","desk","given","own","team"]`, `"collection_access":{"s":{"c":{"all_channels":["!","item","shelf"]}}}`,
		}},
		scenario{name: "role", path: "/notes/_role/staff", has: []string{
			`"all_channels":["!","desk","team"]`, `"collection_access":{"s":{"c":{"all_channels":["!","shelf"]}}}`,
		}},
		scenario{name: "said again", method: http.MethodPut, path: "/notes/_role/staff", body: `{"all_channels":["!","desk","team"]}`},
		scenario{name: "changed", method: http.MethodPut, path: "/notes/_role/staff", body: `{"all_channels":["!"]}`, status: 400, has: []string{"all_channels is read-only"}},
		scenario{name: "changed", method: http.MethodPut, path: "/notes/_user/alice", body: `{"all_channels":["!"]}`, status: 400, has: []string{"all_channels is read-only"}},
		scenario{name: "changed", method: http.MethodPut, path: "/notes/_user/alice", body: `{"collection_access":{"s":{"c":{"all_channels":["x"]}}}}`, status: 400, has: []string{"read-only"}},
	)
	w := o.at(o.admin, scenario{name: "who gave what", path: "/notes/_user/alice/_all_channels"})
	var all struct {
		Channels map[string]map[string]map[string][]heldGrant `json:"all_channels"`
		Roles    map[string][]heldGrant                       `json:"roles"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &all))
	by := func(grants []heldGrant) string {
		text := ""
		for _, g := range grants {
			require.NotZero(t, g.Since)
			text += fmt.Sprintf("%s/%s/%s ", g.By, g.Document, g.Role)
		}
		return text
	}
	own := all.Channels["_default"]["_default"]
	require.Equal(t, "admin// ", by(own["own"]))
	require.Equal(t, "document/g1/ ", by(own["given"]))
	require.Equal(t, "admin//staff ", by(own["desk"]))
	require.Equal(t, "document/g1/staff ", by(own["team"]))
	require.Equal(t, "document/g2/ ", by(all.Channels["s"]["c"]["item"]))
	require.Equal(t, "document/g2/staff ", by(all.Channels["s"]["c"]["shelf"]))
	require.Equal(t, "admin// ", by(all.Roles["staff"]))
}

func TestAccessHistoryIsShownAndCompacted(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	db, err := o.store.Database("notes")
	require.NoError(t, err)
	db.Default().SetPolicy(syncstore.Policy{Evaluator: byBody{}})
	o.put("alice", `{"admin_channels":["a","b","c"]}`)
	o.at(o.admin, scenario{name: "none lost", path: "/notes/_user/alice/_access_history", has: []string{`{"channels":{}}`}})
	o.put("alice", `{"admin_channels":["c"]}`)
	history := "/notes/_user/alice/_access_history"
	o.at(o.admin, scenario{name: "two lost", path: history, has: []string{`{"channels":{"_default":{"_default":["a","b"]}}}`}})
	o.at(o.reader, scenario{name: "read-only", path: history})
	for body, status := range map[string]int{
		`{"channels":{"_default":{"_default":["a"]}}}`:  403, // by who may only read
		`{"channels":{"s":{"none":["a"]}}}`:             404,
		`{"channels":["a"]}`:                            400,
		`{}`:                                            400,
		`{"channel":{"_default":{"_default":["a"]}}}`:   400,
		`{"channels":{"_default":{"_default":["x",1]}}`: 400,
	} {
		site := o.admin
		if status == 403 {
			site = o.reader
		}
		o.at(site, scenario{name: body, method: http.MethodPost, path: history + "/compact", body: body, status: status})
	}
	o.at(o.admin,
		scenario{name: "compacted", method: http.MethodPost, path: history + "/compact", body: `{"channels":{"_default":{"_default":["a","never"]}}}`,
			has: []string{`{"compacted_channels":{"_default":{"_default":["a"]}}}`}},
		scenario{name: "one left", path: history, has: []string{`{"channels":{"_default":{"_default":["b"]}}}`}},
		scenario{name: "nobody", path: "/notes/_user/none/_access_history", status: 404},
	)
	o.at(o.public, scenario{name: "not on a public site", path: history, header: cookie(o.session("alice")), status: 404})
	require.Contains(t, o.events("user", "alice"), "access_history_compacted")
}

func TestResyncIsStartedAndWatched(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.at(o.admin,
		scenario{name: "none yet", path: "/notes/_resync", has: []string{`"status":"completed"`, `"docs_processed":0`, `"docs_changed":0`, `"docs_errored":0`, `"last_error":""`}},
		scenario{name: "with a body", method: http.MethodPost, path: "/notes/_resync", body: `{"scopes":{"_default":["_default"]}}`, status: 400},
		scenario{name: "unknown action", method: http.MethodPost, path: "/notes/_resync?action=go", status: 400},
		scenario{name: "start", method: http.MethodPost, path: "/notes/_resync", has: []string{`"status":"`}},
		scenario{name: "unknown keyspace", path: "/notes.none/_resync", status: 404},
	)
	stop := scenario{name: "stop", method: http.MethodPost, path: "/notes._default._default/_resync?action=stop", body: "{}"}
	var stopped []string
	if strings.Contains(o.at(o.admin, stop).Body.String(), `"status":"stopped"`) {
		stopped = []string{"resync_stopped"}
	}
	o.at(o.admin, stop) // there is none
	o.at(o.reader,
		scenario{name: "read-only looks", path: "/notes/_resync"},
		scenario{name: "and does not start", method: http.MethodPost, path: "/notes/_resync", status: 403},
	)
	require.Equal(t, []string{"resync_started"}, o.events("keyspace", "notes"))
	require.Equal(t, stopped, o.events("keyspace", "notes._default._default"),
		"one that is over by itself was stopped by nobody")
}

func TestSyncFunctionIsShownAndTried(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.at(o.admin,
		scenario{name: "shared", method: http.MethodPost, path: "/notes/_sync", body: `{"doc":{}}`, status: 404, has: []string{"access shared"}},
		scenario{name: "shared", path: "/notes/_config/sync", status: 404},
	)
	const function = "function (doc) { channel(doc.channels); } // </script>"
	o.judged(CollectionPolicy{SyncFunction: function, Try: func(_ context.Context, body []byte) ([]byte, error) {
		switch string(body) {
		case "1":
			return nil, fmt.Errorf("%w: doc is missing", ErrBadTry)
		case "2":
			return nil, errors.New("out of order")
		}
		return append(append([]byte(`{"tried":`), body...), '}'), nil
	}})
	o.at(o.admin,
		scenario{name: "the text", path: "/notes/_config/sync", has: []string{function}, headers: map[string]string{
			"Content-Type": "application/javascript", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		}},
		scenario{name: "changed elsewhere", method: http.MethodPut, path: "/notes/_config/sync", body: `"x"`, status: 405},
		scenario{name: "tried", method: http.MethodPost, path: "/notes/_sync", body: `{"doc":{"n":12345678901234567890}}`,
			has: []string{`{"tried":{"doc":{"n":12345678901234567890}}}`}},
		scenario{name: "a bad one", method: http.MethodPost, path: "/notes/_sync", body: `1`, status: 400, has: []string{`"reason":"doc is missing"`}},
		scenario{name: "a failure", method: http.MethodPost, path: "/notes/_sync", body: `2`, status: 500, hasNot: []string{"order"}},
	)
	o.at(o.reader, scenario{name: "read-only may try", method: http.MethodPost, path: "/notes/_sync", body: `{"doc":{}}`})
	w := o.send(o.public, scenario{path: "/notes/_config/sync"})
	require.Equal(t, http.StatusUnauthorized, w.Code)
	o.put("alice", `{}`)
	for _, path := range []string{"_config/sync", "_sync", "_resync"} {
		o.at(o.public, scenario{name: "not on a public site", path: "/notes/" + path, header: cookie(o.session("alice")), status: 404})
	}
	require.Equal(t, []string{"sync_function_read", "sync_function_tried", "sync_function_tried"}, o.events("keyspace", "notes"))
}
