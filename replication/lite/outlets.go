package lite

import (
	"io"
	"sync"
)

// maxOutlets is how many attachments are sent at once on a connection. Each holds a chunk in
// memory until the client has acknowledged what it got.
const maxOutlets = 32

// outlets has attachments wait for their turn. They wait without a worker: it is for the client
// to make room.
type outlets struct {
	mu      sync.Mutex
	open    int
	waiting []func()
}

// take calls begin when there is room: at once, or on the goroutine that gives room back. What
// begins has to give it back.
func (o *outlets) take(begin func()) {
	o.mu.Lock()
	if o.open == maxOutlets {
		o.waiting = append(o.waiting, begin)
		o.mu.Unlock()
		return
	}
	o.open++
	o.mu.Unlock()
	begin()
}

// give gives room back, or to who waits: it returns what is to begin then, nil for nothing.
func (o *outlets) give() (begin func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 {
		o.open--
		return nil
	}
	begin = o.waiting[0]
	o.waiting = o.waiting[1:]
	return begin
}

// outlet is a stream that gives its room back when it is closed.
type outlet struct {
	io.ReadCloser
	give func()
}

// Close implements io.Closer. It is called once.
func (o *outlet) Close() error {
	defer o.give()
	return o.ReadCloser.Close()
}
