package syncstore

import "fmt"

// replicated reports whether a peer made the revision, and named it.
func (e *Edit) replicated() bool { return len(e.History) > 0 && e.Vector.Current.IsZero() }

// prepareReplicated takes in a revision that a peer made, with its ancestry.
func (p *preparation) prepareReplicated() (*changeSet, Rev, error) {
	history := p.edit.History
	rev := history[0]
	if err := p.edit.checkHistory(); err != nil {
		return nil, rev, err
	}
	if p.state.head != nil && p.state.head.leaf(rev) != nil {
		return nil, rev, nil
	}
	history = history[:min(len(history), p.collection.store.options.Revisions)]
	var parent *leaf
	if p.state.head != nil {
		if err := p.loadTree(); err != nil {
			return nil, rev, err
		}
		if p.tree.find(rev) >= 0 {
			return nil, rev, nil
		}
		joins := Rev{}
		for _, ancestor := range history[1:] {
			if p.tree.find(ancestor) >= 0 {
				joins, parent = ancestor, p.state.head.leaf(ancestor)
				break
			}
		}
		if p.edit.NoConflicts && !p.straight(joins, parent) {
			return nil, rev, ErrConflict
		}
	}
	attachments, err := p.attachments(rev.Gen, parent)
	if err != nil {
		return nil, rev, err
	}
	set, err := p.finish(rev, history, parent, attachments)
	return set, rev, err
}

// straight reports whether a revision makes no conflict (reference/blip.md 3.10). joins is the
// newest of its ancestors that is known, zero if none is, and parent that one's leaf.
func (p *preparation) straight(joins Rev, parent *leaf) bool {
	winner := p.state.head.winner()
	switch {
	case joins.IsZero():
		return winner.Deleted // it comes back after a deletion
	case parent == nil:
		return false // it branches off the past
	case parent.Rev == winner.Rev:
		return true
	default:
		return p.edit.Deleted && !parent.Deleted // it ends a conflict
	}
}

// checkHistory looks at the names of the revision and its ancestors. Couchbase Lite leaves a gap
// before the last that it names, if it edited more often than its tree keeps.
func (e *Edit) checkHistory() error {
	for i, rev := range e.History {
		if err := rev.check(); err != nil {
			return err
		}
		switch {
		case i == 0 || rev.Gen == e.History[i-1].Gen-1:
		case !e.NoConflicts:
			return fmt.Errorf("%w: generations must fall by one", ErrBadHistory)
		case rev.Gen >= e.History[i-1].Gen:
			return fmt.Errorf("%w: generations must fall", ErrBadHistory)
		}
	}
	return nil
}

// advance gives the document the vector of its winner (DECISIONS 23): what changes the winner
// is a new version, which covers those before it.
func (p *preparation) advance(next *head, rev Rev) {
	old, wins := p.state.head, next.winner().Rev == rev
	if v := p.edit.Vector; !v.Current.IsZero() {
		// The version came with the write. If it deletes and another leaf surfaces, that is one
		// of ours on top of it.
		if next.Vector = v.Join(next.Vector); wins {
			return
		}
	} else if old != nil && next.winner().Rev == old.winner().Rev {
		return
	}
	if p.edit.EncodeVersion && p.edit.replicated() && wins {
		// A source's times must rise: after a deletion, a document may begin anew at 1.
		if encoded := VersionOfRev(rev); next.Vector.time(treeSource) < encoded.Time {
			next.Vector = next.Vector.Next(encoded)
			return
		}
	}
	next.Vector = next.Vector.Next(p.collection.db.clock.next(next.Vector))
}
