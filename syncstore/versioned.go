package syncstore

import (
	"fmt"
	"slices"
)

// standing is how a version of a peer stands to a document.
type standing int

const (
	conflicting standing = iota
	covered              // it is here, or what is here was made with it in sight
	covering             // it was made with the document's current version in sight
)

// standing compares a version of Couchbase Lite 4 with the document (DECISIONS 23,
// reference/blip.md 5.5). legacy are the tree IDs that the peer names as ancestors. An encoded
// tree ID that is not the winner's may also be known by the tree.
func (h *head) standing(incoming Vector, legacy []Rev) standing {
	winner := h.winner().Rev
	encoded := VersionOfRev(winner)
	current := h.Vector.Current
	if current.IsZero() {
		current = encoded
	}
	switch {
	case incoming.Current == encoded, h.Vector.Covers(incoming.Current):
		return covered
	case h.Vector.time(incoming.Current.Source) >= incoming.Current.Time:
		return conflicting // an encoded tree ID, of another branch
	case incoming.Covers(current), incoming.Covers(encoded), slices.Contains(legacy, winner):
		return covering
	case incoming.mergedTheSame(h.Vector):
		return covering // both resolved the same conflict
	case h.winner().Deleted && len(legacy) == 0 && incoming.alone() && h.Vector.time(incoming.Current.Source) == 0:
		// A document that is made anew, by a device that never had the one that was deleted,
		// nor hears of the deletion: a first pull leaves tombstones out (activeOnly). Its edits
		// of a document that it knew say so: by a previous version, or by its source in ours.
		return covering
	default:
		return conflicting
	}
}

// prepareVersioned takes in a write of Couchbase Lite 4: a version vector, instead of a name
// in the tree. The revision gets one here, so that other clients see a child of the winner.
func (p *preparation) prepareVersioned() (*changeSet, Rev, error) {
	if err := p.edit.Vector.check(); err != nil {
		return nil, Rev{}, err
	}
	for _, rev := range p.edit.History {
		if err := rev.check(); err != nil {
			return nil, Rev{}, err
		}
	}
	var parent *leaf
	if h := p.state.head; h != nil {
		parent = h.winner()
		switch stands, err := p.standing(); {
		case err != nil:
			return nil, Rev{}, err
		case stands == covered:
			return nil, parent.Rev, nil
		case stands == conflicting:
			return nil, Rev{}, ErrConflict
		}
	}
	if err := p.checkAhead(); err != nil {
		return nil, Rev{}, err
	}
	ancestors, err := p.ancestors()
	if err != nil {
		return nil, Rev{}, err
	}
	return p.prepareChild(ancestors, parent)
}

func (p *preparation) standing() (standing, error) {
	stands := p.state.head.standing(p.edit.Vector, p.edit.History)
	if stands == covered || p.edit.Vector.Current.Source != treeSource {
		return stands, nil
	}
	if err := p.loadTree(); err != nil {
		return conflicting, err
	}
	if p.tree.encodes(p.edit.Vector.Current) {
		return covered, nil
	}
	return stands, nil
}

// encodes reports whether a version is that of a revision in the tree.
func (t *tree) encodes(v Version) bool {
	for i := range t.nodes {
		if t.nodes[i].gen == v.Time>>treeBits && VersionOfRev(t.rev(i)) == v {
			return true
		}
	}
	return false
}

// checkAhead refuses versions from the future that are news here (DECISIONS 24).
func (p *preparation) checkAhead() error {
	var ours Vector
	if p.state.head != nil {
		ours = p.state.head.Vector
	}
	for version := range p.edit.Vector.all() {
		if !ours.Covers(version) && p.collection.db.clock.ahead(version) {
			return fmt.Errorf("%w: %s", ErrClockAhead, version)
		}
	}
	return nil
}

// ancestors are those of the revision to be made, newest first: the winner, and of the tree
// IDs that the client named those that follow it here or came before it.
func (p *preparation) ancestors() ([]Rev, error) {
	legacy, h := p.edit.History, p.state.head
	if h == nil {
		return consecutive(legacy), nil
	}
	winner := h.winner().Rev
	first := slices.Index(legacy, winner)
	if first < 0 {
		return []Rev{winner}, nil
	}
	if err := p.loadTree(); err != nil {
		return nil, err
	}
	for first > 0 && legacy[first-1].Gen == legacy[first].Gen+1 && p.tree.find(legacy[first-1]) < 0 {
		first--
	}
	return consecutive(legacy[first:]), nil
}

// consecutive returns revisions up to where the generations do not fall by one.
func consecutive(revs []Rev) []Rev {
	for i := range revs {
		if i > 0 && revs[i].Gen != revs[i-1].Gen-1 {
			return revs[:i]
		}
	}
	return revs
}
