package syncstore

import (
	"slices"
	"sync"
)

// grantsOf is what one principal was granted: channels, and when it had which role. It does not
// change, and is shared: by what a user has at different times, and by all members of a role.
type grantsOf struct {
	channels []channelTimes
	roles    []roleTimes // in order
	// public says that it is a user, who has the public channel.
	public bool
	sets   channelSets
}

// roleTimes is when somebody had a role.
type roleTimes struct {
	role  string
	times timeline
}

// in returns the channels of a collection, nil if there are none.
func (g *grantsOf) in(collection uint32) *channelSet {
	return g.sets.of(collection, func() *channelSet {
		own, everywhere := inCollection(g.channels, collection), inCollection(g.channels, inEverything)
		if len(own) == 0 && len(everywhere) == 0 && !g.public {
			return nil
		}
		return newChannelSet(own, everywhere, g.public)
	})
}

// mergedIn returns what several hold together in a collection.
func mergedIn(collection uint32, holdings []*grantsOf) *channelSet {
	var spans []channelSpan
	public := false
	for _, g := range holdings {
		public = public || g.public
		for _, channels := range [][]channelTimes{inCollection(g.channels, collection), inCollection(g.channels, inEverything)} {
			spans = appendSpans(spans, channels, always())
		}
	}
	all := timesOf(spans)
	return newChannelSet(inCollection(all, collection), inCollection(all, inEverything), public)
}

// appendSpans adds when channels were had, as far as that was within times.
func appendSpans(spans []channelSpan, channels []channelTimes, times timeline) []channelSpan {
	for _, c := range channels {
		for _, during := range c.times.and(times) {
			spans = append(spans, channelSpan{in: c.in, name: c.name, during: during})
		}
	}
	return spans
}

// channelSets keep what somebody has by collection, from when it was asked for first.
type channelSets struct {
	mu    sync.Mutex
	known []collectionSet
}

type collectionSet struct {
	collection uint32
	channels   *channelSet
}

// of returns the set of a collection, which find finds the first time.
func (s *channelSets) of(collection uint32, find func() *channelSet) *channelSet {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.known {
		if known.collection == collection {
			return known.channels
		}
	}
	channels := find()
	s.known = append(slices.Grow(s.known, 1), collectionSet{collection, channels})
	return channels
}
