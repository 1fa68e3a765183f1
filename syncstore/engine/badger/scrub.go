package badger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
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
	for began := time.Now(); len(left) > 0 && time.Since(began) < scrubFor; left = left[1:] {
		if _, err := e.scrubTable(ctx, left[0]); err != nil {
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
func (e *Engine) scrub(ctx context.Context, rate int64, tables []uint64) {
	for _, id := range tables {
		if ctx.Err() != nil {
			return
		}
		size, err := e.scrubTable(ctx, id)
		if err != nil {
			e.damage.Store(&err)
			e.log.Error("the store is DAMAGED, nothing is served from it: check it, and restore a backup if need be", zap.Error(err))
			return
		}
		pause(ctx, time.Duration(size)*time.Second/time.Duration(rate))
	}
}

// tables are those of the moment. Of an encrypted store there are none: its tables say nothing
// without the keys that Badger has.
func (e *Engine) tables(ctx context.Context) []uint64 {
	if len(e.options.EncryptionKey) > 0 {
		return nil
	}
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
func (e *Engine) scrubTable(ctx context.Context, id uint64) (int, error) {
	size, err := verifyTable(e.path, id)
	if err == nil || !slices.Contains(e.tables(ctx), id) {
		return size, nil
	}
	return size, err
}

// verifyTable reads the file of a table. It is read, not mapped: a page that the disk does not give
// back is then an error, and not the end of the process.
func verifyTable(path string, id uint64) (size int, err error) {
	name := table.NewFilename(id, path)
	data, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, damaged(name, errors.New("the file is missing"))
	case err != nil:
		return 0, damaged(name, err)
	}
	t, err := openTable(name, id, data)
	if err != nil {
		return len(data), err
	}
	if err := t.VerifyChecksum(); err != nil {
		return len(data), damaged(name, err)
	}
	return len(data), nil
}

// openTable reads the index of a table.
func openTable(name string, id uint64, data []byte) (t *table.Table, err error) {
	defer func() {
		if r := recover(); r != nil { // Badger's way of telling of a damaged index
			err = damaged(name, errors.New("its index cannot be read"))
		}
	}()
	t, err = table.OpenInMemoryTable(data, id, &table.Options{Compression: options.None})
	if err != nil {
		return nil, damaged(name, err)
	}
	return t, nil
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
