package script

import (
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// firstLook is when a call is looked at first. Usual ones have long ended.
	firstLook = 5 * time.Millisecond
	// nextLook is the time between looks. Within it a script allocates 2-4 MiB, or
	// doubles a string once or twice.
	nextLook = 2 * time.Millisecond
)

// watch looks after one call at a time: it interrupts one that runs too long, or during
// which the process's heap grows too much.
type watch struct {
	interrupt func(reason error)
	timer     *time.Timer

	mu      sync.Mutex
	running bool
	reason  error
	begun   time.Time
	limit   time.Duration
	growth  int64 // allowed, in bytes
	lowest  int64 // heap, as seen since the call began; 0 before the first look
	sample  [1]metrics.Sample
}

func newWatch(interrupt func(reason error)) *watch {
	w := &watch{interrupt: interrupt}
	w.sample[0].Name = "/memory/classes/heap/objects:bytes"
	w.timer = time.AfterFunc(time.Hour, w.look)
	w.timer.Stop()
	return w
}

func (w *watch) begin(limit time.Duration, growth int64) {
	w.mu.Lock()
	w.running, w.reason, w.begun, w.limit, w.growth, w.lowest = true, nil, time.Now(), limit, growth, 0
	w.mu.Unlock()
	w.timer.Reset(min(firstLook, limit))
}

// end returns why the call must fail, nil if it need not. It can have taken longer than
// its limit without being interrupted: in a built-in function.
func (w *watch) end() error {
	w.timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = false
	if w.reason == nil && time.Since(w.begun) >= w.limit {
		return ErrTimeout
	}
	return w.reason
}

// stop interrupts the call that runs.
func (w *watch) stop(reason error) {
	w.reason = reason
	w.interrupt(reason)
}

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running {
		return
	}
	left := w.limit - time.Since(w.begun)
	if left <= 0 {
		w.stop(ErrTimeout)
		return
	}
	metrics.Read(w.sample[:])
	heap := int64(w.sample[0].Value.Uint64())
	if w.lowest == 0 || heap < w.lowest {
		w.lowest = heap
	}
	if heap-w.lowest > w.growth {
		w.stop(ErrMemory)
		return
	}
	w.timer.Reset(min(nextLook, left))
}
