package blip

import (
	"errors"
	"io"
)

// messageCost is what a message is counted as besides its bytes.
const messageCost = 512

// maxUnacked is how far a message may be ahead of what was acknowledged (blip.md 2.6).
const maxUnacked = 128_000

// outgoing is a message that is sent, one frame after the other.
type outgoing struct {
	flags  byte   // type and attributes
	number uint64 // 0: a request of which nothing was sent yet
	head   []byte // what is left of length and properties
	body   []byte // what is left of the body that is in memory
	stream io.ReadCloser
	peeked []byte // at most one byte of stream, read to see whether there is more

	started     bool
	paused      bool   // waits for an acknowledgement, and is in no queue
	sent, acked uint64 // bytes that count for flow control
	waiting     int    // what it counts in Conn.queued
	charged     int    // what it counts in Conn.buffered, until it was sent: answers
	call        *call  // who waits for the answer to a request
}

// newOutgoing prepares a message. On an error its stream is closed.
func newOutgoing(m *Message, flags byte) (*outgoing, error) {
	head, err := m.Properties.encode()
	if err != nil {
		closeStream(m.Stream)
		return nil, err
	}
	if m.Compressed {
		flags |= flagCompressed
	}
	if m.Urgent {
		flags |= flagUrgent
	}
	o := &outgoing{flags: flags, head: head, body: m.Body, stream: m.Stream}
	o.waiting = o.memory()
	return o, nil
}

func (o *outgoing) urgent() bool { return o.flags&flagUrgent != 0 }

func (o *outgoing) answer() bool { return o.flags&typeMask != typeRequest }

// unacked is how far the message is ahead of the peer.
func (o *outgoing) unacked() int64 { return int64(o.sent) - int64(o.acked) }

// memory is what the unsent part counts as.
func (o *outgoing) memory() int { return len(o.head) + len(o.body) + messageCost }

// fill puts what comes next into b, and tells whether it is the last.
func (o *outgoing) fill(b []byte) (n int, last bool, err error) {
	n = copy(b, o.head)
	o.head = o.head[n:]
	k := copy(b[n:], o.body)
	o.body = o.body[k:]
	n += k
	if len(o.head)+len(o.body) > 0 {
		return n, false, nil
	}
	o.body = nil // it may be large
	if o.stream == nil {
		return n, true, nil
	}
	k = copy(b[n:], o.peeked)
	o.peeked = o.peeked[k:]
	n += k
	k, err = io.ReadFull(o.stream, b[n:])
	n += k
	if err == nil && len(o.peeked) == 0 {
		// One byte more, so that the last frame knows that it is: it would be empty else.
		var one [1]byte
		k, err = io.ReadFull(o.stream, one[:])
		o.peeked = append(o.peeked[:0], one[:k]...)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, true, nil
	}
	return n, false, err
}

// close closes the stream, if there is one: once.
func (o *outgoing) close() {
	closeStream(o.stream)
	o.stream = nil
}

func closeStream(s io.Closer) {
	if s != nil {
		_ = s.Close() // it was only read
	}
}
