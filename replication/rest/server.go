package rest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"crypto/rand"

	"github.com/caddysync/caddy-sync/syncstore"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// maxUUIDs is how many _uuids gives at once, as CouchDB.
const maxUUIDs = 1000

// uuids answers GET /_uuids?count=n: IDs for documents, each 128 random bits.
func (h *Handler) uuids(rq *request) error {
	count := 1
	if text := rq.query.Get("count"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxUUIDs {
			return badRequest("The option count must be a whole number up to " + strconv.Itoa(maxUUIDs) + ".")
		}
		count = n
	}
	b := []byte(`{"uuids":[`)
	for i := range count {
		if i > 0 {
			b = append(b, ',')
		}
		var id [16]byte
		_, _ = rand.Read(id[:]) // crypto/rand never fails
		b = append(b, '"')
		b = hex.AppendEncode(b, id[:])
		b = append(b, '"')
	}
	rq.set("Cache-Control", "no-store")
	return rq.sendJSON(http.StatusOK, append(b, "]}\n"...))
}

// databaseInfos answers GET /_dbs_info of all databases, and POST of those in {"keys":["name"]}.
func (h *Handler) databaseInfos(rq *request) (err error) {
	if rq.principal, err = h.auth.AuthenticateAdmin(rq.r, &h.Site); err != nil {
		return err
	}
	names, err := h.namesAskedFor(rq)
	if err != nil {
		return err
	}
	b := []byte{'['}
	for _, name := range names {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = jsondoc.AppendString(append(b, `{"key":`...), name)
		db, err := h.Store.Database(name)
		if err != nil || !h.mounted(name) {
			b = append(b, `,"error":"not_found"}`...)
			continue
		}
		info := db.Default().Info()
		purges, err := db.Default().Purges(rq.r.Context())
		if err != nil {
			return fmt.Errorf("describing a database: %w", err)
		}
		b = appendDatabaseInfo(append(b, `,"info":`...), name, db, &info, purges, true)
		b = append(b, '}')
	}
	return rq.sendJSON(http.StatusOK, append(b, ']', '\n'))
}

func (h *Handler) namesAskedFor(rq *request) ([]string, error) {
	if rq.r.Method != http.MethodPost {
		var names []string
		for _, name := range h.Store.Databases() {
			if h.mounted(name) {
				names = append(names, name)
			}
		}
		return names, nil
	}
	if err := h.checkContentType(rq, action{}); err != nil {
		return nil, err
	}
	read, err := h.readBody(rq, maxOptionsBody)
	if err != nil {
		return nil, fmt.Errorf("reading names of databases: %w", err)
	}
	defer read.free()
	var body struct {
		Keys []string `json:"keys"`
	}
	if err := json.Unmarshal(read.text, &body); err != nil || body.Keys == nil {
		return nil, badRequest(`The body must be {"keys":["name",…]}.`)
	}
	return body.Keys, nil
}

// activeTask is something that goes on in the background, with CouchDB's members.
type activeTask struct {
	Type      string `json:"type"`
	Database  string `json:"database"`
	Processed uint64 `json:"docs_processed,omitempty"`
	Changed   uint64 `json:"docs_changed,omitempty"`
	StartedOn int64  `json:"started_on,omitempty"` // seconds since 1970
	UpdatedOn int64  `json:"updated_on"`
}

// activeTasks answers GET /_active_tasks: compactions, removals of what is kept too long, resyncs, builds of
// indexes and replications that are running.
func (h *Handler) activeTasks(rq *request) error {
	if _, err := h.auth.AuthenticateAdmin(rq.r, &h.Site); err != nil {
		return err
	}
	tasks := []any{}
	now := time.Now().Unix()
	for _, name := range h.Store.Databases() {
		db, err := h.Store.Database(name)
		if err != nil || !h.mounted(name) {
			continue
		}
		if db.Compacting() {
			tasks = append(tasks, activeTask{Type: "database_compaction", Database: name, UpdatedOn: now})
		}
		if r := db.Retaining(); r != nil {
			tasks = append(tasks, activeTask{
				Type: "retention", Database: name, Processed: r.Processed, Changed: r.Removed, StartedOn: r.Started.Unix(), UpdatedOn: now,
			})
		}
		for _, coll := range db.Collections() {
			s, err := coll.ResyncStatus(rq.r.Context())
			if err != nil {
				return fmt.Errorf("asking how far a resync is: %w", err)
			}
			if s.State == syncstore.ResyncRunning {
				tasks = append(tasks, activeTask{
					Type: "resync", Database: keyspaceOf(name, coll.ScopeName(), coll.Name()), Processed: s.Processed, Changed: s.Changed,
					StartedOn: s.Started.Unix(), UpdatedOn: now,
				})
			}
		}
	}
	for _, task := range h.Views.Tasks(rq.r.Context()) {
		if _, ours := h.mountedKeyspace(task.Database); ours {
			tasks = append(tasks, task)
		}
	}
	return rq.sendValue(append(tasks, h.replicationTasks()...))
}

// rootNotImplemented answers for what CouchDB has beside its databases and this server has not.
func (h *Handler) rootNotImplemented(rq *request) error {
	if _, err := h.auth.AuthenticateAdmin(rq.r, &h.Site); err != nil {
		return err
	}
	return notImplemented(notHere[rq.item])
}

// notImplemented answers for what CouchDB has of a database and this server has not.
func (h *Handler) notImplemented(rq *request) error { return notImplemented(notHere[rq.item]) }

// noFunctions is said of what CouchDB's design documents had for pages made by the database.
const noFunctions = "Design documents have filters, views and rules for writes. What else there was, deprecated in CouchDB, is done in the app, or by Caddy's own directives."

// notHere says what there is instead.
var notHere = map[string]string{
	"_scheduler":       "Replications are in _scheduler/jobs, and in _replicationStatus/ of their database.",
	"_membership":      "The server is one node.",
	"_cluster_setup":   "The server is one node, and is set up by its Caddyfile.",
	"_node":            "The server is one node, and is configured by its Caddyfile; counters are at /_stats.",
	"_config":          "The server is configured by its Caddyfile; GET /{db}/_config tells what a database has of it.",
	"_restart":         "Let Caddy reload its configuration; the store stays open.",
	"_reshard":         "Databases have no shards.",
	"_shards":          "Databases have no shards.",
	"_sync_shards":     "Databases have no shards.",
	"_db_updates":      "Follow _changes of each database.",
	"_purged_infos":    "Purges are not replicated, and none are kept.",
	"_search_cleanup":  "There are no search indexes.",
	"_nouveau_cleanup": "There are no search indexes.",
	"_show":            noFunctions,
	"_list":            noFunctions,
	"_update":          noFunctions,
	"_rewrite":         noFunctions,
}
