package syncstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// storeFormat is the version of the format of keys and values. Records have versions of their
// own, so that old ones are read; whoever writes a record that releases of this version do not
// read gives the store a new one. Its fixture goes into testdata/stores.
const storeFormat = 1

// checkFormat refuses a store that this release cannot read, and formats an empty engine.
func (s *Store) checkFormat(ctx context.Context) error {
	var empty bool
	err := s.engine.View(ctx, func(r engine.Reader) (err error) {
		empty, err = readFormat(r)
		return err
	})
	if err != nil || !empty {
		return err
	}
	return s.engine.Update(ctx, func(tx engine.Txn) error {
		return tx.Put(formatKey(), []byte{storeFormat})
	})
}

// readFormat tells whether there is a store at all, and refuses one that this release cannot
// read: ErrNewerFormat, ErrFormat.
func readFormat(r engine.Reader) (empty bool, err error) {
	format, err := r.Get(formatKey())
	switch {
	case errors.Is(err, engine.ErrNotFound):
		used, err := hasKey(r, engine.Range{})
		if err != nil {
			return false, fmt.Errorf("looking for a store: %w", err)
		}
		if used {
			return false, fmt.Errorf("%w: it does not say which one, so it is damaged, or no store of ours", ErrFormat)
		}
		return true, nil
	case err != nil:
		return false, fmt.Errorf("reading the store's format: %w", err)
	case len(format) != 1 || format[0] == 0:
		return false, fmt.Errorf("%w: %x is none, so the store is damaged", ErrFormat, format)
	}
	return false, checkFormatNumber(int(format[0]))
}

// checkFormatNumber refuses the format of a later release.
func checkFormatNumber(format int) error {
	if format > storeFormat {
		return fmt.Errorf("%w: it has format %d, and this release reads formats up to %d; "+
			"start the release that wrote it, or restore a backup made before the upgrade", ErrNewerFormat, format, storeFormat)
	}
	return nil
}

// hasKey reports whether there is a key in a range.
func hasKey(r engine.Reader, in engine.Range) (bool, error) {
	in.KeysOnly, in.Limit = true, 1
	pairs, failed := r.Scan(in)
	for range pairs {
		return true, nil
	}
	return false, failed()
}
