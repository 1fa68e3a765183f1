package blip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"
)

// closeTimeout bounds the closing handshake.
const closeTimeout = 5 * time.Second

// end ends the connection for those who use it: nothing is sent or received any more, and
// who waits is told why. It tells whether it was the first; then as many goroutines as it is
// told count as the connection's.
func (c *Conn) end(cause error, goroutines int) bool {
	if !errors.Is(cause, ErrClosed) {
		cause = fmt.Errorf("%w: %w", ErrClosed, cause)
	}
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return false
	}
	c.cause = cause
	unsent, calls := c.queue.messages, c.calls
	for _, m := range c.sending {
		if m.paused {
			unsent = append(unsent, m)
		}
	}
	c.queue, c.calls, c.sending, c.acks, c.held = sendQueue{}, nil, nil, nil, nil
	close(c.ended)
	c.goroutines.Add(goroutines) // before Run, which comes by here too, waits for them
	c.mu.Unlock()
	for _, m := range unsent { // the goroutine that writes closes the one that it has
		m.close()
		if m.call != nil && !m.started {
			m.call.done(nil, cause)
		}
	}
	for _, call := range calls {
		call.done(nil, cause)
	}
	return true
}

func (c *Conn) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// fail ends the connection because of what the peer sent (blip.md 1.4). It does not wait.
func (c *Conn) fail(err error) {
	if !c.end(err, 1) {
		return
	}
	code, reason := websocket.StatusProtocolError, "protocol error"
	if errors.Is(err, ErrLimit) {
		code, reason = websocket.StatusMessageTooBig, "limit exceeded"
	}
	go func() {
		defer c.goroutines.Done()
		c.handshake(code, reason)
	}()
}

// abort ends the connection without a word.
func (c *Conn) abort(err error) {
	c.end(err, 0)
	// The context first: while a closing handshake goes on, CloseNow only waits for it.
	c.stopReading()
	_ = c.ws.CloseNow() // it is closed, whatever it says
}

// Close ends the connection with a close frame, and returns when the peer has confirmed it
// or five seconds are over. What is queued is not sent any more.
func (c *Conn) Close(code websocket.StatusCode, reason string) {
	c.end(fmt.Errorf("%w: closed here with %d", ErrClosed, code), 0)
	c.handshake(code, reason)
}

// handshake sends a close frame and waits for the peer's. Whoever reads goes on, to see it.
func (c *Conn) handshake(code websocket.StatusCode, reason string) {
	timer := time.AfterFunc(closeTimeout, c.stopReading)
	defer timer.Stop()
	_ = c.ws.Close(code, reason) // that the peer did not confirm it changes nothing
}

// Drop ends the connection at once, without a close frame: Couchbase Lite of every version
// then comes back (reference/blip.md 1.4).
func (c *Conn) Drop(reason error) { c.abort(reason) }

// lost ends the connection because the WebSocket ended, and returns what Run does.
func (c *Conn) lost(err error) error {
	code := websocket.CloseStatus(err)
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		err = fmt.Errorf("%w: a frame of more than %d bytes", ErrLimit, readLimit)
	case code >= 0: // its reason is the peer's text
		err = fmt.Errorf("%w: %w", ErrClosed, websocket.CloseError{Code: code})
	}
	first := c.end(err, 0)
	if first && (code == websocket.StatusNormalClosure || code == websocket.StatusGoingAway) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Run reads until the connection ends, and returns why: nil if the peer closed it normally
// (1000 or 1001).
func (c *Conn) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.Drop(context.Cause(ctx)) })
	defer stop()
	err := c.lost(c.read())
	_ = c.ws.CloseNow() // it is closed, whatever it says
	c.stopReading()
	c.goroutines.Wait()
	close(c.done)
	return err
}
