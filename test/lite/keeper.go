package lite

import (
	"errors"
	"sync"
	"time"
)

// Keeper keeps a continuous replication going: after an error that the version takes for a
// transient one it connects again, as apps expect it (blip.md 1.3).
type Keeper struct {
	device *Device
	config Config

	mu      sync.Mutex
	current *Replication
	began   int
	stopped bool
	failure error
	done    chan struct{}
}

// Keep begins to replicate, continuously.
func (d *Device) Keep(config Config) *Keeper {
	config.Continuous = true
	k := &Keeper{device: d, config: config, done: make(chan struct{})}
	go k.run()
	return k
}

func (k *Keeper) run() {
	defer close(k.done)
	for {
		k.mu.Lock()
		if k.stopped {
			k.mu.Unlock()
			return
		}
		r := k.device.Start(k.config)
		k.current = r
		k.began++
		k.mu.Unlock()
		err := r.Wait()
		var failure *Error
		if errors.As(err, &failure) && !failure.Transient(k.device.version) {
			k.mu.Lock()
			k.failure = err
			k.mu.Unlock()
			return
		}
		time.Sleep(20 * time.Millisecond) // LiteCore waits two seconds at first
	}
}

// Connections is how often it connected.
func (k *Keeper) Connections() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.began
}

// Current is the replication in progress, or the last one.
func (k *Keeper) Current() *Replication {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// Stop ends it, and returns the error that ended it before, if any.
func (k *Keeper) Stop() error {
	k.mu.Lock()
	k.stopped = true
	current := k.current
	k.mu.Unlock()
	if current != nil {
		current.Stop()
	}
	<-k.done
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failure
}
