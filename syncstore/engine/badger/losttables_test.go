package badger

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const lostID = 9999

// withTable makes a store that has a key in a table, and returns the table.
func withTable(t *testing.T) (path string, id uint64) {
	t.Helper()
	path = t.TempDir()
	e := openAt(t, path)
	require.NoError(t, e.Update(t.Context(), func(tx engine.Txn) error { return tx.Put([]byte("key"), []byte("value")) }))
	require.NoError(t, e.Close())
	manifest, err := readManifest(path)
	require.NoError(t, err)
	require.Len(t, manifest.Tables, 1)
	for id = range manifest.Tables {
	}
	return path, id
}

// list adds changes to the MANIFEST, as Badger leaves them there when their sync failed.
func list(t *testing.T, path string, changes ...*pb.ManifestChange) {
	t.Helper()
	text, err := proto.Marshal(&pb.ManifestChangeSet{Changes: changes})
	require.NoError(t, err)
	record := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	record = append(binary.BigEndian.AppendUint32(record, crc32.Checksum(text, castagnoli)), text...)
	file, err := os.OpenFile(filepath.Join(path, badgerdb.ManifestFilename), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.Write(record)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

func creates(id uint64, level uint32) *pb.ManifestChange {
	return &pb.ManifestChange{Id: id, Op: pb.ManifestChange_CREATE, Level: level}
}

func deletes(id uint64) *pb.ManifestChange {
	return &pb.ManifestChange{Id: id, Op: pb.ManifestChange_DELETE}
}

// requireValue opens a store and finds what was written, and nothing that could trouble the next.
func requireValue(t *testing.T, path string) {
	t.Helper()
	e := openAt(t, path)
	require.NoError(t, e.View(t.Context(), func(r engine.Reader) error {
		value, err := r.Get([]byte("key"))
		require.Equal(t, "value", string(value))
		return err
	}))
	require.NoError(t, e.Close())
	missing, err := missingTables(path)
	require.NoError(t, err)
	require.Empty(t, missing)
	require.NoFileExists(t, filepath.Join(path, lostNote))
	require.NoFileExists(t, filepath.Join(path, repairedManifest))
	found, tables, err := CheckTables(path, nil)
	require.NoError(t, err)
	require.Empty(t, found)
	require.Equal(t, 1, tables)
}

// TestDecision32_ALostTableOfACompactionIsDropped: what it was to replace is there.
func TestDecision32_ALostTableOfACompactionIsDropped(t *testing.T) {
	t.Parallel()
	path, id := withTable(t)
	list(t, path, creates(lostID, 1), creates(lostID+1, 1), deletes(id))
	found, _, err := CheckTables(path, nil)
	require.NoError(t, err)
	require.Empty(t, found, "nothing is damaged")
	requireValue(t, path)
}

// TestDecision32_ALostTableOfAMemtableIsDropped if it is known that it was never used.
func TestDecision32_ALostTableOfAMemtableIsDropped(t *testing.T) {
	t.Parallel()
	path, id := withTable(t)
	list(t, path, creates(lostID, 0))
	_, err := Open(path, small(t))
	require.ErrorIs(t, err, engine.ErrDamaged, "it could be one that was")

	lost, err := noteLost(path, map[uint64]bool{id: true, lostID: true})
	require.NoError(t, err)
	require.False(t, lost, "it was used")
	lost, err = noteLost(path, map[uint64]bool{id: true})
	require.NoError(t, err)
	require.True(t, lost)
	requireValue(t, path)
}

// TestDecision32_ACompactionThatFailsAndIsTriedAgain lists twice what it replaces: the second time it
// is gone.
func TestDecision32_ACompactionThatFailsAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	path, id := withTable(t)
	const again = lostID + 1
	list(t, path, creates(lostID, 1), deletes(id))
	list(t, path, creates(again, 1), deletes(id))
	require.NoError(t, os.Rename(table.NewFilename(id, path), table.NewFilename(again, path)))
	requireValue(t, path)
	manifest, err := readManifest(path)
	require.NoError(t, err)
	require.Contains(t, manifest.Tables, uint64(again))
}

// TestAMissingTableIsDamage, whatever else is lost, and the MANIFEST stays as it is.
func TestAMissingTableIsDamage(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string, id uint64){
		"a used one": func(path string, id uint64) {
			require.NoError(t, os.Remove(table.NewFilename(id, path)))
		},
		"one that a lost one was to replace": func(path string, id uint64) {
			list(t, path, creates(lostID, 1), deletes(id))
			require.NoError(t, os.Remove(table.NewFilename(id, path)))
		},
		"beside a lost one": func(path string, id uint64) {
			list(t, path, creates(lostID, 0))
			_, err := noteLost(path, map[uint64]bool{id: true})
			require.NoError(t, err)
			require.NoError(t, os.Remove(table.NewFilename(id, path)))
		},
	} {
		path, id := withTable(t)
		spoil(path, id)
		before, err := os.ReadFile(filepath.Join(path, badgerdb.ManifestFilename))
		require.NoError(t, err)
		_, err = Open(path, small(t))
		require.ErrorIs(t, err, engine.ErrDamaged, name)
		after, err := os.ReadFile(filepath.Join(path, badgerdb.ManifestFilename))
		require.NoError(t, err)
		require.Equal(t, before, after, name)
	}
}

