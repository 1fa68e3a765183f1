package badger

import (
	"context"
	"errors"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"go.uber.org/zap"
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

// collect rewrites files of the value log that are mostly garbage. Compactions find
// the garbage, so space comes back some time after a deletion.
func (e *Engine) collect(ctx context.Context) {
	for ctx.Err() == nil && e.collectFile(ctx) {
	}
}

// collectFile rewrites one file and reports whether there may be another.
func (e *Engine) collectFile(ctx context.Context) bool {
	if e.doubt.Load() != nil {
		return false
	}
	if free, err := e.hooks.free(e.path); err != nil || free < gcFree {
		return false
	}
	h, err := e.acquire(ctx)
	if err != nil {
		return false
	}
	defer h.release()
	switch err := h.db.RunValueLogGC(gcRatio); {
	case err == nil:
		return true
	case !errors.Is(err, badgerdb.ErrNoRewrite) && !errors.Is(err, badgerdb.ErrRejected):
		e.log.Warn("collecting garbage of the value log", zap.Error(err))
	}
	return false
}
