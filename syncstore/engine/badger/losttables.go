package badger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// Badger 4.9 makes a table, lists it in the MANIFEST, syncs that, and uses the table. If the sync
// fails it removes the table's file, but the MANIFEST goes on listing it (manifest.go, addChanges;
// levels.go, runCompactDef; db.go, handleMemTableFlush), and the store cannot be opened any more,
// though nothing is lost: what the table was made of is still there, tables or a memtable's log. Such
// tables are called lost here, and what lists them is taken out of the MANIFEST before Badger reads it.
//
// Of a table that was to replace others the MANIFEST itself tells that nothing is lost, if the files
// of all those are there, or others have replaced them since. Of one that was made of a memtable it does not; so the engine notes those
// when Badger logs that it failed, while it has the store open and so knows which tables there are.

const (
	// lostNote is the file that has the numbers of lost tables.
	lostNote = "LOST-TABLES"
	// repairedManifest is the MANIFEST without them, until it is complete.
	repairedManifest = "MANIFEST-REPAIRED"
	// manifestHead is how many bytes a MANIFEST's magic and version take.
	manifestHead = 8
)

// noteFailure is called by Badger's goroutines.
func (e *Engine) noteFailure() {
	select {
	case e.tableFailed <- struct{}{}:
	default: // nobody has looked since the last one
	}
}

// watchTables has the store reopened when a table is lost: Badger compacts nothing any more that has
// to do with one, and only this process knows that it is lost and not damaged. Whether a table that
// could not be written is lost depends on where that failed.
func (e *Engine) watchTables(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.tableFailed:
		}
		if h := e.current.Load(); h.use() {
			e.lookForLost(h)
			h.release()
		}
	}
}

func (e *Engine) lookForLost(h *handle) {
	lost, err := noteLost(e.path, usedTables(h.db))
	if err != nil {
		e.log.Error("noting lost tables", zap.Error(err))
	}
	if !lost {
		return
	}
	e.listFailed()
}

// listFailed has the store reopened: what Badger believes of its list of tables is not what is there.
func (e *Engine) listFailed() {
	err := errors.New("a table could not be listed")
	if e.doubt.CompareAndSwap(nil, &err) {
		e.log.Error("the list of tables could not be changed, updates are refused until the store is reopened")
	}
}

// noteLost notes tables that are listed and have no file, and are none of those in use. It reports
// whether there are any.
func noteLost(path string, used map[uint64]bool) (bool, error) {
	missing, err := missingTables(path)
	if err != nil {
		return false, err
	}
	missing = slices.DeleteFunc(missing, func(id uint64) bool { return used[id] })
	if len(missing) == 0 {
		return false, nil
	}
	noted, err := readLost(path)
	if err != nil {
		return true, err
	}
	for _, id := range missing {
		noted[id] = true
	}
	var text strings.Builder
	for _, id := range slices.Sorted(maps.Keys(noted)) {
		fmt.Fprintln(&text, id)
	}
	return true, replaceFile(path, lostNote+".new", lostNote, []byte(text.String()))
}

// usedTables are the tables that an open Badger has.
func usedTables(db *badgerdb.DB) map[uint64]bool {
	used := make(map[uint64]bool)
	for _, one := range db.Tables() {
		used[one.ID] = true
	}
	return used
}

// missingTables are those that the MANIFEST lists and that have no file.
func missingTables(path string) (missing []uint64, err error) {
	manifest, err := readManifest(path)
	if err != nil {
		return nil, err
	}
	for id := range manifest.Tables {
		if !hasTable(path, id) {
			missing = append(missing, id)
		}
	}
	return missing, nil
}

func hasTable(path string, id uint64) bool {
	_, err := os.Stat(table.NewFilename(id, path))
	return !errors.Is(err, fs.ErrNotExist)
}

func readLost(path string) (map[uint64]bool, error) {
	text, err := os.ReadFile(filepath.Join(path, lostNote))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading which tables are lost: %w", err)
	}
	noted := make(map[uint64]bool)
	for word := range strings.FieldsSeq(string(text)) {
		id, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading which tables are lost: %w", err)
		}
		noted[id] = true
	}
	return noted, nil
}

