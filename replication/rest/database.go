package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// databaseInfo answers GET and HEAD of /{db}. Who does not see every document is not told
// how many there are, as in Sync Gateway, which tells nobody: 0 would be wrong, and to
// count what they see every channel of theirs would have to be read.
func (h *Handler) databaseInfo(rq *request) error {
	all, err := rq.seesAll()
	if err != nil {
		return fmt.Errorf("describing a database: %w", err)
	}
	info := rq.coll.Info()
	purges, err := rq.coll.Purges(rq.r.Context())
	if err != nil {
		return fmt.Errorf("describing a database: %w", err)
	}
	b := appendDatabaseInfo(make([]byte, 0, 512), rq.keyspace, rq.db, &info, purges, all)
	if rq.principal.Admin {
		b = h.appendOperation(rq.r.Context(), b[:len(b)-1], rq.db)
	}
	return rq.sendJSON(http.StatusOK, append(b, '\n'))
}

// sizesWait is how long an answer waits for the sizes of a database to be measured. Those of a
// large one are in a later answer.
const sizesWait = 100 * time.Millisecond

// appendOperation closes the object in b after what an administrator is told of a database's
// operation: its state, what clients have open, and how large it is (CouchDB's sizes).
func (h *Handler) appendOperation(ctx context.Context, b []byte, db *syncstore.Database) []byte {
	b = append(b, `,"state":`...)
	b = jsondoc.AppendString(b, stateOf(db))
	b = append(b, `,"feeds":`...)
	b = strconv.AppendInt(b, int64(h.Usage.FeedsOf(db.ID())), 10)
	ctx, stop := context.WithTimeout(ctx, sizesWait)
	defer stop()
	if sizes, known := db.Sizes(ctx); known {
		b = append(b, `,"sizes":{"active":`...)
		b = strconv.AppendInt(b, sizes.Active, 10)
		b = append(b, `,"external":`...)
		b = strconv.AppendInt(b, sizes.External, 10)
		b = append(b, '}')
	}
	return append(b, '}')
}

func appendDatabaseInfo(b []byte, name string, db *syncstore.Database, info *syncstore.Info, purges uint64, counts bool) []byte {
	b = append(b, `{"db_name":`...)
	b = jsondoc.AppendString(b, name)
	if counts {
		b = append(b, `,"doc_count":`...)
		b = strconv.AppendUint(b, info.Docs, 10)
		b = append(b, `,"doc_del_count":`...)
		b = strconv.AppendUint(b, info.DeletedDocs, 10)
	}
	b = append(b, `,"update_seq":"`...)
	seqs := sequencesOf(info)
	b = seqs.append(b, syncstore.At(info.Seq))
	b = append(b, `","purge_seq":"`...)
	b = strconv.AppendUint(b, purges, 10)
	b = append(b, `","compact_running":`...)
	b = strconv.AppendBool(b, db.Compacting())
	b = append(b, `,"uuid":`...)
	b = jsondoc.AppendString(b, info.UUID)
	b = append(b, `,"instance_start_time":`...)
	b = append(b, instanceStart(info)...)
	return append(b, '}')
}

// instanceStart is what a replicator compares to see that the database is still the
// same one: microseconds of its creation, as a string.
func instanceStart(info *syncstore.Info) []byte {
	b := strconv.AppendInt([]byte{'"'}, info.Created.UnixMicro(), 10)
	return append(b, '"')
}

// createDatabase answers PUT /{db}. A public site tells PouchDB, which tries to make its
// target, that it is there.
func (h *Handler) createDatabase(rq *request) error {
	if rq.db != nil {
		return fmt.Errorf("creating database: %w", syncstore.ErrDatabaseExists)
	}
	if err := h.makeDatabase(rq, rq.dbName); err != nil {
		return err
	}
	rq.set("Location", h.PathPrefix+"/"+url.PathEscape(rq.dbName))
	return rq.sendJSON(http.StatusCreated, []byte(`{"ok":true}`+"\n"))
}

// makeDatabase makes a database for the administrator who asks.
func (h *Handler) makeDatabase(rq *request, name string) error {
	if err := syncstore.CheckDatabaseName(name); err != nil {
		return fmt.Errorf("creating database: %w", err)
	}
	if err := h.roomForDatabase(); err != nil {
		return err
	}
	if err := h.CreateDatabase(rq.r.Context(), name); err != nil {
		return fmt.Errorf("creating database: %w", err)
	}
	h.auth.Administer(rq.r, rq.principal, auth.Database{Name: name}).Note(auth.DatabaseCreated, name)
	return nil
}

// deleteDatabase answers DELETE /{db}, on an administrator's site.
func (h *Handler) deleteDatabase(rq *request) error {
	if !rq.principal.Admin {
		return forbidden("Only an administrator deletes databases.")
	}
	if rq.query.Get("rev") != "" {
		return badRequest("A database has no rev; to delete a document, name it in the path.")
	}
	if err := h.Store.DeleteDatabase(rq.r.Context(), rq.dbName); err != nil {
		return fmt.Errorf("deleting database: %w", err)
	}
	h.auth.Administer(rq.r, rq.principal, auth.Database{Name: rq.dbName}).Note(auth.DatabaseDeleted, rq.dbName)
	return rq.sendJSON(http.StatusOK, []byte(`{"ok":true}`+"\n"))
}

// ensureFullCommit answers POST /{db}/_ensure_full_commit. There is nothing to do: a
// write is on stable storage before it is answered.
func (h *Handler) ensureFullCommit(rq *request) error {
	info := rq.db.Info()
	b := append([]byte(`{"ok":true,"instance_start_time":`), instanceStart(&info)...)
	return rq.sendJSON(http.StatusCreated, append(b, '}', '\n'))
}
