package syncstore

import (
	"context"
	"errors"
	"math"
	"slices"
)

// rejudgeLarge puts a document where the policy says that it belongs whose way there no transaction takes: out of
// hundreds of channels with long names, say, into as many others. It goes in parts: out of what it is not to be in and what it
// is not to grant, since nobody may have it for longer by that, and then into the rest. ErrTooLarge says that
// the rest alone is too much: a write of the document would be refused for that.
func (c *Collection) rejudgeLarge(ctx context.Context, id string, state *resyncState) error {
	changed := false
	defer func() {
		if changed {
			c.noteMoved(state)
		}
	}()
	for part := wholeNarrowing(); ; {
		set, err := c.rejudgePart(ctx, id, state, part)
		switch {
		case errors.Is(err, errStale):
			part = wholeNarrowing() // somebody wrote it
		case errors.Is(err, ErrTooLarge) && part != nil && part.shrink(): // then with less
		case err != nil:
			return err
		case part == nil:
			changed = changed || set != nil
			return nil
		case set == nil: // it is in nothing any more that it is not to be in
			part = nil
		default:
			changed = true
		}
	}
}

// rejudgePart has one part of the way committed, nil: all that is left of it. The set is nil if there is nothing to do.
func (c *Collection) rejudgePart(ctx context.Context, id string, state *resyncState, part *narrowing) (*changeSet, error) {
	edits := []Edit{{ID: id}}
	docs, err := c.loadStates(ctx, edits, []int{0}, true, 0)
	if err != nil || docs[0].head == nil {
		return nil, err
	}
	p := preparation{ctx: ctx, collection: c, edit: &edits[0], options: &WriteOptions{}, state: docs[0]}
	set, refused, err := p.rejudge(part == nil && state.All, part)
	if err != nil {
		return nil, err
	}
	if set != nil {
		if err := set.checkSizes(); err != nil {
			return nil, err
		}
		c.store.committer.commitBackground(set)
		err = set.err
	}
	if err == nil && part == nil && refused != nil {
		c.noteRefused(id, refused, state)
	}
	return set, err
}

// narrowing takes a document out of channels that its policy does not put it into, and ends grants.
type narrowing struct {
	grants int // how many end, at most
	// silent: it is in no channel after that, and no row says that it left them. It is for a document that no
	// transaction takes with such a row in each: devices keep what they have of it, and the server gives it to none.
	silent bool
}

func wholeNarrowing() *narrowing { return &narrowing{grants: math.MaxInt} }

// shrink makes it write less, if that can be.
func (n *narrowing) shrink() bool {
	switch {
	case n.grants > 1:
		n.grants = max(1, min(n.grants, 1000)/4)
	case !n.silent:
		*n = narrowing{grants: math.MaxInt, silent: true}
	default:
		return false
	}
	return true
}

// of is what the policy says of a leaf, without what is new, and with some of the grants that it has in vain.
func (n *narrowing) of(l *leaf, o Outcome) Outcome {
	var kept Outcome
	for _, name := range l.Channels {
		if !n.silent && slices.Contains(o.Channels, name) {
			kept.Channels = append(kept.Channels, name)
		}
	}
	ended := 0
	for i := range l.Grants {
		grant := l.Grants[i].Grant
		if ended < n.grants && !slices.Contains(o.Grants, grant) {
			ended++
			continue
		}
		kept.Grants = append(kept.Grants, grant)
	}
	return kept
}

// forgetChannels takes the document out of its channels as if it had never been there.
func (p *preparation) forgetChannels(next *head) {
	s, old := p.collection.scope, p.state.head
	for _, name := range old.winner().Channels {
		p.set.delete(s.channel(name, old.Seq))
		p.set.gone = append(p.set.gone, name)
	}
	next.Spans = slices.DeleteFunc(next.Spans, func(in span) bool { return in.To == 0 })
}
