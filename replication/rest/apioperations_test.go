package rest

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/test/apidoc"
	"github.com/stretchr/testify/require"
)

// eachOperation runs a test of each operation of the description, with a path of it.
func eachOperation(t *testing.T, run func(o *apidoc.Operation, path string)) {
	t.Helper()
	for _, o := range described().Operations {
		for _, path := range o.Samples {
			run(o, path)
		}
	}
}

// operationSites are a public site and an administrator's, and one that only reads.
func operationSites(t *testing.T) (public, admin, reader *site) {
	t.Helper()
	judged := func(c *Config, _ *fakeAuth) {
		c.Database = func(string) Policy {
			return Policy{Collection: func(string, string) CollectionPolicy {
				return CollectionPolicy{Try: func(context.Context, []byte) ([]byte, error) { return []byte("{}"), nil }}
			}}
		}
	}
	public, admin = newSite(t), newSite(t, adminSite, judged)
	reader = newSite(t, adminSite, func(c *Config, _ *fakeAuth) { c.Site.Admin = &auth.AdminRule{Loopback: true, ReadOnly: true} })
	for _, s := range []*site{public, admin, reader} {
		_, err := s.db.OpenCollection(t.Context(), "_default", "items")
		require.NoError(t, err)
	}
	return public, admin, reader
}

// on returns the sites that have the operation.
func on(o *apidoc.Operation, public, admin *site) []*site {
	var sites []*site
	if o.Public {
		sites = append(sites, public)
	}
	if o.Admin {
		sites = append(sites, admin)
	}
	return sites
}

func TestEveryOperationRefusesMalformedQueries(t *testing.T) {
	t.Parallel()
	public, admin, _ := operationSites(t)
	eachOperation(t, func(o *apidoc.Operation, path string) {
		for _, s := range on(o, public, admin) {
			s.run(scenario{name: o.String(), method: o.Method, path: path + "?%zz", status: http.StatusBadRequest, has: []string{`"error":"bad_request"`}})
		}
	})
}

// A site names what it has to those who may know: an administrator is told that a database
// is missing, others have to sign in first.
func TestEveryOperationNeedsItsDatabase(t *testing.T) {
	t.Parallel()
	public, admin, _ := operationSites(t)
	all := newSite(t, allDatabases)
	eachOperation(t, func(o *apidoc.Operation, path string) {
		if !strings.HasPrefix(path, "/notes") {
			return
		}
		_, below, deeper := strings.Cut(path[1:], "/")
		if deeper {
			below = "/" + below
		}
		if o.Public {
			all.run(scenario{name: o.String(), method: o.Method, path: "/none" + below, status: http.StatusUnauthorized})
		}
		makes := o.Method == http.MethodPut && below == ""
		if o.Admin && !makes {
			admin.run(scenario{name: o.String(), method: o.Method, path: "/none" + below, status: http.StatusNotFound, has: []string{"no_db_file"}})
		}
		for _, s := range on(o, public, admin) {
			s.run(scenario{name: o.String(), method: o.Method, path: "/notes._default.none" + below, status: http.StatusNotFound})
		}
	})
}

func TestEveryOperationOfADatabaseNeedsASignIn(t *testing.T) {
	t.Parallel()
	public, _, _ := operationSites(t)
	nobody := map[string]string{"Authorization": ""}
	eachOperation(t, func(o *apidoc.Operation, path string) {
		if o.Public && strings.HasPrefix(path, "/notes") && !kindOn(false, path).judgesItself() {
			public.run(scenario{name: o.String(), method: o.Method, path: path, header: nobody, status: http.StatusUnauthorized, headers: map[string]string{"Www-Authenticate": "Bearer"}})
		}
	})
}

// DECISIONS 9: who may only read is refused whatever writes.
func TestEveryOperationThatWritesIsRefusedToReaders(t *testing.T) {
	t.Parallel()
	_, _, reader := operationSites(t)
	eachOperation(t, func(o *apidoc.Operation, path string) {
		to, _ := reader.route(path)
		if act, err := to.action(o.Method); o.Admin && err == nil && act.write {
			reader.run(scenario{name: o.String(), method: o.Method, path: path, body: "{}", status: http.StatusForbidden, has: []string{"read-only"}})
		}
	})
}

