package blip

import "slices"

// crowdedShare is which part of Limits.Buffered may be in memory before requests are held back. The rest
// is for what comes all the same: the oldest, and of each other 128,000 bytes, which inflate to ten times
// as much, or more.
const crowdedShare = 8

// pace acknowledges what has come of a request. Couchbase Lite sends ten revisions at once, however
// long they are, a frame of each in turn: while much is in memory, only the oldest is acknowledged, so
// that it pauses the others (blip.md 2.6), and that one only while not much of it waits for answers,
// which make room by themselves.
func (c *Conn) pace(m *incoming, total uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.unhold(m.number)
	c.passWhole()
	a := ack{kind: typeAckRequest, number: m.number, total: total}
	if !c.mayCome(m.number == c.oldest) {
		c.held = append(c.held, a)
		return
	}
	c.acks = append(c.acks, a)
	c.kick()
}

// passWhole moves oldest past requests that are whole. It looks at each once: of thousands that a peer leaves open, the
// first would else be looked for with each one that it ends. Only the goroutine that reads calls it. c.mu is held.
func (c *Conn) passWhole() {
	for c.oldest <= c.lastCame && c.requests[c.oldest] == nil {
		c.oldest++
	}
}

// mayCome tells whether there is room for more of a request: the oldest one, or any.
func (c *Conn) mayCome(oldest bool) bool {
	enough := int64(c.limits.Buffered / crowdedShare)
	buffered := c.buffered.Load()
	return buffered <= enough || oldest && buffered-c.incomplete.Load() <= enough
}

// whole is called when all of a request has come. Only the goroutine that reads calls it.
func (c *Conn) whole(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) > 0 {
		c.unhold(number)
		c.passWhole()
		c.relieve()
	}
}

// freed is called when there is less in memory.
func (c *Conn) freed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.relieve()
}

// relieve lets requests come that were held back, if there is room for them by now: all of them, or
// the oldest. c.mu is held.
func (c *Conn) relieve() {
	switch {
	case len(c.held) == 0:
		return
	case c.mayCome(false):
		c.acks, c.held = append(c.acks, c.held...), nil
	case c.mayCome(true):
		i := slices.IndexFunc(c.held, func(a ack) bool { return a.number == c.oldest })
		if i < 0 {
			return // it is not held back
		}
		c.acks = append(c.acks, c.held[i])
		c.unhold(c.oldest)
	}
	c.kick()
}

// unhold forgets what is held of a request. c.mu is held.
func (c *Conn) unhold(number uint64) {
	c.held = slices.DeleteFunc(c.held, func(a ack) bool { return a.number == number })
	if len(c.held) == 0 {
		c.held = nil // an idle connection keeps nothing
	}
}
