package caddysync

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/syncstore"
)

// adminAPI tells operators, at Caddy's admin endpoint, how the stores are:
//
//	GET  /sync/health  200 if every store can be read and its requests are answered, 503 otherwise
//	GET  /sync/stats   counters of every store
//	GET  /sync/backup  a store as a file; ?since= only what was written since a backup
//	POST /sync/gc      gives disk space of deleted attachments back
//
// Beside backups it gives no access to documents: the admin endpoint knows no users.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.sync", New: func() caddy.Module { return new(adminAPI) }}
}

// Routes implements caddy.AdminRouter.
func (a *adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/sync/health", Handler: caddy.AdminHandlerFunc(a.health)},
		{Pattern: "/sync/stats", Handler: caddy.AdminHandlerFunc(a.stats)},
		{Pattern: "/sync/backup", Handler: caddy.AdminHandlerFunc(a.backup)},
		{Pattern: "/sync/gc", Handler: caddy.AdminHandlerFunc(a.collect)},
	}
}

// handles are the stores of this moment. They are looked up at each request: after a
// reload that failed, Caddy keeps the failed configuration's admin modules.
func handles() []*storeHandle {
	var list []*storeHandle
	stores.Range(func(_, value any) bool {
		if h, ok := value.(*storeHandle); ok {
			list = append(list, h)
		}
		return true
	})
	slices.SortFunc(list, func(a, b *storeHandle) int { return strings.Compare(a.key, b.key) })
	return list
}

func (a *adminAPI) health(w http.ResponseWriter, r *http.Request) error {
	if err := onlyGet(r); err != nil {
		return err
	}
	list := handles()
	open, serving := 0, 0
	for _, h := range list {
		if o := h.current(); o != nil && o.tryRead(r.Context()) == nil {
			open++
		}
		if h.newest() != nil {
			serving++
		}
	}
	status := http.StatusOK
	if open == 0 || open < len(list) || serving < len(list) {
		status = http.StatusServiceUnavailable
	}
	return answerAdmin(w, status, map[string]any{"ok": status == http.StatusOK, "stores": len(list), "open": open, "serving": serving})
}

// readTime is how long a read may take that shows whether the store is open: longer than it takes
// to open it again after a commit in doubt, mostly.
const readTime = 2 * time.Second

// tryRead fails if the store cannot be read: it is damaged, or could not be opened again.
func (o *openStore) tryRead(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	return o.store.Records().View(ctx, func(syncstore.RecordReader) error { return nil })
}

func (a *adminAPI) stats(w http.ResponseWriter, r *http.Request) error {
	if err := onlyGet(r); err != nil {
		return err
	}
	list := []storeStats{}
	for _, h := range handles() {
		if s, open := h.stats(); open {
			list = append(list, s)
		}
	}
	return answerAdmin(w, http.StatusOK, map[string]any{"stores": list})
}

func onlyGet(r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	return notAllowed(r)
}

func answerAdmin(w http.ResponseWriter, status int, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	return nil
}
