package blip

import "strconv"

// Reply answers the request. Only the first answer is sent, and none to a request that
// wants none. It does not wait.
func (r *Request) Reply(m *Message) { r.answer(m, typeAnswer) }

// Refuse answers the request with an error.
func (r *Request) Refuse(domain string, code int, text string) {
	r.answer(&Message{
		Properties: Properties{{"Error-Domain", domain}, {"Error-Code", strconv.Itoa(code)}},
		Body:       []byte(text),
	}, typeError)
}

// noHandler is what Couchbase Lite looks for when a server does not know a request (blip.md 2.8).
func noHandler(r *Request) { r.Refuse("BLIP", 404, "No handler for BLIP request") }

func (r *Request) answer(m *Message, flags byte) {
	if r.NoReply || r.answered.Swap(true) {
		closeStream(m.Stream)
		return
	}
	if r.Urgent {
		flags |= flagUrgent
	}
	o, err := newOutgoing(m, flags)
	if err != nil {
		// Not what the peer is waiting for, but an answer: it may wait for ever else.
		o, _ = newOutgoing(&Message{
			Properties: Properties{{"Error-Domain", "HTTP"}, {"Error-Code", "500"}},
			Body:       []byte("The answer cannot be sent"),
		}, flags&^typeMask|typeError)
	}
	o.number = r.number
	r.conn.reply(r, o)
}

// reply queues an answer. It counts as long as it waits to be sent, in place of the request:
// a peer that asks and never reads must not fill memory (blip.md 7).
func (c *Conn) reply(r *Request, o *outgoing) {
	o.charged = o.memory()
	err := c.charge(o.charged - r.charged)
	r.charged = 0
	if err == nil {
		err = c.enqueue(o)
	}
	if err != nil {
		o.close()
		c.fail(err)
	}
}

// closed counts back a request that gets no answer.
func (c *Conn) closed(r *Request) {
	c.buffered.Add(-int64(r.charged))
	c.mu.Lock()
	c.open--
	c.mu.Unlock()
}
