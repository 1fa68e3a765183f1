package badger

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const (
	// scrubFor is how long opening a store reads tables before it lets anybody in. A small
	// store is whole then.
	scrubFor = 200 * time.Millisecond
	// scrubFirst and scrubAgain are how many bytes a second are read after that, and by each
	// later scrub: it takes disk and page cache from those who work.
	scrubFirst int64 = 256 << 20
	scrubAgain int64 = 32 << 20
	// scrubInterval is the time between two scrubs.
	scrubInterval = 24 * time.Hour
)

// scrubAtOnce reads tables for a moment, before anybody is let in, and returns those that are left.
func (e *Engine) scrubAtOnce(ctx context.Context) (left []uint64, err error) {
	left = e.tables(ctx)
	tables, err := newTableReader(e.path, e.options.EncryptionKey)
	if err != nil {
		return nil, err
	}
	defer tables.close()
	for began := time.Now(); len(left) > 0 && time.Since(began) < scrubFor; left = left[1:] {
		if _, err := e.scrubTable(ctx, tables, left[0]); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// scrubbing reads what scrubAtOnce left, and then all tables again and again: the checksum of each
// block is compared. A key that is damaged cannot be seen otherwise: it is as if it were not there.
func (e *Engine) scrubbing(ctx context.Context, left []uint64) {
	e.scrub(ctx, scrubFirst, left)
	every(ctx, scrubInterval, func(ctx context.Context) { e.scrub(ctx, scrubAgain, e.tables(ctx)) })
}

// scrub reads tables, so many bytes a second. If one is damaged, nothing is read or written any more:
// who is not told of a document would believe that it is not there, and a compaction would write the
// damage anew, with a good checksum.
func (e *Engine) scrub(ctx context.Context, rate int64, ids []uint64) {
	tables, err := newTableReader(e.path, e.options.EncryptionKey)
	if err != nil {
		e.log.Error("the tables of the store are not compared with their checksums now", zap.Error(err))
		return
	}
	defer tables.close()
	for _, id := range ids {
		if ctx.Err() != nil {
			return
		}
		size, err := e.scrubTable(ctx, tables, id)
		if err != nil {
			e.damage.Store(&err)
			e.log.Error("the store is DAMAGED, nothing is served from it: check it, and restore a backup if need be", zap.Error(err))
			return
		}
		pause(ctx, time.Duration(size)*time.Second/time.Duration(rate))
	}
}

// tables are those of the moment.
func (e *Engine) tables(ctx context.Context) []uint64 {
	h, err := e.acquire(ctx)
	if err != nil {
		return nil
	}
	defer h.release()
	infos := h.db.Tables()
	ids := make([]uint64, 0, len(infos))
	for _, info := range infos {
		ids = append(ids, info.ID)
	}
	return ids
}

// scrubTable reads one, and returns how many bytes it has. One that a compaction takes away meanwhile
// may be gone, or empty.
func (e *Engine) scrubTable(ctx context.Context, tables *tableReader, id uint64) (int, error) {
	size, err := tables.verify(id)
	if err == nil || !slices.Contains(e.tables(ctx), id) {
		return size, nil
	}
	return size, err
}

func damaged(file string, err error) error {
	return fmt.Errorf("%w: %s: %w", engine.ErrDamaged, filepath.Base(file), err)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
