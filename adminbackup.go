package caddysync

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// backup streams a store, whole or what was written since an earlier backup.
func (a *adminAPI) backup(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return notAllowed(r)
	}
	h, o, err := storeAsked(r)
	if err != nil {
		return err
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil { // Caddy's 10 s would end the request's context
		return fmt.Errorf("preparing the connection: %w", err)
	}
	err = rest.SendBackup(w, r, o.store, h.logger, syncstore.BackupOptions{Since: r.URL.Query().Get("since")})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syncstore.ErrUnknownBackup):
		return caddy.APIError{HTTPStatus: http.StatusConflict, Err: err}
	}
	return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
}

// collect gives disk space back that deleted attachments had.
func (a *adminAPI) collect(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return notAllowed(r)
	}
	h, o, err := storeAsked(r)
	if err != nil {
		return err
	}
	collector, ok := o.engine.(engine.Collector)
	if !ok {
		return answerAdmin(w, http.StatusOK, map[string]any{"ok": true, "store": h.key, "rewritten": 0})
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("preparing the connection: %w", err)
	}
	files, err := collector.Collect(r.Context())
	switch {
	case errors.Is(err, engine.ErrNoSpace):
		return caddy.APIError{HTTPStatus: http.StatusInsufficientStorage, Err: err}
	case err != nil:
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
	}
	h.logger.Info("space of deleted attachments collected", zap.Int("files", files))
	return answerAdmin(w, http.StatusOK, map[string]any{
		"ok": true, "store": h.key, "rewritten": files, "disk_bytes": o.engine.Stats().DiskBytes,
	})
}

// storeAsked returns the store that ?store= names by its path, or the only one.
func storeAsked(r *http.Request) (*storeHandle, *openStore, error) {
	list := handles()
	if name := r.URL.Query().Get("store"); name != "" {
		named := list[:0]
		for _, h := range list {
			if h.key == name || h.key == resolved(name) {
				named = append(named, h)
			}
		}
		list = named
	}
	switch len(list) {
	case 0:
		return nil, nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("no such store; /sync/stats names those that there are")}
	case 1:
	default:
		return nil, nil, caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New("there are several stores: name one by ?store=; /sync/stats names them")}
	}
	o := list[0].current()
	if o == nil {
		return nil, nil, caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: ErrNotReady}
	}
	return list[0], o, nil
}

// resolved is a path as a store's key has it, "" if there is no such folder.
func resolved(path string) string {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	return path
}

func notAllowed(r *http.Request) error {
	return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not allowed", r.Method)}
}
