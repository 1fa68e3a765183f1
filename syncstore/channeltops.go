package syncstore

import "sync"

// maxTops is how many channels of a database have their newest sequence in memory.
const maxTops = 1 << 17

// channelTops are the sequence of the newest row of each channel that was written lately, so that
// a feed of a thousand channels opens iterators only for those that have something new
// (DECISIONS 38). Of what it does not know, it knows that it is not newer than floor.
type channelTops struct {
	// mu is read-locked by feeds, which are thousands at once where a role changes.
	mu    sync.RWMutex
	floor uint64
	rows  map[channelKey]uint64
}

// channelKey is a channel of a collection.
type channelKey struct {
	collection uint32
	name       string
}

// reset forgets everything; what is there is not newer than floor.
func (n *channelTops) reset(floor uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.floor, n.rows = floor, make(map[channelKey]uint64)
}

// note takes up the rows of a change that is about to be visible. That rows go for good counts as
// one: a snapshot of its sequence shows that they are gone.
func (n *channelTops) note(set *changeSet) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, names := range [][]string{set.channels, set.left, set.gone} {
		for _, name := range names {
			n.rows[channelKey{set.collection, name}] = set.seq
		}
	}
	if len(n.rows) <= maxTops {
		return
	}
	drop := len(n.rows) / 2
	for key, seq := range n.rows { // in no order
		if drop--; drop < 0 {
			return
		}
		n.floor = max(n.floor, seq)
		delete(n.rows, key)
	}
}

// mayHave reports whether a channel may have rows from a sequence on.
func (n *channelTops) mayHave(collection uint32, channel string, from uint64) bool {
	if channel == AllChannel {
		return true
	}
	return n.top(channelKey{collection, channel}) >= from
}

// having calls fn with those of the channels that somebody holds that may have rows from a sequence
// on, and since when they are held.
func (n *channelTops) having(collection uint32, channels *channelSet, from uint64, fn func(name string, since uint64)) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	channels.each(func(name string, since uint64) {
		if name == AllChannel || max(since, from) <= max(n.floor, n.rows[channelKey{collection, name}]) {
			fn(name, since)
		}
	})
}

// top is not lower than the sequence of the newest row of a channel.
func (n *channelTops) top(channel channelKey) uint64 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return max(n.floor, n.rows[channel])
}
