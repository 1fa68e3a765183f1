package badger

import (
	"context"
	"errors"
	"fmt"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"go.uber.org/zap"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const (
	// gcRatio is how much of a file of the value log must be garbage to rewrite it.
	gcRatio = 0.5
	// gcFree is the least free space, in bytes, for a rewrite, which copies up to a file
	// before it frees one.
	gcFree = 2 * valueLogFileSize
)

// every calls do at each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do(ctx)
		}
	}
}

// Collect implements engine.Collector: it rewrites files of the value log that are mostly
// garbage. Compactions find the garbage, so space comes back some time after a deletion.
func (e *Engine) Collect(ctx context.Context) (files int, err error) {
	if e.copied {
		return 0, nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return files, err
		}
		if more, err := e.collectFile(ctx); err != nil || !more {
			return files, err
		}
		files++
	}
}

var _ engine.Collector = (*Engine)(nil)

// collect does so in the background. That it cannot now is no news.
func (e *Engine) collect(ctx context.Context) {
	_, err := e.Collect(ctx)
	if err != nil && ctx.Err() == nil && !errors.Is(err, engine.ErrNoSpace) && !errors.Is(err, engine.ErrDoubtful) {
		e.log.Warn("collecting garbage of the value log", zap.Error(err))
	}
}

// collectFile rewrites one file and reports whether there may be another.
func (e *Engine) collectFile(ctx context.Context) (more bool, err error) {
	if e.doubt.Load() != nil {
		return false, engine.ErrDoubtful
	}
	free, err := e.hooks.free(e.path)
	switch {
	case err != nil:
		return false, err
	case free < gcFree:
		return false, fmt.Errorf("%w: a file of the value log must be written anew before it is removed, and %d bytes are free",
			engine.ErrNoSpace, free)
	}
	if !e.collecting.TryLock() {
		return false, nil
	}
	defer e.collecting.Unlock()
	h, err := e.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer h.release()
	switch err := e.rewriteFile(h); {
	case err == nil:
		return true, nil
	case errors.Is(err, badgerdb.ErrNoRewrite), errors.Is(err, badgerdb.ErrRejected):
		return false, nil
	default:
		return false, fmt.Errorf("rewriting a file of the value log: %w", err)
	}
}

// rewriteFile has Badger rewrite a file, and keeps deleted what is. What is deleted meanwhile no compaction
// forgets, as if somebody read what was there before.
func (e *Engine) rewriteFile(h *handle) error {
	oldest := h.snapshots.beginOldest()
	defer h.snapshots.end(oldest)
	r := &rewriting{db: h.db, path: e.path, key: e.options.EncryptionKey, oldest: oldest}
	begin := r.begin
	h.log.rewriting.Store(&begin)
	defer h.log.rewriting.Store(nil)
	err := h.db.RunValueLogGC(gcRatio)
	if kept := r.end(); kept != nil {
		return errors.Join(err, kept)
	}
	return err //nolint:wrapcheck // collectFile does
}
