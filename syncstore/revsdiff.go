package syncstore

import (
	"context"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// RevsOffer names revisions of a document that a peer has.
type RevsOffer struct {
	ID   string
	Revs []Rev
}

// RevsMissing answers one RevsOffer, in its place.
type RevsMissing struct {
	ID string
	// Missing are the revisions that are not here, in the order of the offer.
	Missing []Rev
	// PossibleAncestors are leaves of lower generation than some missing revision.
	PossibleAncestors []Rev
}

// RevsDiff returns which of the revisions that a peer offers are not here. IDs that
// cannot name a document are answered as missing in whole, and so are documents that the
// viewer may not see; nil sees everything.
func (c *Collection) RevsDiff(ctx context.Context, viewer *Viewer, offered []RevsOffer) ([]RevsMissing, error) {
	answers := make([]RevsMissing, len(offered))
	err := c.store.engine.View(ctx, func(r engine.Reader) error {
		sight, err := c.sightIn(r, viewer)
		if err != nil {
			return err
		}
		for i := range offered {
			if err := ctx.Err(); err != nil {
				return err
			}
			answers[i] = RevsMissing{ID: offered[i].ID}
			// One after the other: heads have the winners' bodies, and of many documents these are
			// more than there is memory for.
			records, err := r.GetMany([][]byte{c.scope.head(offered[i].ID), c.scope.tree(offered[i].ID)})
			if err != nil {
				return fmt.Errorf("reading ancestries: %w", err)
			}
			if err := answers[i].diff(sight, offered[i].Revs, records[0], records[1]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

func (m *RevsMissing) diff(sight *sight, revs []Rev, headRecord, treeRecord []byte) error {
	if headRecord == nil {
		m.Missing = revs
		return nil
	}
	h, err := decodeHead(headRecord)
	if err != nil {
		return err
	}
	if !sight.document(h) {
		m.Missing = revs
		return nil
	}
	t := soleLeafTree(h.winner().Rev)
	if treeRecord != nil {
		if t, err = decodeTree(treeRecord); err != nil {
			return err
		}
	}
	var highest uint64
	for _, rev := range revs {
		if t.find(rev) < 0 {
			m.Missing = append(m.Missing, rev)
			highest = max(highest, rev.Gen)
		}
	}
	for i := range h.Leaves {
		if h.Leaves[i].Rev.Gen < highest && sight.leaf(&h.Leaves[i]) {
			m.PossibleAncestors = append(m.PossibleAncestors, h.Leaves[i].Rev)
		}
	}
	return nil
}
