package caddysync

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

const (
	// backupStall is how long a client may take nothing of a backup: versions that the backup
	// still needs are kept meanwhile.
	backupStall = time.Minute
	// backupPiece is how many bytes are written to the client at once.
	backupPiece = 64 << 10
	// nextBackupHeader says what ?since= of the next backup is.
	nextBackupHeader = "Sync-Backup-Next"
)

// backup streams a store, whole or what was written since an earlier backup. What comes over the
// wire proves at its end that it is whole; one that fails on the way is cut off.
func (a *adminAPI) backup(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return notAllowed(r)
	}
	h, o, err := storeAsked(r)
	if err != nil {
		return err
	}
	out := &backupResponse{writer: w, control: http.NewResponseController(w)}
	if err := out.control.SetReadDeadline(time.Time{}); err != nil { // Caddy's 10 s would end the request's context
		return fmt.Errorf("preparing the connection: %w", err)
	}
	begun := time.Time{}
	end, err := o.store.Backup(r.Context(), out, syncstore.BackupOptions{
		Since: r.URL.Query().Get("since"), Interrupt: out.interrupt,
		Begin: func(header syncstore.BackupHeader) {
			begun = time.Now()
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Disposition", `attachment; filename="sync-`+header.Created.Format("20060102T150405Z")+`.backup"`)
			w.Header().Set("Cache-Control", "no-store")
			if header.Next != "" {
				w.Header().Set(nextBackupHeader, header.Next)
			}
		},
	})
	switch {
	case err == nil:
		h.logger.Info("store backed up", zap.Uint64("keys", end.Keys), zap.Uint64("values", end.Values), zap.Duration("duration", time.Since(begun)))
		return nil
	case !begun.IsZero():
		h.logger.Warn("backup not finished", zap.Error(err))
		panic(http.ErrAbortHandler) // so that the client sees that it is not whole
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

// backupResponse writes to a client as long as it takes something.
type backupResponse struct {
	writer  http.ResponseWriter
	control *http.ResponseController

	mu          sync.Mutex
	interrupted bool
}

// Write implements io.Writer. It writes a piece at a time, each of which the client has to take in
// backupStall.
func (b *backupResponse) Write(p []byte) (written int, err error) {
	for written < len(p) {
		if err := b.deadline(time.Now().Add(backupStall), false); err != nil {
			return written, err
		}
		n, err := b.writer.Write(p[written:min(written+backupPiece, len(p))])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// interrupt has a write that waits for the client return, and all after it.
func (b *backupResponse) interrupt() {
	_ = b.deadline(time.Unix(1, 0), true) // the connection is closed then
}

func (b *backupResponse) deadline(at time.Time, interrupt bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.interrupted {
		return syncstore.ErrBackupInterrupted
	}
	b.interrupted = interrupt
	return b.control.SetWriteDeadline(at)
}

func notAllowed(r *http.Request) error {
	return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not allowed", r.Method)}
}
