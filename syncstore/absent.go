package syncstore

import "sync"

// maxAbsent is how many documents are remembered not to be there: those that some dozens of
// clients propose at a time.
const maxAbsent = 16_384

// absent remembers for a moment which documents were not there when somebody proposed to write
// them, so that the write, which mostly follows, need not look again. It is no cache: what is
// said is when that was so, and the committer finds out whether it still is
// (DECISIONS 31).
type absent struct {
	mu   sync.Mutex
	keys map[string]uint64 // key of the head → the last commit that was surely looked at
}

// note remembers that there was no document under keys after commit base.
func (a *absent) note(keys []string, base uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keys == nil || len(a.keys)+len(keys) > maxAbsent {
		a.keys = make(map[string]uint64, len(keys)) // old ones are of no use any more
	}
	for _, key := range keys {
		a.keys[key] = base
	}
}

// take returns what is known of a key, and forgets it: a write that it made stale looks by
// itself.
func (a *absent) take(key string) (base uint64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if base, ok = a.keys[key]; ok {
		delete(a.keys, key)
	}
	return base, ok
}
