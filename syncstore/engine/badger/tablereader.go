package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2"
)

// tableReader reads tables beside Badger, those of an encrypted store too.
type tableReader struct {
	path string
	// keys are by the number of the table; nil in a store that is not encrypted.
	keys map[uint64]*pb.DataKey
	// indexes is where Badger wants to put the indexes of encrypted tables.
	indexes *ristretto.Cache[uint64, *fb.TableIndex]
}

// newTableReader returns one for the tables that there are now. secret is the store's encryption
// key; without one it never fails. It fails with ErrKey if the store has another.
func newTableReader(path string, secret []byte) (*tableReader, error) {
	r := &tableReader{path: path}
	if len(secret) == 0 {
		return r, nil
	}
	manifest, err := readManifest(path)
	if err != nil { // Badger may have been adding to it
		manifest, err = readManifest(path)
	}
	if err != nil {
		return nil, err
	}
	registry, err := badgerdb.OpenKeyRegistry(badgerdb.KeyRegistryOptions{Dir: path, ReadOnly: true, EncryptionKey: secret})
	switch {
	case errors.Is(err, badgerdb.ErrEncryptionKeyMismatch):
		return nil, ErrKey
	case err != nil:
		return nil, fmt.Errorf("reading the key registry: %w", err)
	}
	defer func() { _ = registry.Close() }()
	r.keys = make(map[uint64]*pb.DataKey, len(manifest.Tables))
	for id, listed := range manifest.Tables {
		if r.keys[id], err = registry.DataKey(listed.KeyID); err != nil {
			return nil, fmt.Errorf("reading the key registry: %w", err)
		}
	}
	r.indexes, err = ristretto.NewCache(&ristretto.Config[uint64, *fb.TableIndex]{
		NumCounters: 100, MaxCost: 16 << 20, BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("making a cache of indexes: %w", err)
	}
	return r, nil
}

func (r *tableReader) close() {
	if r.indexes != nil {
		r.indexes.Close()
	}
}

// verify reads the file of a table, and returns how many bytes it has. It is read, not mapped: a page
// that the disk does not give back is then an error, and not the end of the process. In an encrypted
// store, a table that came after r was made is not read.
func (r *tableReader) verify(id uint64) (size int, err error) {
	key, listed := r.keys[id]
	if r.keys != nil && !listed {
		return 0, nil
	}
	name := table.NewFilename(id, r.path)
	data, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, damaged(name, errors.New("the file is missing"))
	case err != nil:
		return 0, damaged(name, err)
	}
	t, err := openTable(name, id, data, table.Options{DataKey: key, IndexCache: r.indexes})
	if err != nil {
		return len(data), err
	}
	if r.indexes != nil {
		r.indexes.Wait() // it is decrypted for each block otherwise
	}
	return len(data), verifyBlocks(name, t)
}

// verifyBlocks reads the blocks of a table, and compares their checksums.
func verifyBlocks(name string, t *table.Table) (err error) {
	defer panicked(name, "one of its blocks cannot be read", &err)
	if err := t.VerifyChecksum(); err != nil {
		return damaged(name, err)
	}
	return nil
}

// panicked makes an error of a panic: Badger's way of telling of numbers in a table that lead nowhere. To be deferred.
func panicked(name, what string, err *error) {
	if r := recover(); r != nil {
		*err = damaged(name, errors.New(what))
	}
}

// openTable reads the index of a table.
func openTable(name string, id uint64, data []byte, o table.Options) (t *table.Table, err error) {
	defer panicked(name, "its index cannot be read", &err)
	o.Compression = options.None
	t, err = table.OpenInMemoryTable(data, id, &o)
	if err != nil {
		return nil, damaged(name, err)
	}
	return t, nil
}
