package engine

import "iter"

// VersionedReader is a Reader of an engine that knows which commit wrote a pair. Versions rise
// from commit to commit. After a restart they go on from the highest version of a pair that is
// there still: an engine need not remember those of what was deleted.
type VersionedReader interface {
	Reader

	// Version returns the version of key's value, or ErrNotFound.
	Version(key []byte) (uint64, error)

	// ScanSince is Scan over all pairs, with the values of those only that were written after
	// version since: nil stands for the others', which are not read.
	ScanSince(since uint64) (pairs iter.Seq2[[]byte, []byte], err func() error)
}
