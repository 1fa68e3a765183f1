package syncstore

import (
	"sync"
	"time"
)

// touches remember which content was uploaded or named by a stub lately: a write that
// relies on it may be about to commit, so it is not collected (DECISIONS 30).
type touches struct {
	mu    sync.Mutex
	now   func() time.Time
	times map[touch]time.Time
	swept time.Time
}

type touch struct {
	db     uint32
	sha256 [32]byte
}

func newTouches(now func() time.Time) *touches {
	return &touches{now: now, times: make(map[touch]time.Time), swept: now()}
}

func (t *touches) touch(db *Database, sha256 [32]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.times[touch{db.scope.db, sha256}] = now
	if now.Sub(t.swept) < unusedContent {
		return
	}
	t.swept = now
	for key, at := range t.times {
		if now.Sub(at) > unusedContent {
			delete(t.times, key)
		}
	}
}

// until returns when content may be collected as far as touches are concerned.
func (t *touches) until(db *Database, sha256 [32]byte) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.times[touch{db.scope.db, sha256}]
	if !ok {
		return time.Time{}
	}
	return at.Add(unusedContent)
}