// dropLost takes lost tables out of the MANIFEST. Where a table is missing for another reason it
// changes nothing: opening the store will say what is the matter. The store must be locked.
func (e *Engine) dropLost() error {
	text, dropped, err := withoutLost(e.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // a new store
	case err != nil:
		return err
	case len(dropped) > 0:
		if err := replaceFile(e.path, repairedManifest, badgerdb.ManifestFilename, text); err != nil {
			return err
		}
		e.log.Warn("dropped tables that a failed write had listed; what they were made of is there", zap.Uint64s("tables", dropped))
	}
	if missing, err := missingTables(e.path); err != nil || len(missing) > 0 {
		return err // the note may be of use yet
	}
	if err := os.Remove(filepath.Join(e.path, lostNote)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the note of lost tables: %w", err)
	}
	return nil
}

// withoutLost is the MANIFEST without the changes that list lost tables, and which these are: none
// if there are none, or if not all that is missing is lost.
func withoutLost(path string) (text []byte, dropped []uint64, err error) {
	missing, err := missingTables(path)
	if err != nil || len(missing) == 0 {
		return nil, nil, err
	}
	noted, err := readLost(path)
	if err != nil {
		return nil, nil, err
	}
	whole, err := os.ReadFile(filepath.Join(path, badgerdb.ManifestFilename))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the list of tables: %w", err)
	}
	text = append(text, whole[:manifestHead]...)
	tables := make(map[uint64]bool)
	for rest := whole[manifestHead:]; len(rest) > 0; {
		record, changes := cutChanges(rest)
		if record == nil {
			break // what Badger would cut off
		}
		rest = rest[len(record):]
		if made, lost := lostBy(changes, missing, noted); lost {
			dropped = append(dropped, made...)
			continue
		}
		text = append(text, record...)
		for _, change := range changes {
			tables[change.GetId()] = change.GetOp() == pb.ManifestChange_CREATE
		}
	}
	slices.Sort(dropped)
	slices.Sort(missing)
	if !slices.Equal(dropped, missing) {
		return nil, nil, nil
	}
	for id, listed := range tables {
		if listed && !hasTable(path, id) {
			return nil, nil, nil // one that was to be replaced is not there
		}
	}
	return text, dropped, nil
}

// cutChanges returns the record that b begins with, nil if there is no whole one: a length, a
// checksum, and a set of changes (manifest.go, ReplayManifestFile).
func cutChanges(b []byte) (record []byte, changes []*pb.ManifestChange) {
	const head = 8
	if len(b) < head {
		return nil, nil
	}
	length := uint64(binary.BigEndian.Uint32(b))
	if uint64(len(b)) < head+length {
		return nil, nil
	}
	record = b[:head+length]
	var set pb.ManifestChangeSet
	if crc32.Checksum(record[head:], castagnoli) != binary.BigEndian.Uint32(b[4:]) || proto.Unmarshal(record[head:], &set) != nil {
		return nil, nil
	}
	return record, set.GetChanges()
}

// lostBy returns the tables that a set of changes made, and whether it seems to be one that failed:
// none of them has a file, and they were to replace others, or are known. Whether those others are
// there has to be looked at when it is left out: if Badger tried again and did not fail, a later set
// says once more that they are replaced.
func lostBy(changes []*pb.ManifestChange, missing []uint64, noted map[uint64]bool) (made []uint64, lost bool) {
	replaces, known := false, true
	for _, change := range changes {
		if change.GetOp() == pb.ManifestChange_DELETE {
			replaces = true
			continue
		}
		if !slices.Contains(missing, change.GetId()) {
			return nil, false
		}
		known = known && noted[change.GetId()]
		made = append(made, change.GetId())
	}
	return made, len(made) > 0 && (replaces || known)
}

// replaceFile writes a file under another name, syncs it, and puts it into its place.
func replaceFile(dir, draft, name string, text []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", name, err)
		}
	}()
	draft = filepath.Join(dir, draft)
	file, err := os.OpenFile(draft, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(draft, filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
