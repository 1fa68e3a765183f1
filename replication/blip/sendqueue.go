package blip

import "slices"

// sendQueue has the messages that take turns: the head sends a frame and goes to the tail
// (blip.md 2.7). Urgent ones go ahead of the rest, with one of the rest between two of them,
// so that neither starves.
type sendQueue struct {
	messages []*outgoing
	urgent   int // how many are
}

func (q *sendQueue) push(m *outgoing) {
	at := len(q.messages)
	if m.urgent() {
		at = q.urgentPlace(m)
		q.urgent++
	}
	q.messages = slices.Insert(q.messages, at, m)
}

// urgentPlace finds where an urgent message goes: behind the last urgent one and one more.
// But what was never started does not overtake what was not either.
func (q *sendQueue) urgentPlace(m *outgoing) int {
	for i, other := range slices.Backward(q.messages) {
		switch {
		case other.urgent():
			return min(i+2, len(q.messages))
		case !m.started && !other.started:
			return i + 1
		}
	}
	return min(1, len(q.messages))
}

func (q *sendQueue) pop() *outgoing {
	if len(q.messages) == 0 {
		return nil
	}
	m := q.messages[0]
	q.messages[0] = nil
	q.messages = q.messages[1:]
	if len(q.messages) == 0 {
		q.messages = nil // an idle connection keeps nothing
	}
	if m.urgent() {
		q.urgent--
	}
	return m
}

// remove takes a message out, and tells whether it was there.
func (q *sendQueue) remove(m *outgoing) bool {
	i := slices.Index(q.messages, m)
	if i < 0 {
		return false
	}
	q.messages = slices.Delete(q.messages, i, i+1)
	if m.urgent() {
		q.urgent--
	}
	return true
}