// DECISIONS 12: an administrator's site takes no type that a page may send unasked.
func TestEveryOperationForAdministratorsAsksForJSON(t *testing.T) {
	t.Parallel()
	_, admin, _ := operationSites(t)
	plain := map[string]string{"Content-Type": "text/plain"}
	eachOperation(t, func(o *apidoc.Operation, path string) {
		to, _ := admin.route(path)
		act, err := to.action(o.Method)
		require.NoError(t, err)
		if o.Admin && o.Method != http.MethodGet && !act.attachment {
			admin.run(scenario{name: o.String(), method: o.Method, path: path, header: plain, body: "x", status: http.StatusUnsupportedMediaType})
		}
	})
}

func TestEveryOperationBoundsItsBody(t *testing.T) {
	t.Parallel()
	_, admin, _ := operationSites(t)
	eachOperation(t, func(o *apidoc.Operation, path string) {
		if r := o.Responses[http.StatusRequestEntityTooLarge]; r == nil || r.AnsweredBy != "rest" {
			return
		}
		r := admin.request(scenario{method: o.Method, path: path, body: "{}"})
		r.ContentLength = 1 << 40
		w := admin.serveRequest(r)
		require.Equal(t, http.StatusRequestEntityTooLarge, w.Code, "%s: %s", o, w.Body)
	})
}

func TestEveryPathAnswersOPTIONSAndNoOtherMethods(t *testing.T) {
	t.Parallel()
	public, admin, _ := operationSites(t)
	eachOperation(t, func(o *apidoc.Operation, path string) {
		for _, s := range on(o, public, admin) {
			w := s.run(scenario{name: o.String(), method: http.MethodOptions, path: path, status: http.StatusNoContent})
			require.Contains(t, w.Header().Get("Allow"), o.Method)
			s.run(scenario{name: o.String(), method: http.MethodPatch, path: path, status: http.StatusMethodNotAllowed, has: []string{"method_not_allowed"}})
		}
	})
}

func TestResyncThatRunsIsNotBegunAgain(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	db, err := o.store.Database("notes")
	require.NoError(t, err)
	writeDocs(t, db, "a")
	waits := waitingEvaluator(make(chan struct{}))
	db.Default().SetPolicy(syncstore.Policy{Evaluator: waits, Version: "2"})
	again := scenario{name: "again", method: http.MethodPost, path: "/notes/_resync"}
	o.at(o.admin, scenario{name: "start", method: http.MethodPost, path: "/notes/_resync"})
	again.status = http.StatusConflict
	o.at(o.admin, again)
	close(waits)
}

// waitingEvaluator lets every write through when it is closed.
type waitingEvaluator chan struct{}

func (w waitingEvaluator) Evaluate(context.Context, syncstore.Evaluation) (syncstore.Outcome, error) {
	<-w
	return syncstore.Outcome{}, nil
}

func TestTokensAreNotExplainedWithoutEnd(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ask := scenario{method: http.MethodPost, path: "/_auth/explain", body: "x"}
	for range 1000 {
		if w := o.send(o.admin, ask); w.Code != http.StatusOK {
			require.Equal(t, http.StatusTooManyRequests, w.Code)
			require.NotEmpty(t, w.Header().Get("Retry-After"))
			return
		}
	}
	t.Fatal("no end")
}

func TestPostOfAnAttachmentThatIsNotThere(t *testing.T) {
	t.Parallel()
	newSite(t).run(scenario{
		name: "stub of nothing", method: http.MethodPost, path: "/notes", status: http.StatusPreconditionFailed,
		body: `{"_attachments":{"a":{"stub":true,"digest":"md5-XrY7u+Ae7tCTyyK7j1rNww=="}}}`, has: []string{`"error":"missing_stub"`},
	})
}

func TestWhatCouchDBsToolsAskForByPost(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	require.Equal(t, http.StatusAccepted, g.as("admin", http.MethodPost, "/notes/_compact/app", "{}").Code)
	w := g.as("alice", http.MethodPost, "/notes/_design_docs", `{"limit":1}`)
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), `"rows":[`)
}
