package badger

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/y"
)

// Badger 4.9.6 brings back what was deleted when it rewrites a file of the value log (value.go, rewrite): it
// looks whether the very version of an entry is in the tables still, not whether the key was deleted since, and
// writes the entry into the newest memtable, above the deletion. When a compaction takes the deletion to the
// lowest level first, with the entry that was there, it forgets both, and the copy above is what the key has from
// then on. Badger keeps deletions from compactions only if they come during the rewriting, and only until it ends.
//
// So, before a file is rewritten, those of its entries that are deleted for everybody who reads are deleted under
// their own version too, where Badger looks: it does not write them. And what was deleted meanwhile is deleted
// once more afterwards, under the version that it was deleted with; until then compactions keep the deletion.

// rewriteLine is the line by which Badger says which file it is going to rewrite, in the goroutine that
// does it.
const rewriteLine = "Rewriting fid: %d"

// rewriting keeps deleted what is deleted while a file of the value log is rewritten.
type rewriting struct {
	db   *badgerdb.DB
	path string
	key  []byte // of an encrypted store
	// oldest is the oldest commit that anybody reads as the newest until the rewriting is over.
	oldest uint64
	logged []loggedEntry
	err    error
}

// loggedEntry is the key of an entry in the value log, with the version that it was written under.
type loggedEntry struct {
	key     []byte
	version uint64
}

// begin is called by Badger's logger when a file is going to be rewritten.
func (r *rewriting) begin(fid uint32) {
	r.logged, r.err = r.read(fid)
	if r.err == nil {
		r.err = r.delete(r.oldest, func(one loggedEntry, _ uint64) uint64 { return one.version })
	}
}

// end is called when the rewriting is over.
func (r *rewriting) end() error {
	err := r.delete(math.MaxUint64, func(_ loggedEntry, deleted uint64) uint64 { return deleted })
	if err = errors.Join(r.err, err); err != nil {
		return fmt.Errorf("keeping deleted what is: %w", err)
	}
	return nil
}

// delete deletes once more the keys of entries that are in the tables and not what a view of a commit
// reads, because the key was deleted; under says under which version.
func (r *rewriting) delete(commit uint64, under func(one loggedEntry, deleted uint64) uint64) error {
	batch := r.db.NewManagedWriteBatch()
	defer batch.Cancel()
	for _, one := range r.logged {
		deleted, ok := r.deletedSince(one, commit)
		if !ok {
			continue
		}
		if err := batch.DeleteAt(one.key, under(one, deleted)); err != nil {
			return err //nolint:wrapcheck // end does
		}
	}
	return batch.Flush() //nolint:wrapcheck // end does
}

// deletedSince returns the version of the deletion that a view of a commit finds, if there is one and the
// entry is there still.
func (r *rewriting) deletedSince(one loggedEntry, commit uint64) (deleted uint64, ok bool) {
	tx := r.db.NewTransactionAt(commit, false)
	defer tx.Discard()
	it := tx.NewKeyIterator(one.key, badgerdb.IteratorOptions{AllVersions: true})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() { // the newest first
		item := it.Item()
		switch {
		case deleted == 0 && !item.IsDeletedOrExpired():
			return 0, false
		case deleted == 0:
			deleted = item.Version()
		case item.Version() == one.version:
			return deleted, !item.IsDeletedOrExpired()
		}
	}
	return 0, false
}

// What a file of the value log begins with: the number of the key that it is encrypted with, 0 for none, and the
// beginning of the counter of the encryption. An entry has two bytes, three numbers, the first two the lengths of
// key and value, then those and a checksum (memtable.go, structs.go).
const (
	logHead      = 8 + 12
	logEntryHead = 2 + 3*binary.MaxVarintLen64
	logChecksum  = 4
	maxLoggedKey = 1 << 16
)

// read reads the keys in a file of the value log, up to what is no entry: as far as Badger does.
func (r *rewriting) read(fid uint32) ([]loggedEntry, error) {
	file, err := os.Open(filepath.Join(r.path, fmt.Sprintf("%06d.vlog", fid)))
	if err != nil {
		return nil, fmt.Errorf("reading the value log: %w", err)
	}
	defer func() { _ = file.Close() }()
	var head [logHead]byte
	if _, err := file.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("reading the value log: %w", err)
	}
	decrypt, err := r.decrypter(binary.BigEndian.Uint64(head[:]), head[8:])
	if err != nil {
		return nil, err
	}
	var logged []loggedEntry
	for at := int64(logHead); ; {
		var buf [logEntryHead]byte
		n, err := file.ReadAt(buf[:], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading the value log: %w", err)
		}
		headed, keyed, valued, ok := entryLengths(buf[:n])
		if !ok {
			return logged, nil
		}
		key := make([]byte, keyed)
		switch _, err := file.ReadAt(key, at+headed); {
		case errors.Is(err, io.EOF):
			return logged, nil
		case err != nil:
			return nil, fmt.Errorf("reading the value log: %w", err)
		}
		decrypt(key, at)
		logged = append(logged, loggedEntry{key: y.ParseKey(key), version: y.ParseTs(key)})
		at += headed + keyed + valued + logChecksum
	}
}

// entryLengths returns how many bytes the head of an entry has, and its key and its value.
func entryLengths(b []byte) (head, key, value int64, ok bool) {
	var lengths [3]uint64
	at := 2
	for i := range lengths {
		if at > len(b) {
			return 0, 0, 0, false
		}
		length, n := binary.Uvarint(b[at:])
		if n <= 0 {
			return 0, 0, 0, false
		}
		lengths[i] = length
		at += n
	}
	ok = lengths[0] > 8 && lengths[0] <= maxLoggedKey && lengths[1] <= math.MaxUint32
	return int64(at), int64(lengths[0]), int64(lengths[1]), ok
}

// decrypter returns what decrypts the first bytes of an entry, after its head, that begins at an offset.
func (r *rewriting) decrypter(number uint64, counter []byte) (func(b []byte, at int64), error) {
	if number == 0 {
		return func([]byte, int64) {}, nil
	}
	registry, err := badgerdb.OpenKeyRegistry(badgerdb.KeyRegistryOptions{Dir: r.path, ReadOnly: true, EncryptionKey: r.key})
	if err != nil {
		return nil, fmt.Errorf("reading the key registry: %w", err)
	}
	defer func() { _ = registry.Close() }()
	key, err := registry.DataKey(number)
	if err != nil {
		return nil, fmt.Errorf("reading the key registry: %w", err)
	}
	block, err := aes.NewCipher(key.GetData())
	if err != nil {
		return nil, fmt.Errorf("decrypting the value log: %w", err)
	}
	return func(b []byte, at int64) {
		iv := binary.BigEndian.AppendUint32(append(make([]byte, 0, aes.BlockSize), counter...), uint32(at))
		cipher.NewCTR(block, iv).XORKeyStream(b, b)
	}, nil
}

// rewrites hands on which file Badger says that it rewrites.
func (l *logger) rewrites(format string, args []any) {
	begin := l.rewriting.Load()
	if begin == nil || !strings.HasPrefix(format, rewriteLine) || len(args) == 0 {
		return
	}
	if fid, ok := args[0].(uint32); ok {
		(*begin)(fid)
	}
}