// TestDecision32_AStoreThatLosesATableIsReopened, though no commit failed: Badger compacts no more
// what has to do with it.
func TestDecision32_AStoreThatLosesATableIsReopened(t *testing.T) {
	t.Parallel()
	for _, line := range []string{flushFailure + ": %v, retrying", compactFailure + " with error: %+v: %+v"} {
		path, id := withTable(t)
		e, err := Open(path, small(t))
		require.NoError(t, err)
		put := func() error {
			return e.Update(t.Context(), func(tx engine.Txn) error { return tx.Put([]byte("key"), []byte("value")) })
		}
		badgers := e.current.Load().log
		badgers.Warningf(line, 1, errDisk, "")
		badgers.Errorf("something else: %v", errDisk)
		list(t, path, creates(lostID, 1), deletes(id))
		badgers.Warningf(line, 1, errDisk, "")
		require.Eventually(t, func() bool { return e.doubt.Load() != nil }, time.Minute, time.Millisecond)
		require.ErrorIs(t, put(), engine.ErrDoubtful)
		require.NoError(t, e.Recover(t.Context()))
		require.NoError(t, put())
		require.NoError(t, e.Close())
		missing, err := missingTables(path)
		require.NoError(t, err)
		require.Empty(t, missing)
	}
}

// TestATornManifestIsReadAsBadgerDoes: up to what is not whole.
func TestATornManifestIsReadAsBadgerDoes(t *testing.T) {
	t.Parallel()
	path, id := withTable(t)
	list(t, path, creates(lostID, 1), deletes(id))
	name := filepath.Join(path, badgerdb.ManifestFilename)
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, append(whole, 0, 0, 0, 9, 1, 2), 0o600))
	text, dropped, err := withoutLost(path)
	require.NoError(t, err)
	require.Equal(t, []uint64{lostID}, dropped)
	require.Less(t, len(text), len(whole))
	requireValue(t, path)
}

func FuzzManifest(f *testing.F) {
	text, err := proto.Marshal(&pb.ManifestChangeSet{Changes: []*pb.ManifestChange{creates(1, 0), deletes(2)}})
	require.NoError(f, err)
	record := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	record = append(binary.BigEndian.AppendUint32(record, crc32.Checksum(text, castagnoli)), text...)
	f.Add(record)
	f.Add(append(record, record[:5]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			record, changes := cutChanges(b)
			if record == nil {
				return
			}
			_ = fmt.Sprint(changes)
			require.NotEmpty(t, record)
			b = b[len(record):]
		}
	})
}
