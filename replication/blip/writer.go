package blip

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/coder/websocket"
)

const (
	// Frames are of 16 KiB; of 4 KiB while an urgent message waits behind one that is not
	// (blip.md 2.7).
	frameSize      = 16 << 10
	smallFrameSize = 4 << 10
	// frameOverhead is what header, checksum and deflating of what cannot be deflated add.
	frameOverhead = headerSize + checksumSize + 16
)

// turn is what is sent next: a pong, an acknowledgement, or a frame of a message.
type turn struct {
	pong    []byte
	ack     *ack
	message *outgoing
	number  uint64
	size    int // how much of the message the frame may have
}

// Together calls do, and begins to send what that queues when it returns. One after the other,
// small answers cost a goroutine and a write to the network each. Nothing else is sent meanwhile,
// so that do must not wait for anybody.
func (c *Conn) Together(do func()) {
	c.mu.Lock()
	c.together++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.together--
		c.kick()
	}()
	do()
}

// kick starts the goroutine that writes, if there is something to write and none runs. An
// idle connection has none. c.mu is held.
func (c *Conn) kick() {
	if c.writing || c.together > 0 || c.cause != nil || c.idle() {
		return
	}
	c.writing = true
	c.goroutines.Add(1)
	go c.write()
}

// idle tells whether there is nothing to write. c.mu is held.
func (c *Conn) idle() bool {
	return len(c.queue.messages) == 0 && len(c.acks) == 0 && c.pong == nil
}

// write sends until there is nothing to send, or the connection has ended.
func (c *Conn) write() {
	defer c.goroutines.Done()
	var t turn
	defer func() { // only a panic leaves a message
		if t.message != nil {
			t.message.close()
		}
	}()
	defer c.recovers()
	out, content, gathered := frameBuffers.get(), frameBuffers.get(), frameBuffers.get()
	defer out.put()
	defer content.put()
	defer gathered.put()
	c.cork.gather(gathered.b)
	defer func() { _ = c.cork.let() }() // of a connection that has ended, a last try
	// One timer for all frames: a frame that cannot be written in time ends the connection.
	// The WebSocket's own way, a context for each, takes a goroutine each.
	timer := time.AfterFunc(c.limits.WriteTimeout, func() { c.Drop(errWriteTimeout) })
	timer.Stop()
	for {
		if c.pausing() {
			timer.Reset(c.limits.WriteTimeout)
			err := c.cork.flush()
			timer.Stop()
			if err != nil {
				c.writeFailed(err)
			}
		}
		var ok bool
		if t, ok = c.nextTurn(); !ok {
			return
		}
		counted, last, err := 0, false, error(nil)
		switch {
		case t.pong != nil:
			out.b = appendPong(out.b[:0], t.pong)
		case t.ack != nil:
			out.b = t.ack.append(out.b[:0])
		default:
			out.b, counted, last, err = c.nextFrame(out.b[:0], content.b[:t.size], t)
		}
		if err == nil {
			timer.Reset(c.limits.WriteTimeout)
			err = c.writeOut(out.b, t.pong != nil)
			timer.Stop()
		}
		c.afterTurn(t, counted, last, err)
		t = turn{}
	}
}

// pausing tells whether there is nothing more to write for now.
func (c *Conn) pausing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle() || c.cause != nil
}

// writeOut writes one WebSocket frame. A pong is written below the WebSocket, which would
// only send one by itself. That is safe: it has written all of a frame when Write returns,
// and what else it may write meanwhile is a close frame, in one piece.
func (c *Conn) writeOut(b []byte, raw bool) error {
	if raw {
		_, err := c.cork.Write(b)
		return err
	}
	err := c.ws.Write(context.Background(), websocket.MessageBinary, b)
	if err == nil && c.counters != nil {
		c.counters.BytesOut.Add(uint64(len(b)))
	}
	return err
}

