package badger

import (
	"bytes"
	"fmt"
	"iter"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// contextPairs is after how many pairs a scan looks at its context.
const contextPairs = 1024

// Scan implements engine.Reader. It heeds the context of the View or Update.
func (r *reader) Scan(in engine.Range) (pairs iter.Seq2[[]byte, []byte], err func() error) {
	var failed error
	return func(yield func([]byte, []byte) bool) {
		failed = r.scan(in, func(*badgerdb.Item) bool { return !in.KeysOnly }, yield)
	}, func() error { return failed }
}

// ScanSince implements engine.VersionedReader.
func (r *reader) ScanSince(since uint64) (pairs iter.Seq2[[]byte, []byte], err func() error) {
	var failed error
	return func(yield func([]byte, []byte) bool) {
		failed = r.scan(engine.Range{}, func(item *badgerdb.Item) bool { return item.Version() > since }, yield)
	}, func() error { return failed }
}

// Measure implements engine.Reader. Badger knows the size of a value, in the value log too,
// without reading it.
func (r *reader) Measure(in engine.Range, limit int) (size int64, next []byte, err error) {
	n := 0
	in.Reverse = false
	err = r.scan(in, func(item *badgerdb.Item) bool {
		if n < limit {
			size += item.EstimatedSize()
		}
		return false
	}, func(key, _ []byte) bool {
		if n++; n <= limit {
			return true
		}
		next = bytes.Clone(key)
		return false
	})
	return size, next, err
}

// scan goes over a range, and reads the values that are wanted. Badger's prefetching of values starts a goroutine for each
// pair to copy it, which takes longer than to copy it here.
func (r *reader) scan(in engine.Range, wanted func(*badgerdb.Item) bool, yield func(key, value []byte) bool) error {
	if len(in.End) > 0 && bytes.Compare(in.Start, in.End) >= 0 {
		return nil
	}
	it := r.tx.NewIterator(badgerdb.IteratorOptions{Reverse: in.Reverse, Prefix: commonPrefix(in)})
	defer it.Close()
	var buf []byte
	seek(it, in)
	for n := 1; it.Valid(); n++ {
		item := it.Item()
		key := item.Key()
		if in.Reverse && bytes.Compare(key, in.Start) < 0 || !in.Reverse && beyond(key, in.End) {
			return nil
		}
		if n%contextPairs == 0 && r.ctx.Err() != nil {
			return fmt.Errorf("scanning: %w", r.ctx.Err())
		}
		var value []byte
		if wanted(item) {
			var err error
			if value, err = r.valueOf(item, &buf); err != nil {
				return fmt.Errorf("scanning: %w", err)
			}
		}
		if !yield(key, value) {
			return nil
		}
		it.Next()
	}
	return nil
}

// seek moves to the first pair of a range.
func seek(it *badgerdb.Iterator, in engine.Range) {
	if !in.Reverse {
		it.Seek(in.Start)
		return
	}
	it.Seek(in.End)
	if it.Valid() && beyond(it.Item().Key(), in.End) {
		it.Next()
	}
}

func beyond(key, end []byte) bool {
	return len(end) > 0 && bytes.Compare(key, end) >= 0
}

// commonPrefix returns a prefix that all keys of a range have, so that Badger looks into
// fewer tables.
func commonPrefix(in engine.Range) []byte {
	n := 0
	for n < len(in.Start) && n < len(in.End) && in.Start[n] == in.End[n] {
		n++
	}
	// If the end is what comes right after a longer prefix of the start, all keys have
	// that one. Backwards it cannot be used: Badger would begin at the end itself, see
	// that it has not the prefix, and stop.
	if !in.Reverse && n == len(in.End)-1 && n < len(in.Start) && in.Start[n]+1 == in.End[n] {
		n++
	}
	return in.Start[:n:n]
}
