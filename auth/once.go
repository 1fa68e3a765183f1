package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// onceSize is how much a onceMemory remembers; beyond it the oldest is forgotten.
const onceSize = 1 << 14

// onceMemory remembers what may be used once, for as long as it could come again.
// Its zero value is ready for use.
type onceMemory struct {
	mu    sync.Mutex
	until map[onceKey]time.Time
	order []onceKey // as they came
}

type onceKey [sha256.Size]byte

// first reports whether key comes for the first time, and remembers it until then.
func (o *onceMemory) first(key onceKey, until time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if end, ok := o.until[key]; ok && now.Before(end) {
		return false
	}
	if o.until == nil {
		o.until = map[onceKey]time.Time{}
	}
	for len(o.order) > 0 {
		oldest := o.order[0]
		if end, ok := o.until[oldest]; ok && now.Before(end) && len(o.order) < onceSize {
			break
		}
		delete(o.until, oldest)
		o.order = o.order[1:]
	}
	o.until[key] = until
	o.order = append(o.order, key)
	return true
}

// knows reports whether key came before, and could come again.
func (o *onceMemory) knows(key onceKey) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	end, ok := o.until[key]
	return ok && time.Now().Before(end)
}
