package syncstore

// loss is why and since when a document cannot be seen any more.
type loss struct {
	// at is the sequence of the last loss.
	at uint64
	// had is the sequence at which the document could be seen first.
	had uint64
	// revoked: a channel was lost, by which the document could be seen, whether or not it left
	// the channel before that.
	revoked bool
	// left are the channels that the document left at that sequence, if not revoked.
	left []string
}

// lostBy tells how a document was lost, by when it was in which channels; ok is false if it
// never could be seen. Ways by which it can be seen still do not count.
func (c *channelSet) lostBy(h *head) (l loss, ok bool) {
	for _, s := range h.Spans {
		in := interval{s.From, s.To}
		if in.to == 0 {
			in.to = forever
		}
		for _, times := range c.times(s.Channel) {
			ok = l.consider(s.Channel, in, times) || ok
		}
	}
	for _, times := range c.times(AllChannel) {
		ok = l.consider(AllChannel, interval{h.Created, forever}, times) || ok
	}
	return l, ok
}

// consider takes up that a document was in a channel that was held for a time. It reports
// false if the two do not meet.
func (l *loss) consider(channel string, in, held interval) bool {
	from := max(in.from, held.from)
	if from >= min(in.to, held.to) {
		return false
	}
	if l.had == 0 || from < l.had {
		l.had = from
	}
	at, revoked := held.to, true
	if at == forever {
		at, revoked = in.to, false
	}
	if at == forever || at < l.at {
		return true
	}
	if at > l.at {
		l.at, l.revoked, l.left = at, false, nil
	}
	if revoked {
		l.revoked = true
	} else {
		l.left = append(l.left, channel)
	}
	return true
}
