package caddysync

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// cutAnswer is the answer of a handler that is cut off if it has to end. It is cancelled, and what it writes fails, since
// not every handler looks whether it was cancelled: file_server sends a file to its end.
type cutAnswer struct {
	writer http.ResponseWriter
	cancel context.CancelFunc

	mu    sync.Mutex
	ended bool // the writer is another request's, or nobody's
}

func (c *cutAnswer) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.cancel()
	_ = http.NewResponseController(c.writer).SetWriteDeadline(time.Unix(1, 0)) // not every writer can
}

// over is called when the handler has returned.
func (c *cutAnswer) over() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.cancel()
}
