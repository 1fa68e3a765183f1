package rest

import (
	"net/http"
	"sync"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

const (
	// backupStall is how long a client may take nothing of a backup: versions that the backup
	// still needs are kept meanwhile.
	backupStall = time.Minute
	// backupPiece is how many bytes are written to the client at once.
	backupPiece = 64 << 10
	// NextBackupHeader says what ?since= of the next backup is.
	NextBackupHeader = "Sync-Backup-Next"
)

// SendBackup answers with a backup of a store, whole or what was written since an earlier one. What
// comes over the wire proves at its end that it is whole; one that fails on the way is cut off, so
// that the client sees that it is not whole. An error means that nothing was answered.
func SendBackup(w http.ResponseWriter, r *http.Request, store *syncstore.Store, logger *zap.Logger, o syncstore.BackupOptions) error {
	out := &backupResponse{writer: w, control: http.NewResponseController(w)}
	begun := time.Time{}
	o.Interrupt = out.interrupt
	told := o.Begin
	o.Begin = func(header syncstore.BackupHeader) {
		begun = time.Now()
		if told != nil {
			told(header)
		}
		backupHeaders(w.Header())
		w.Header().Set("Content-Disposition", `attachment; filename="sync-`+header.Created.Format("20060102T150405Z")+`.backup"`)
		if header.Next != "" {
			w.Header().Set(NextBackupHeader, header.Next)
		}
	}
	end, err := store.Backup(r.Context(), out, o)
	switch {
	case err == nil:
		logger.Info("store backed up", zap.Uint64("keys", end.Keys), zap.Uint64("values", end.Values), zap.Duration("duration", time.Since(begun)))
		return nil
	case !begun.IsZero():
		logger.Warn("backup not finished", zap.Error(err))
		panic(http.ErrAbortHandler)
	}
	return err
}

func backupHeaders(header http.Header) {
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Cache-Control", "no-store")
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
