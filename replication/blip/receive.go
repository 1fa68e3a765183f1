package blip

import (
	"errors"
	"fmt"
	"io"

	"github.com/coder/websocket"
)

var errNotPaused = fmt.Errorf("%w: the peer sends on without acknowledgement", ErrProtocol)

// messageKey names a message of one direction.
type messageKey struct {
	number uint64
	answer bool
}

// read reads until the WebSocket ends, and returns why. After the connection has ended what
// comes is thrown away, until the peer confirms the end.
func (c *Conn) read() error {
	for {
		kind, r, err := c.ws.Reader(c.reading)
		if err != nil {
			return err
		}
		in := frameBuffers.get()
		in.b, err = readAll(in.b, r)
		if err == nil && kind == websocket.MessageBinary && !c.hasEnded() {
			if err := c.receive(in.b); err != nil {
				c.fail(err)
			}
		}
		in.put()
		if err != nil {
			return err
		}
	}
}

// readAll is io.ReadAll into b.
func readAll(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// receive takes one frame.
func (c *Conn) receive(b []byte) error {
	if c.counters != nil {
		c.counters.BytesIn.Add(uint64(len(b)))
	}
	f, err := parseFrame(b)
	if err != nil {
		return err
	}
	switch f.kind() {
	case typeRequest, typeAnswer, typeError:
		return c.receivePart(&f)
	case typeAckRequest, typeAckAnswer:
		total, err := parseAck(&f)
		if err == nil {
			c.acknowledged(messageKey{f.number, f.kind() == typeAckAnswer}, total)
		}
		return err
	}
	return nil // of a type to come (blip.md 2.8)
}

// receivePart takes a frame that is part of a message.
func (c *Conn) receivePart(f *frame) error {
	m, err := c.incoming(f)
	if err != nil {
		return err
	}
	if err := c.decoder.decode(f, m.take); err != nil {
		return err
	}
	if err := m.arrived(len(f.payload)); err != nil {
		return err
	}
	if f.flags&flagMore == 0 {
		return c.complete(m)
	}
	switch total := m.due(); {
	case total == 0:
	case m.answer():
		c.acknowledge(ack{kind: typeAckAnswer, number: m.number, total: total})
	default:
		c.pace(m, total)
	}
	return nil
}

// incoming finds the message that a frame belongs to.
func (c *Conn) incoming(f *frame) (*incoming, error) {
	if f.kind() != typeRequest {
		return c.incomingAnswer(f)
	}
	if m := c.requests[f.number]; m != nil {
		return m, nil
	}
	if f.number != c.lastCame+1 {
		return nil, fmt.Errorf("%w: request number %d after %d", ErrProtocol, f.number, c.lastCame)
	}
	c.lastCame++
	if err := c.opened(); err != nil {
		return nil, err
	}
	m := &incoming{conn: c, number: f.number, flags: f.flags}
	c.requests = put(c.requests, f.number, m)
	return m, m.charge(messageCost)
}

func (c *Conn) incomingAnswer(f *frame) (*incoming, error) {
	c.mu.Lock()
	call := c.calls[f.number]
	c.mu.Unlock()
	switch {
	case call == nil:
		return nil, fmt.Errorf("%w: an answer to what was not asked", ErrProtocol)
	case call.in == nil:
		call.in = &incoming{conn: c, number: f.number, flags: f.flags, call: call}
		return call.in, call.in.charge(messageCost)
	case (call.in.flags^f.flags)&typeMask != 0:
		return nil, fmt.Errorf("%w: an answer that becomes an error", ErrProtocol)
	}
	return call.in, nil
}

// opened counts a request that begins.
func (c *Conn) opened() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
	if c.open > c.limits.Open {
		return fmt.Errorf("%w: more than %d requests at once", ErrLimit, c.limits.Open)
	}
	return nil
}

// complete hands a message on.
func (c *Conn) complete(m *incoming) error {
	if !m.known {
		return fmt.Errorf("%w: a message that ends within its properties", ErrProtocol)
	}
	if c.counters != nil {
		c.counters.MessagesIn.Add(1)
	}
	if m.answer() {
		c.mu.Lock()
		_, waits := c.calls[m.number] // else the connection's end has answered it
		delete(c.calls, m.number)
		c.mu.Unlock()
		m.release()
		c.freed()
		if waits {
			m.call.answered(m)
		}
		return nil
	}
	delete(c.requests, m.number)
	c.incomplete.Add(-int64(m.charged))
	defer c.whole(m.number)
	r := &Request{
		Properties: m.properties,
		Body:       m.body.join(),
		Compressed: m.flags&flagCompressed != 0,
		Urgent:     m.flags&flagUrgent != 0,
		NoReply:    m.flags&flagNoReply != 0,
		TooLarge:   m.skipped,
		conn:       c,
		number:     m.number,
		charged:    m.charged,
	}
	c.handle(r)
	if r.NoReply {
		c.closed(r)
	}
	return nil
}

// charge counts memory that messages take.
func (c *Conn) charge(n int) error {
	if c.buffered.Add(int64(n)) > int64(c.limits.Buffered) {
		return fmt.Errorf("%w: more than %d bytes of messages are in memory", ErrLimit, c.limits.Buffered)
	}
	return nil
}
