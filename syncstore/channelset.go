package syncstore

import (
	"maps"
	"slices"
)

// channelSet is what a user has, and had, of one collection's channels. It does not change.
type channelSet struct {
	// held are the channels that the user has, and since when.
	held map[string]uint64
	// past is when the user had which channel, of those that it did not have once and ever
	// since.
	past map[string]timeline
	// gained are the channels by the sequence since when they are held; lost are those that
	// were lost at a sequence, whether or not they came back.
	gained, lost map[uint64][]string
	// gains and losses are the sequences of gained and of lost, in order.
	gains, losses []uint64
}

// newChannelSet is what somebody has of a collection's own channels, and of those in all
// collections.
func newChannelSet(own, everywhere []channelTimes) *channelSet {
	c := &channelSet{held: make(map[string]uint64, len(own)+len(everywhere)+1)}
	c.add(PublicChannel, timeline{{1, forever}})
	for _, o := range own {
		times := o.times
		if more := named(everywhere, o.name); more != nil {
			times = merged(slices.Concat(times, more))
		}
		c.add(o.name, times)
	}
	for _, e := range everywhere {
		if named(own, e.name) == nil {
			c.add(e.name, e.times)
		}
	}
	return c.ordered()
}

// everyChannel is what somebody has who sees everything.
func everyChannel() *channelSet {
	c := &channelSet{held: map[string]uint64{}}
	c.add(AllChannel, always())
	return c.ordered()
}

// add takes up when a channel was had.
func (c *channelSet) add(name string, times timeline) {
	if _, known := c.held[name]; known || len(times) == 0 {
		return // everybody has the public channel
	}
	for _, i := range times {
		if i.to == forever {
			c.held[name] = i.from
			c.gained = noted(c.gained, i.from, name)
		} else {
			c.lost = noted(c.lost, i.to, name)
		}
	}
	if len(times) > 1 || !times.open() {
		if c.past == nil {
			c.past = map[string]timeline{}
		}
		c.past[name] = times
	}
}

func noted(at map[uint64][]string, seq uint64, name string) map[uint64][]string {
	if at == nil {
		at = map[uint64][]string{}
	}
	at[seq] = append(at[seq], name)
	return at
}

func (c *channelSet) ordered() *channelSet {
	c.gains, c.losses = slices.Sorted(maps.Keys(c.gained)), slices.Sorted(maps.Keys(c.lost))
	return c
}

// times is when a channel was had.
func (c *channelSet) times(name string) timeline {
	if t, ok := c.past[name]; ok {
		return t
	}
	if since, ok := c.held[name]; ok {
		return timeline{{since, forever}}
	}
	return nil
}

// only is what is left of c in a feed of some channels. With AllChannel among them it is c.
// Who has everything has every channel that is asked for.
func (c *channelSet) only(channels []string) *channelSet {
	if slices.Contains(channels, AllChannel) {
		return c
	}
	o := &channelSet{held: map[string]uint64{}}
	channels = slices.Clone(channels)
	slices.Sort(channels)
	for _, name := range slices.Compact(channels) {
		o.add(name, merged(slices.Concat(c.times(name), c.times(AllChannel))))
	}
	return o.ordered()
}

// since reports since when documents of a channel can be seen.
func (c *channelSet) since(channel string) (uint64, bool) {
	own, held := c.held[channel]
	all, everything := c.held[AllChannel]
	switch {
	case held && everything:
		return min(own, all), true
	case everything:
		return all, true
	}
	return own, held
}

// sees reports since when a document of these channels could be seen, if it can be.
func (c *channelSet) sees(channels []string) (since uint64, ok bool) {
	since, ok = c.held[AllChannel]
	for _, name := range channels {
		if from, held := c.held[name]; held && (!ok || from < since) {
			since, ok = from, true
		}
	}
	return since, ok
}

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
