package engine

import "errors"

var (
	// ErrNotFound is returned by Get for a key that is not there.
	ErrNotFound = errors.New("key not found")
	// ErrNoSpace is returned by Update when the store is below its free-space limit.
	// Nothing was written; reads go on.
	ErrNoSpace = errors.New("insufficient storage")
	// ErrTxnTooBig is returned by a transaction's writes, and by Update, when it writes more than the
	// engine takes at once. Nothing was written.
	ErrTxnTooBig = errors.New("transaction too big")
	// ErrDoubtful is returned by Update when it is unknown whether the transaction
	// reached stable storage. The engine refuses further updates until Recover.
	ErrDoubtful = errors.New("commit in doubt")
	// ErrUnavailable is returned by all methods but Recover while the store could not be opened
	// again after a doubtful commit, unless it is damaged.
	ErrUnavailable = errors.New("store unavailable")
	// ErrDamaged is returned for what is stored otherwise than it was written, and by all
	// methods of an engine that found such a thing where it cannot tell what is missing.
	ErrDamaged = errors.New("store damaged")
	// ErrClosed is returned by all methods of a closed engine.
	ErrClosed = errors.New("engine closed")
)
