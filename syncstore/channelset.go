package syncstore

import (
	"maps"
	"slices"
)

// maxLayers is how many layers a channelSet has at most: each is one look-up more.
const maxLayers = 4

// channelSet is what a user has, and had, of one collection's channels. It does not change.
type channelSet struct {
	// layers, if there are any, are all that it consists of: sets that have no channel in common. So
	// what a role gives is kept once for all its members.
	layers []*channelSet
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
// collections. The public channel is in it if public is set.
func newChannelSet(own, everywhere []channelTimes, public bool) *channelSet {
	c := &channelSet{held: make(map[string]uint64, len(own)+len(everywhere)+1)}
	if public {
		c.add(PublicChannel, timeline{{1, forever}})
	}
	for _, o := range own {
		times := o.times
		if more := named(everywhere, o.name); more != nil {
			times = merged(slices.Concat(times, more))
		}
		c.addGranted(o.name, times)
	}
	for _, e := range everywhere {
		if named(own, e.name) == nil {
			c.addGranted(e.name, e.times)
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

// addGranted takes up when a channel was had by grants.
func (c *channelSet) addGranted(name string, times timeline) {
	if name != PublicChannel { // everybody has that
		c.add(name, times)
	}
}

// add takes up when a channel was had.
func (c *channelSet) add(name string, times timeline) {
	for _, i := range times {
		if i.to == forever {
			c.held[name] = i.from
			c.gained = noted(c.gained, i.from, name)
		} else {
			c.lost = noted(c.lost, i.to, name)
		}
	}
	if len(times) > 1 || len(times) == 1 && !times.open() {
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

// parts are the layers; a set without layers is its own.
func (c *channelSet) parts() []*channelSet {
	if c.layers != nil {
		return c.layers
	}
	return []*channelSet{c}
}

// joined returns a set of layers, nil if they are too many or have a channel in common.
func joined(layers []*channelSet) *channelSet {
	switch {
	case len(layers) == 1:
		return layers[0]
	case len(layers) > maxLayers:
		return nil
	}
	for i, c := range layers {
		if slices.ContainsFunc(layers[:i], c.meets) {
			return nil
		}
	}
	return &channelSet{layers: layers}
}

// meets reports whether two sets without layers have, or had, a channel in common.
func (c *channelSet) meets(o *channelSet) bool {
	if len(c.held)+len(c.past) > len(o.held)+len(o.past) {
		c, o = o, c
	}
	for name := range c.held {
		if o.times(name) != nil {
			return true
		}
	}
	for name := range c.past {
		if o.times(name) != nil {
			return true
		}
	}
	return false
}

// heldSince reports since when a channel is held by its own name.
func (c *channelSet) heldSince(name string) (uint64, bool) {
	for _, layer := range c.layers {
		if since, ok := layer.held[name]; ok {
			return since, true
		}
	}
	since, ok := c.held[name]
	return since, ok
}

// everything reports whether all documents of the collection can be seen.
func (c *channelSet) everything() bool {
	_, all := c.heldSince(AllChannel)
	return all
}

// each calls fn with the channels that are held, in no order.
func (c *channelSet) each(fn func(name string, since uint64)) {
	for _, layer := range c.layers {
		for name, since := range layer.held {
			fn(name, since)
		}
	}
	for name, since := range c.held {
		fn(name, since)
	}
}

// beside calls fn with the channels that are held and that o, if not nil, does not hold.
func (c *channelSet) beside(o *channelSet, fn func(name string)) {
	for _, part := range c.parts() {
		if o != nil && (part == o || slices.Contains(o.layers, part)) {
			continue
		}
		for name := range part.held {
			if o != nil {
				if _, too := o.heldSince(name); too {
					continue
				}
			}
			fn(name)
		}
	}
}

// gainedAt are the channels that are held since a sequence.
func (c *channelSet) gainedAt(seq uint64) []string {
	names := c.gained[seq]
	for _, layer := range c.layers {
		names = both(names, layer.gained[seq])
	}
	return names
}

// lostAt are the channels that were lost at a sequence, whether or not they came back.
func (c *channelSet) lostAt(seq uint64) []string {
	names := c.lost[seq]
	for _, layer := range c.layers {
		names = both(names, layer.lost[seq])
	}
	return names
}

func both(names, more []string) []string {
	switch {
	case len(more) == 0:
		return names
	case len(names) == 0:
		return more
	default:
		return slices.Concat(names, more)
	}
}

// nextGain is the first sequence after another at which something was gained that is held, 0
// if there is none.
func (c *channelSet) nextGain(after uint64) uint64 {
	next := following(c.gains, after)
	for _, layer := range c.layers {
		next = earlier(next, following(layer.gains, after))
	}
	return next
}

// nextLoss is the first sequence after another at which something was lost, 0 if there is none.
func (c *channelSet) nextLoss(after uint64) uint64 {
	next := following(c.losses, after)
	for _, layer := range c.layers {
		next = earlier(next, following(layer.losses, after))
	}
	return next
}

func following(seqs []uint64, after uint64) uint64 {
	i, found := slices.BinarySearch(seqs, after)
	if found {
		i++
	}
	if i == len(seqs) {
		return 0
	}
	return seqs[i]
}

// earlier is the lower of two sequences, of which 0 is none.
func earlier(a, b uint64) uint64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// times is when a channel was had.
func (c *channelSet) times(name string) timeline {
	for _, layer := range c.layers {
		if t := layer.times(name); t != nil {
			return t
		}
	}
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
	own, held := c.heldSince(channel)
	all, everything := c.heldSince(AllChannel)
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
	since, ok = c.heldSince(AllChannel)
	for _, name := range channels {
		if from, held := c.heldSince(name); held && (!ok || from < since) {
			since, ok = from, true
		}
	}
	return since, ok
}
