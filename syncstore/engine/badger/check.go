package badger

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
	"golang.org/x/sys/unix"
)

// copiedMark is a file in a copy. A store that has it is opened without anything that removes files.
const copiedMark = "COPIED"

// linkFrom is how large a file of the value log must be to be linked, in bytes: Badger removes those
// that have nothing in them when it opens a store.
const linkFrom = 1 << 20

// Copy makes a copy of the store in path that can be opened and read without changing the store:
// what is never written again is linked, the rest, some hundred MiB at most, copied. It is made
// beside the store, in a folder that remove removes. The store stays locked until then; ErrInUse
// if somebody has it open. Copies of it that were not removed, since their process was killed, are
// removed first.
//
// Badger truncates a file before it removes it, and with it the one that it is linked to: whoever
// opens a copy must not compact tables or collect the value log. Open does neither where it finds
// the mark.
func Copy(path string) (copied string, remove func() error, err error) {
	unlock, err := lockStore(path)
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			_ = unlock()
		}
	}()
	removeCopies(path)
	copied, err = os.MkdirTemp(filepath.Dir(path), copyPrefix(path))
	if err != nil {
		return "", nil, fmt.Errorf("making a folder beside the store: %w", err)
	}
	remove = func() error { return errors.Join(os.RemoveAll(copied), unlock()) }
	mark := filepath.Join(copied, copiedMark)
	if err := errors.Join(os.WriteFile(mark, nil, 0o600), copyFiles(path, copied)); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(copied))
	}
	return copied, remove, nil
}

// copyPrefix is what the names of a store's copies begin with. os.MkdirTemp puts digits after it.
func copyPrefix(path string) string { return "." + filepath.Base(path) + "-check-" }

// removeCopies removes a store's copies that nobody uses any more: whoever makes one has the store locked until it is
// removed, and the caller has it locked now. A folder without the mark is no copy. What cannot be removed, since it is
// another user's, stays: the next copy is none the worse for it.
func removeCopies(path string) {
	folder := filepath.Dir(path)
	files, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, f := range files {
		number, found := strings.CutPrefix(f.Name(), copyPrefix(path))
		if !found || strings.Trim(number, "0123456789") != "" {
			continue
		}
		left := filepath.Join(folder, f.Name())
		if _, err := os.Lstat(filepath.Join(left, copiedMark)); err == nil {
			_ = os.RemoveAll(left)
		}
	}
}

// lockStore takes the lock of a store's directory, as Badger does.
func lockStore(path string) (unlock func() error, err error) {
	directory, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the store directory: %w", err)
	}
	err = unix.Flock(int(directory.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%w by another process", ErrInUse), directory.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the store directory: %w", err), directory.Close())
	}
	return directory.Close, nil
}

// copyFiles links tables and all but the newest file of the value log, which are complete, and
// copies what opening a store writes to.
func copyFiles(from, to string) error {
	files, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("reading the store directory: %w", err)
	}
	var newest string
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".vlog") {
			newest = max(newest, f.Name()) // they are numbered with leading zeros
		}
	}
	for _, f := range files {
		if !f.Type().IsRegular() || f.Name() == "LOCK" || f.Name() == copiedMark {
			continue
		}
		source, target := filepath.Join(from, f.Name()), filepath.Join(to, f.Name())
		info, err := f.Info()
		if err != nil {
			return fmt.Errorf("reading the store directory: %w", err)
		}
		complete := strings.HasSuffix(f.Name(), ".sst") ||
			strings.HasSuffix(f.Name(), ".vlog") && f.Name() != newest && info.Size() >= linkFrom
		if complete && os.Link(source, target) == nil {
			continue
		}
		if err := copyFile(source, target); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copying the store: %w", err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copying the store: %w", err)
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(fmt.Errorf("copying the store: %w", err), out.Close())
	}
	return out.Close()
}

// TableDamage is a table that is not as it was written.
type TableDamage struct {
	File string
	Err  error
}

// CheckTables reads every table of a store that nobody has open, and compares the checksums of
// its blocks. Without that, Badger serves what a damaged block has, or nothing. secret is the
// encryption key; without it, it is looked only whether encrypted tables are there. It fails with
// ErrKey if the store has another.
func CheckTables(path string, secret []byte) (found []TableDamage, listed int, err error) {
	manifest, err := readManifest(path)
	if err != nil {
		return nil, 0, err
	}
	_, lost, err := withoutLost(path) // opening the store drops them
	if err != nil {
		return nil, 0, err
	}
	tables, err := newTableReader(path, secret)
	if err != nil {
		return nil, 0, err
	}
	defer tables.close()
	for _, id := range slices.Sorted(maps.Keys(manifest.Tables)) {
		if slices.Contains(lost, id) {
			continue
		}
		name := table.NewFilename(id, path)
		var err error
		if manifest.Tables[id].KeyID == 0 || len(secret) > 0 {
			_, err = tables.verify(id)
		} else if _, missing := os.Stat(name); missing != nil {
			err = damaged(name, missing)
		}
		if err != nil {
			found = append(found, TableDamage{File: filepath.Base(name), Err: err})
		}
	}
	return found, len(manifest.Tables), nil
}

func readManifest(path string) (m badgerdb.Manifest, err error) {
	file, err := os.Open(filepath.Join(path, badgerdb.ManifestFilename))
	if err != nil {
		return m, fmt.Errorf("opening the list of tables: %w", err)
	}
	defer func() { _ = file.Close() }()
	// Badger warns of each table that is replaced twice (losttables.go).
	m, _, err = badgerdb.ReplayManifestFile(file, 0, badgerdb.DefaultOptions(path).WithLogger(nil))
	if err != nil {
		return m, damaged(file.Name(), err)
	}
	return m, nil
}
