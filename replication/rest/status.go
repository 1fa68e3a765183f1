package rest

import (
	"net/http"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore"
)

// serverStatus is the answer of GET /_status, with Sync Gateway's members.
type serverStatus struct {
	State     string                    `json:"state"`
	Databases map[string]databaseStatus `json:"databases"`
	Version   string                    `json:"version"`
	Vendor    vendor                    `json:"vendor"`
}

type vendor struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type databaseStatus struct {
	Seq   uint64 `json:"seq"`
	UUID  string `json:"server_uuid"`
	State string `json:"state"`
	// Docs and DeletedDocs are those of all collections.
	Docs        uint64 `json:"doc_count"`
	DeletedDocs uint64 `json:"doc_del_count"`
	Compacting  bool   `json:"compact_running"`
	// Feeds are the live feeds and replications that are open.
	Feeds int `json:"feeds"`
	// Collections are those that there are, each with its scope.
	Collections []string `json:"collections"`
}

// status answers GET /_status: the server's state, and that of each database. Once the
// process is about to end it is 503, so that load balancers let go. startkey and limit say which
// databases, by name.
func (h *Handler) status(rq *request) error {
	if _, err := h.auth.AuthenticateAdmin(rq.r, &h.Site); err != nil {
		return err
	}
	limit, err := rq.limit()
	if err != nil {
		return err
	}
	start := rq.query.Get("startkey")
	answer := serverStatus{
		State: "running", Databases: map[string]databaseStatus{}, Version: "caddy-sync/" + h.Version, Vendor: vendor{"caddy-sync", h.Version},
	}
	for _, name := range h.Store.Databases() {
		if name < start {
			continue
		}
		if limit > 0 && len(answer.Databases) == limit {
			break
		}
		db, err := h.Store.Database(name)
		if err != nil || !h.mounted(name) {
			continue
		}
		info := db.Info()
		answer.Databases[name] = databaseStatus{
			Seq: info.Seq, UUID: info.UUID, State: stateOf(db), Docs: info.Docs, DeletedDocs: info.DeletedDocs, Compacting: db.Compacting(),
			Feeds: h.Usage.FeedsOf(db.ID()), Collections: collectionNames(db),
		}
	}
	rq.set("Cache-Control", "no-store")
	if h.stopping() {
		answer.State = "draining"
		rq.set("Retry-After", "2")
		return rq.sendValueAs(http.StatusServiceUnavailable, answer)
	}
	return rq.sendValue(answer)
}

func collectionNames(db *syncstore.Database) []string {
	names := []string{}
	for _, c := range db.Collections() {
		names = append(names, c.ScopeName()+"."+c.Name())
	}
	slices.Sort(names)
	return names
}

// statistics answers GET /_stats: the server's counters by name, as its metrics have them.
func (h *Handler) statistics(rq *request) error {
	if _, err := h.auth.AuthenticateAdmin(rq.r, &h.Site); err != nil {
		return err
	}
	stats, err := h.Stats()
	if err != nil {
		return err
	}
	rq.set("Cache-Control", "no-store")
	return rq.sendValue(stats)
}
