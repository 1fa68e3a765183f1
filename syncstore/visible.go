package syncstore

import (
	"context"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// sight is what a reader may see of a collection; nil: everything.
type sight struct {
	channels *channelSet
}

// sightNow returns what a viewer may see, as of the last commit or a later one. A document
// that was read before the call may be judged by it if it is found unchanged after the call.
func (c *Collection) sightNow(ctx context.Context, v *Viewer) (*sight, error) {
	if c.seesAll(v) {
		return nil, nil
	}
	if err := c.closedTo(v); err != nil {
		return nil, err
	}
	a, err := c.db.accessNow(ctx, *v)
	if err != nil {
		return nil, err
	}
	return &sight{a.in(c.scope.collection)}, nil
}

// sightIn returns what a viewer may see in a snapshot.
func (c *Collection) sightIn(r engine.Reader, v *Viewer) (*sight, error) {
	if c.seesAll(v) {
		return nil, nil
	}
	if err := c.closedTo(v); err != nil {
		return nil, err
	}
	counts, err := readCounters(r, c.scope)
	if err != nil {
		return nil, err
	}
	a, err := c.db.accessIn(r, &counts, *v)
	if err != nil {
		return nil, err
	}
	return &sight{a.in(c.scope.collection)}, nil
}

// leaf reports whether a revision may be seen.
func (s *sight) leaf(l *leaf) bool {
	if s == nil {
		return true
	}
	_, ok := s.channels.sees(l.Channels)
	return ok
}

// document reports whether a document may be seen: its winner, or another leaf.
func (s *sight) document(h *head) bool {
	for i := range h.Leaves {
		if s.leaf(&h.Leaves[i]) {
			return true
		}
	}
	return false
}

// lost reports whether a document could be seen once.
func (s *sight) lost(h *head) bool {
	_, ok := s.channels.lostBy(h)
	return ok
}

// SeesAll reports whether a viewer sees every document of the collection.
func (c *Collection) SeesAll(ctx context.Context, v *Viewer) (bool, error) {
	_, all, err := c.SeesAllSince(ctx, v)
	return all, err
}

// SeesAllSince reports whether a viewer sees every document of the collection, and since which
// sequence: 0 if it is ever since. What was there before is shown in the feed where that was given.
func (c *Collection) SeesAllSince(ctx context.Context, v *Viewer) (since uint64, all bool, err error) {
	s, err := c.sightNow(ctx, v)
	if err != nil || s == nil {
		return 0, err == nil, err
	}
	since, all = s.channels.heldSince(AllChannel)
	return since, all, nil
}
