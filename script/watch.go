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
	// lateLook is what a look counts at most. One that comes later was held up with the whole
	// process: by a machine that was paused, or that gave its processors to others. A call must
	// not fail for that, since a document is missing in a view then, until it changes.
	lateLook = 10 * time.Millisecond
)

// watch looks after one call at a time: it interrupts one that runs too long, or during
// which the process's heap grows too much.
type watch struct {
	interrupt func(reason error)
	timer     *time.Timer

	mu      sync.Mutex
	running bool
	reason  error
	looked  time.Time
	used    time.Duration // until looked
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
	w.running, w.reason, w.looked, w.used, w.limit, w.growth, w.lowest = true, nil, time.Now(), 0, limit, growth, 0
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
	if w.reason == nil && w.left() <= 0 {
		return ErrTimeout
	}
	return w.reason
}

// left counts the time since the last look, and returns what the call may still take.
func (w *watch) left() time.Duration {
	now := time.Now()
	w.used += min(now.Sub(w.looked), lateLook)
	w.looked = now
	return w.limit - w.used
}

// over ends the call that runs, however little of its time was counted.
func (w *watch) over() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running && w.reason == nil {
		w.stop(ErrTimeout)
	}
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
	left := w.left()
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
