package blip

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
)

// call is a request that waits for its answer.
type call struct {
	done func(*Response, error) // called once
	to   *answerStream          // where the body goes, nil for memory
	in   *incoming              // the answer, as far as it came; only the goroutine that reads uses it
	gone atomic.Bool            // nobody waits any more: the answer is thrown away
}

// answered ends the call with the message that came.
func (c *call) answered(m *incoming) {
	if m.flags&typeMask == typeError {
		c.done(nil, newPeerError(m.properties, m.body.join()))
		return
	}
	c.done(&Response{Properties: m.properties, Body: m.body.join()}, nil)
}

// newPeerError reads an error answer (blip.md 2.8).
func newPeerError(p Properties, body []byte) *PeerError {
	e := &PeerError{Domain: "BLIP", Text: string(body)}
	if domain, ok := p.Get("Error-Domain"); ok {
		e.Domain = domain
	}
	if code, err := strconv.Atoi(p.Value("Error-Code")); err == nil {
		e.Code = code
	}
	return e
}

// Error implements error. The text is left out: it may say what only some may read.
func (e *PeerError) Error() string {
	return fmt.Sprintf("the peer refuses it: %.32q %d", e.Domain, e.Code)
}

type outcome struct {
	response *Response
	err      error
}

// Call sends a request and waits for the answer. A refusal is a *PeerError.
func (c *Conn) Call(ctx context.Context, m *Message) (*Response, error) {
	came := make(chan outcome, 1)
	call := &call{done: func(r *Response, err error) { came <- outcome{r, err} }}
	o, err := c.request(ctx, m, call)
	if err != nil {
		return nil, err
	}
	select {
	case out := <-came:
		return out.response, out.err
	case <-ctx.Done():
		c.abandon(o)
		return nil, ctx.Err()
	}
}

// CallTo is Call with the body of the answer written to w as it comes. The peer is slowed
// down to what w takes. An error of w ends the call and is returned; the rest of the answer
// is read and thrown away.
func (c *Conn) CallTo(ctx context.Context, m *Message, w io.Writer) (*Response, error) {
	to := newAnswerStream(c)
	call := &call{done: to.finish, to: to}
	o, err := c.request(ctx, m, call)
	if err != nil {
		return nil, err
	}
	response, err := to.copyTo(ctx, w)
	if !to.over() {
		c.abandon(o)
	}
	to.discard()
	return response, err
}

// Start sends a request and returns. done is called once, on the goroutine that reads (or
// the one that ends the connection), with the answer or why there is none: it must not
// block. Start itself waits while too much is queued, so that it must not be called on the
// goroutine that reads. It is not called if Start returns an error.
func (c *Conn) Start(ctx context.Context, m *Message, done func(*Response, error)) error {
	_, err := c.request(ctx, m, &call{done: done})
	return err
}

// Send queues a request that wants no answer (it sets NoReply). It waits while too much is
// queued. An error means that the connection has ended, or ctx.
func (c *Conn) Send(ctx context.Context, m *Message) error {
	_, err := c.request(ctx, m, nil)
	return err
}

// request queues a request, once there is room. On an error the stream of m was closed.
func (c *Conn) request(ctx context.Context, m *Message, call *call) (*outgoing, error) {
	flags := byte(typeRequest)
	if call == nil {
		flags |= flagNoReply
	}
	o, err := newOutgoing(m, flags)
	if err != nil {
		return nil, err
	}
	o.call = call
	if err := c.room(ctx); err != nil {
		o.close()
		return nil, err
	}
	if err := c.enqueue(o); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// abandon gives up a call: it is taken back if nothing of it was sent; else it goes on, as
// half a message cannot be taken back, and its answer is thrown away.
func (c *Conn) abandon(o *outgoing) {
	o.call.gone.Store(true)
	c.mu.Lock()
	removed := !o.started && c.queue.remove(o)
	if removed {
		c.wait(-o.waiting)
	}
	c.mu.Unlock()
	if removed {
		o.close()
	}
}