// nextTurn takes what is to be sent next. If there is nothing, the goroutine that writes is
// gone when it returns, and the deflater is given back.
func (c *Conn) nextTurn() (turn, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil && c.pong != nil {
		t := turn{pong: c.pong}
		c.pong = nil
		return t, true
	}
	if c.cause == nil && len(c.acks) > 0 {
		a := c.acks[0]
		c.acks = c.acks[1:]
		if len(c.acks) == 0 {
			c.acks = nil
		}
		return turn{ack: &a}, true
	}
	m := (*outgoing)(nil)
	if c.cause == nil {
		m = c.queue.pop()
	}
	if m == nil {
		c.encoder.release()
		c.writing = false
		return turn{}, false
	}
	if !m.started {
		m.started = true
		if !m.answer() { // numbers are in the order of first frames (blip.md 2.1)
			c.lastSent++
			m.number = c.lastSent
			if m.call != nil {
				c.calls = put(c.calls, m.number, m.call)
			}
		}
	}
	size := frameSize - frameOverhead
	if !m.urgent() && c.queue.urgent > 0 {
		size = smallFrameSize - frameOverhead
	}
	return turn{message: m, number: m.number, size: size}, true
}

// nextFrame makes the next frame of a message.
func (c *Conn) nextFrame(out, content []byte, t turn) (frame []byte, counted int, last bool, err error) {
	n, last, err := t.message.fill(content)
	if err != nil {
		return out, 0, false, fmt.Errorf("%w: %w", errStream, err)
	}
	flags := t.message.flags
	if !last {
		flags |= flagMore
	}
	out, counted, err = c.encoder.encode(out, t.number, flags, content[:n])
	return out, counted, last, err
}

// afterTurn puts a message back of which there is more, or lets go of it.
func (c *Conn) afterTurn(t turn, counted int, last bool, err error) {
	if c.counters != nil && last && err == nil {
		c.counters.MessagesOut.Add(1)
	}
	if t.message != nil && c.putBack(t.message, counted, last, err) {
		t.message.close()
	}
	if err != nil {
		c.writeFailed(err)
	}
}

// writeFailed ends the connection, unless it has ended: then a closing handshake goes on, after whose
// frame nothing can be written, and the peer's answer to it is to be waited for.
func (c *Conn) writeFailed(err error) {
	if !c.hasEnded() {
		c.abort(err)
	}
}

// putBack has the message wait for its next turn, or for an acknowledgement. It tells
// whether the message is over.
func (c *Conn) putBack(m *outgoing, counted int, last bool, err error) (over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.sent += uint64(counted)
	key := messageKey{m.number, m.answer()}
	if last || err != nil || c.cause != nil {
		delete(c.sending, key)
		c.wait(-m.waiting)
		c.buffered.Add(-int64(m.charged))
		if m.answer() {
			c.open--
			c.relieve()
		}
		return true
	}
	before := m.waiting
	m.waiting = m.memory()
	c.wait(m.waiting - before)
	c.sending = put(c.sending, key, m)
	if m.unacked() >= maxUnacked {
		m.paused = true
	} else {
		c.queue.push(m)
	}
	return false
}

// acknowledged notes what the peer says has arrived. What it says of messages that are not
// being sent is ignored (blip.md 2.6).
func (c *Conn) acknowledged(key messageKey, total uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.sending[key]
	if m == nil || total <= m.acked {
		return
	}
	m.acked = min(total, math.MaxInt64) // beyond what was sent: the peer's own loss
	if m.paused && m.unacked() < maxUnacked {
		m.paused = false
		c.queue.push(m)
		c.kick()
	}
}

// acknowledge queues an acknowledgement.
func (c *Conn) acknowledge(a ack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.acks = append(c.acks, a)
		c.kick()
	}
}

// enqueue adds a message to those that are sent.
func (c *Conn) enqueue(m *outgoing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return c.cause
	}
	c.queue.push(m)
	c.wait(m.waiting)
	c.relieve() // an answer takes the place of its request
	c.kick()
	return nil
}

// wait counts what waits to be sent, and wakes those who wait for room. c.mu is held.
func (c *Conn) wait(n int) {
	c.queued += n
	if c.queued < c.limits.Queue && c.roomAgain != nil {
		close(c.roomAgain)
		c.roomAgain = nil
	}
}

// room waits until not too much is queued.
func (c *Conn) room(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.mu.Lock()
		if c.cause != nil || c.queued < c.limits.Queue {
			err := c.cause
			c.mu.Unlock()
			return err
		}
		if c.roomAgain == nil {
			c.roomAgain = make(chan struct{})
		}
		again := c.roomAgain
		c.mu.Unlock()
		select {
		case <-again:
		case <-c.ended:
		case <-ctx.Done():
		}
	}
}

// put makes the map when it is needed first.
func put[K comparable, V any](m map[K]V, k K, v V) map[K]V {
	if m == nil {
		m = make(map[K]V)
	}
	m[k] = v
	return m
}
