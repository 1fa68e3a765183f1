// Package engine defines what the document store needs of an ordered key-value
// store with transactions. Everything above this package works with any engine
// that passes the conformance test in enginetest: one embedded in the process
// (engine/badger) or one that several processes share over a network.
//
// Keys and values are opaque bytes. Keys are ordered bytewise, are not empty and
// are at most MaxKeySize bytes; values are at most MaxValueSize bytes.
package engine

import (
	"context"
	"iter"
)

const (
	// MaxKeySize is the longest key, in bytes, that every engine must accept.
	MaxKeySize = 16 << 10
	// MaxValueSize is the largest value, in bytes, that every engine must accept.
	MaxValueSize = 64 << 20
)

// Engine is an ordered key-value store with snapshot reads and atomic, durable
// updates. Its methods are safe for concurrent use.
type Engine interface {
	// View calls fn with a consistent snapshot. The snapshot contains every update
	// that returned before View was called. The Reader is valid until fn returns.
	View(ctx context.Context, fn func(Reader) error) error

	// Update calls fn with a transaction and commits what it wrote, all or nothing,
	// if fn returns nil; the writes are on stable storage when Update returns nil.
	// fn may be called again if the engine has to retry, so it must have no other
	// effects. If fn returns an error, nothing is written and Update returns it.
	//
	// ErrNoSpace means that nothing was written and that reads go on, ErrTxnTooBig that fn
	// wrote too much.
	// ErrDoubtful (wrapped) means that the engine cannot tell whether the
	// transaction is on stable storage: the caller must not write again before
	// Recover returned nil.
	Update(ctx context.Context, fn func(Txn) error) error

	// Watch returns a channel that receives a value some time after each commit that
	// wrote key, by this process or by another one; several commits may be reported
	// by one value. stop ends the watch and releases it.
	Watch(key []byte) (changed <-chan struct{}, stop func())

	// Recover brings the engine back to a known state after ErrDoubtful, as a
	// restart would. Reads may block for as long as it runs.
	Recover(ctx context.Context) error

	// Stats returns sizes and counters for metrics and bench output.
	Stats() Stats

	// Close releases the engine. Views in progress must have ended.
	Close() error
}

// Reader reads from one consistent snapshot. It is for use by one goroutine.
type Reader interface {
	// Get returns the value of key, or ErrNotFound. The bytes are the caller's.
	Get(key []byte) ([]byte, error)

	// GetMany returns the values of keys in their order, nil for a missing one. A
	// networked engine fetches them in one round trip, so prefer it to several Gets.
	GetMany(keys [][]byte) ([][]byte, error)

	// Scan iterates over the pairs of r in order. The bytes of a pair are valid only
	// until the iteration goes on: copy what is kept. An engine error ends the
	// iteration and is returned by the function that Scan returns second.
	Scan(r Range) (pairs iter.Seq2[[]byte, []byte], err func() error)

	// Measure goes over the first limit pairs of r and returns how many bytes their keys and
	// values have together, about, and the key to go on from: nil if that was all. It reads no
	// values, so it costs what a scan of keys costs.
	Measure(r Range, limit int) (bytes int64, next []byte, err error)
}

// Txn is a Reader that also sees and makes the transaction's own writes.
type Txn interface {
	Reader
	// Put sets key to value. The engine may keep both slices until Update returns.
	Put(key, value []byte) error
	// Delete removes key; a missing key is no error.
	Delete(key []byte) error
}

// Range is the half-open interval Start <= key < End.
type Range struct {
	// Start is the first key. Empty: from the first key of the store.
	Start []byte
	// End is the key to stop before. Empty: to the last key of the store.
	End []byte
	// Reverse iterates from the last key of the interval to the first.
	Reverse bool
	// KeysOnly leaves values nil, which is cheaper.
	KeysOnly bool
	// Limit hints at how many pairs will be read, for prefetching. 0: unknown.
	Limit int
}

// Stats are an engine's sizes and counters.
type Stats struct {
	// DiskBytes is the space that the engine's files take.
	DiskBytes int64
	// FreeBytes is the space left for it, -1 if unknown.
	FreeBytes int64
	// Commits counts transactions committed since the engine was opened.
	Commits uint64
}
