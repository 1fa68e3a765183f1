package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4/table"
	"golang.org/x/sys/unix"
)

// checkOpenable looks at the index of each table before Badger does, which ends the process, in a
// goroutine of its own, if one cannot be read.
func (e *Engine) checkOpenable() error {
	manifest, err := readManifest(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a new store
	}
	if err != nil {
		return err
	}
	for id, kept := range manifest.Tables {
		if kept.KeyID != 0 {
			continue // encrypted
		}
		if err := checkIndex(table.NewFilename(id, e.path), id); err != nil {
			return err
		}
	}
	return nil
}

// checkIndex reads the index of a table.
func checkIndex(name string, id uint64) error {
	_, err := entriesOf(name, id)
	return err
}

// entriesOf maps a table's file, and returns how many entries its index says that it has.
func entriesOf(name string, id uint64) (uint64, error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, damaged(name, err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return 0, damaged(name, err)
	}
	if info.Size() == 0 {
		return 0, damaged(name, errors.New("the file is empty"))
	}
	data, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, fmt.Errorf("mapping %s: %w", filepath.Base(name), err)
	}
	defer func() { _ = unix.Munmap(data) }()
	t, err := openTable(name, id, data, table.Options{})
	if err != nil {
		return 0, err
	}
	return uint64(t.KeyCount()), nil
}
