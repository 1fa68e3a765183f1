package syncstore

import "sync"

// staleRounds is how often a write is prepared before it takes its key's lock
// (DECISIONS 31).
const staleRounds = 3

// keyLocks lets a write that was overtaken again and again go first: while it holds its
// key's lock, other writes of the key wait before they prepare.
type keyLocks struct {
	mu    sync.Mutex
	locks map[string]*keyLock
}

type keyLock struct {
	mu    sync.Mutex
	users int
}

func newKeyLocks() *keyLocks { return &keyLocks{locks: make(map[string]*keyLock)} }

// wait returns when nobody holds key's lock.
func (k *keyLocks) wait(key string) {
	k.mu.Lock()
	l, held := k.locks[key]
	if held {
		l.users++
	}
	k.mu.Unlock()
	if held {
		l.mu.Lock()
		k.release(key, l)
	}
}

// lock takes key's lock and returns what releases it.
func (k *keyLocks) lock(key string) (unlock func()) {
	k.mu.Lock()
	l, ok := k.locks[key]
	if !ok {
		l = &keyLock{}
		k.locks[key] = l
	}
	l.users++
	k.mu.Unlock()
	l.mu.Lock()
	return func() { k.release(key, l) }
}

func (k *keyLocks) release(key string, l *keyLock) {
	l.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(k.locks, key)
	}
}
