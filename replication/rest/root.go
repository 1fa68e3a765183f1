package rest

import (
	"net/http"
	"slices"

	"github.com/caddysync/caddy-sync/auth"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// welcome is the answer to GET /. PouchDB and CouchDB's tools look for "couchdb".
func welcome(version string, admin bool) []byte {
	b := append([]byte(nil), `{"couchdb":"Welcome","version":`...)
	b = jsondoc.AppendString(b, version)
	b = append(b, `,"vendor":{"name":"caddy-sync"}`...)
	if admin {
		b = append(b, `,"ADMIN":true`...)
	}
	return append(b, '}', '\n')
}

func (h *Handler) root(rq *request) error { return rq.sendJSON(http.StatusOK, h.welcome) }

// up says whether the server takes requests; health checks ask it without sign-in.
func (h *Handler) up(rq *request) error {
	if h.stopping() {
		rq.set("Retry-After", "2")
		return rq.sendJSON(http.StatusServiceUnavailable, []byte(drainingAnswer))
	}
	return rq.sendJSON(http.StatusOK, []byte(`{"status":"ok"}`+"\n"))
}

// drainingAnswer tells load balancers to send nothing more.
const drainingAnswer = `{"error":"service_unavailable","reason":"The server is stopping.","status":"draining"}` + "\n"

// stopping reports whether the server is about to end, or this configuration's feeds have to.
func (h *Handler) stopping() bool {
	if h.Draining() {
		return true
	}
	select {
	case <-h.Streams:
		return true
	default:
		return false
	}
}

// allDatabases lists the databases of the site, for administrators only: names, or with
// verbose, as Sync Gateway has it, names and states.
func (h *Handler) allDatabases(rq *request) error {
	if h.Site.Admin == nil {
		return notFound("missing")
	}
	if _, err := h.auth.AuthenticateAdmin(rq.r, &h.Site); err != nil {
		return err
	}
	verbose, err := rq.flag("verbose")
	if err != nil {
		return err
	}
	b := []byte{'['}
	for _, name := range h.Store.Databases() {
		db, err := h.Store.Database(name)
		if err != nil || !h.mounted(name) {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		if !verbose {
			b = jsondoc.AppendString(b, name)
			continue
		}
		b = jsondoc.AppendString(append(b, `{"db_name":`...), name)
		b = append(jsondoc.AppendString(append(b, `,"state":`...), stateOf(db)), '}')
	}
	return rq.sendJSON(http.StatusOK, append(b, ']', '\n'))
}

// session hands /_session and /{db}/_session to auth, after the cross-origin check
// (DECISIONS 12: signing in must not be forced on a user by another site either).
func (h *Handler) session(rq *request) error {
	return h.toAuth(rq, func(db *auth.Database, names []auth.Database) {
		h.auth.ServeSession(rq.answerOf(), rq.r, &h.Site, db, names)
	})
}

// sessionHandle hands the paths below _session to auth likewise.
func (h *Handler) sessionHandle(rq *request) error {
	return h.toAuth(rq, func(db *auth.Database, names []auth.Database) {
		h.auth.ServeSessionHandle(rq.answerOf(), rq.r, &h.Site, db, names, rq.item)
	})
}

func (h *Handler) toAuth(rq *request, serve func(db *auth.Database, names []auth.Database)) error {
	if err := h.checkOrigin(rq); err != nil {
		return err
	}
	// CouchDB's clients sign in by a form. checkOrigin has refused those of other sites' pages.
	if h.Site.Admin != nil || !isForm(rq.r) {
		if err := h.checkContentType(rq, action{}); err != nil {
			return err
		}
	}
	rq.set("Cache-Control", "no-store")
	rq.answered = true
	if rq.db != nil {
		db := auth.Database{Name: rq.dbName, ID: rq.db.ID()}
		serve(&db, []auth.Database{db})
		return nil
	}
	serve(nil, h.siteDatabases())
	return nil
}

// siteDatabases are those of the site that exist, by name.
func (h *Handler) siteDatabases() []auth.Database {
	names := h.Databases
	if h.names == nil {
		names = h.Store.Databases()
	}
	found := make([]auth.Database, 0, len(names))
	for _, name := range slices.Sorted(slices.Values(names)) {
		if db, err := h.Store.Database(name); err == nil {
			found = append(found, auth.Database{Name: name, ID: db.ID()})
		}
	}
	return found
}
