package badger

import (
	"errors"
	"fmt"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// txn is an engine.Txn.
type txn struct {
	reader
	keys   [][]byte // written, perhaps repeatedly
	size   int64    // bytes written, perhaps repeatedly
	failed error    // the first failed write; it fails the update if fn hides it
}

// entryOverhead is about what Badger stores beside key and value, twice (log and table).
const entryOverhead = 64

// reserved begins the keys that Badger keeps to itself.
const reserved = "!badger!"

// Put implements engine.Txn.
func (t *txn) Put(key, value []byte) error {
	if len(value) > engine.MaxValueSize {
		return t.fail(fmt.Errorf("value of %d bytes is larger than %d", len(value), engine.MaxValueSize))
	}
	return t.write(key, len(value), t.tx.SetEntry(entryOf(key, value)))
}

// Delete implements engine.Txn.
func (t *txn) Delete(key []byte) error {
	return t.write(key, 0, t.tx.Delete(key))
}

// write records a write and its outcome.
func (t *txn) write(key []byte, size int, err error) error {
	switch {
	case errors.Is(err, badgerdb.ErrTxnTooBig):
		return t.fail(engine.ErrTxnTooBig)
	case errors.Is(err, badgerdb.ErrInvalidKey):
		return t.fail(fmt.Errorf("keys that begin with %q are Badger's own: %w", reserved, err))
	case err != nil:
		return t.fail(fmt.Errorf("writing a key: %w", err))
	case len(key) > engine.MaxKeySize:
		return t.fail(fmt.Errorf("key of %d bytes is longer than %d", len(key), engine.MaxKeySize))
	}
	t.keys = append(t.keys, key)
	t.size += int64(len(key) + size + entryOverhead)
	return nil
}

func (t *txn) fail(err error) error {
	if t.failed == nil {
		t.failed = err
	}
	return err
}
