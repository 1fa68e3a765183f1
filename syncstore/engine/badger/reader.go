package badger

import (
	"context"
	"errors"
	"fmt"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// reader is an engine.Reader in a transaction of Badger.
type reader struct {
	ctx context.Context
	tx  *badgerdb.Txn
	// lenient gives values that are not what was written.
	lenient bool
}

var _ engine.VersionedReader = (*reader)(nil)

// Get implements engine.Reader.
func (r *reader) Get(key []byte) ([]byte, error) {
	item, err := r.tx.Get(key)
	switch {
	case errors.Is(err, badgerdb.ErrKeyNotFound):
		return nil, engine.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("getting a key: %w", err)
	}
	var buf []byte
	return r.valueOf(item, &buf)
}

// Version implements engine.VersionedReader.
func (r *reader) Version(key []byte) (uint64, error) {
	item, err := r.tx.Get(key)
	switch {
	case errors.Is(err, badgerdb.ErrKeyNotFound):
		return 0, engine.ErrNotFound
	case err != nil:
		return 0, fmt.Errorf("getting a key: %w", err)
	}
	return item.Version(), nil
}

// GetMany implements engine.Reader.
func (r *reader) GetMany(keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		value, err := r.Get(key)
		if err != nil {
			if errors.Is(err, engine.ErrNotFound) {
				continue
			}
			return nil, err
		}
		values[i] = value
	}
	return values, nil
}

// valueOf returns an item's value, not nil: in memory that belongs to the item if the
// value comes from a table, otherwise in buf, whose room is used again.
//
// Badger copies a value from a table into the item, and lends one from the value log or
// from the transaction; it does not say which, but the sizes do: an entry of the value
// log has a header, a version and a checksum, a pending one no size. It also hides
// that an entry of the value log cannot be read, and gives nothing instead.
func (r *reader) valueOf(item *badgerdb.Item, buf *[]byte) ([]byte, error) {
	value := []byte{}
	err := item.Value(func(v []byte) error {
		stored, size := item.EstimatedSize(), int64(len(item.Key())+len(v))
		switch {
		case len(v) == 0 && stored <= size:
		case stored == size:
			value = v
		case len(v) == 0:
			return ErrUnreadable
		default:
			*buf = append((*buf)[:0], v...)
			value = *buf
		}
		return nil
	})
	if err == nil {
		value, err = checked(item, value, r.lenient)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a value: %w", err)
	}
	return value, nil
}
