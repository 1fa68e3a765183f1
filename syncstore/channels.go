package syncstore

import "slices"

// writeChannels keeps each channel's index: one row a document in each channel that the
// winner is in, and a row that says so where it left.
func (p *preparation) writeChannels(next *head) {
	s := p.collection.scope
	var before []string
	p.set.channels = next.winner().Channels
	if old := p.state.head; old != nil {
		before = old.winner().Channels
		for _, name := range before {
			p.set.delete(s.channel(name, old.Seq))
		}
	}
	now := next.winner().Channels
	for _, name := range now {
		p.set.add(op{
			key: s.channel(name, 0), value: encodeRow(p.edit.ID, next, false, now),
			keySeq: prefixSize + len(appendTerminated(nil, name)), valueSeq: noSeq,
		})
		if !slices.Contains(before, name) {
			if left := lastLeft(next.Spans, name); left != 0 {
				p.set.delete(s.channel(name, left))
			}
			next.Spans = append(next.Spans, span{Channel: name})
		}
	}
	for _, name := range before {
		if slices.Contains(now, name) {
			continue
		}
		p.set.left = append(p.set.left, name)
		p.set.add(op{
			key: s.channel(name, 0), value: encodeRow(p.edit.ID, next, true, nil),
			keySeq: prefixSize + len(appendTerminated(nil, name)), valueSeq: noSeq,
		})
		for i := range next.Spans {
			if next.Spans[i].Channel == name && next.Spans[i].To == 0 {
				next.Spans[i].Ended = true
			}
		}
	}
	next.Spans = joinSpans(next.Spans, now)
}

// maxSpans is how often it is remembered when a document was in one channel.
const maxSpans = 16

// joinSpans joins the two oldest times in a channel that the document came into, if there are
// too many: each write stores them all. Who had the document in one of them is told still
// that it is gone.
func joinSpans(spans []span, channels []string) []span {
	for _, name := range channels {
		first, second, n := -1, -1, 0
		for i := range spans {
			if spans[i].Channel != name {
				continue
			}
			switch n++; n {
			case 1:
				first = i
			case 2:
				second = i
			}
		}
		if n > maxSpans {
			spans[first].To = spans[second].To
			spans = slices.Delete(spans, second, second+1)
		}
	}
	return spans
}

// lastLeft returns the sequence at which the document last left a channel, where the
// channel's index says so until it comes back; 0 if it never did.
func lastLeft(spans []span, name string) uint64 {
	for _, s := range slices.Backward(spans) {
		if s.Channel == name {
			return s.To
		}
	}
	return 0
}

// writeGrants keeps the index of what the document's winner grants, and a record of
// what it no longer does. A tombstone grants what the policy says of it: otherwise who has
// the document's channel by the document alone would not see that it was deleted.
func (p *preparation) writeGrants(next *head) error {
	s, winner := p.collection.scope, next.winner()
	var old []heldGrant
	if p.state.head != nil {
		old = p.state.head.winner().Grants
	}
	if len(old)+len(winner.Grants) == 0 {
		return nil // as a rule
	}
	before := make(map[Grant]uint64, len(old))
	for _, held := range old {
		before[held.Grant] = held.From
	}
	changes := newGrantChanges(p.set, p.collection.store.options.Now().Unix())
	winner.Grants = slices.Clone(winner.Grants)
	var begun []granted
	for i := range winner.Grants {
		held := &winner.Grants[i]
		held.From = before[held.Grant]
		if held.From == 0 {
			begun = append(begun, s.madeBy(p.edit.ID, held.Grant))
		}
		delete(before, held.Grant)
	}
	for grant, from := range before {
		changes.end(s, s.madeBy(p.edit.ID, grant), from)
	}
	return p.beginGrants(changes, begun)
}

// madeBy is a grant that a document makes, as the index has it.
func (s scope) madeBy(id string, g Grant) granted {
	in, name := s.where(g.Channel)
	return granted{principal: g.Principal, in: in, name: name, source: s.grantedBy(id)}
}
