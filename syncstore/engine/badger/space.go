package badger

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// checkSpace fails with engine.ErrNoSpace if a commit of size bytes would leave less
// than the limit. Badger writes to mapped files, and the system kills the process that
// writes to a mapped page for which the disk has no room: the limit must be larger
// than what Badger writes behind our back, memtables that become tables and
// compactions. It asks each time, which takes a microsecond.
func (e *Engine) checkSpace(size int64) error {
	free, err := e.hooks.free(e.path)
	if err != nil {
		return fmt.Errorf("checking the free space: %w", err)
	}
	if free-size < e.options.MinFree {
		return fmt.Errorf("%w: %d bytes are free and %d must stay so", engine.ErrNoSpace, free, e.options.MinFree)
	}
	return nil
}

// freeBytes returns how many bytes are left in a directory's file system for those who
// are not root.
func freeBytes(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", path, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // elsewhere these are of other types
}

// diskBytes returns how many bytes the files of a directory take. Badger makes its
// files large and fills them later, so blocks count, not lengths.
func diskBytes(path string) int64 {
	files, err := os.ReadDir(path) // Badger has no folders in its own
	if err != nil {
		return 0
	}
	var sum int64
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			continue // it vanished while we looked
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += stat.Blocks * 512
		}
	}
	return sum
}
