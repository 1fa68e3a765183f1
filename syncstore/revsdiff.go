package syncstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
		done := 0
		for some := range slices.Chunk(offered, readsAtOnce) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := c.diff(r, sight, some, answers[done:]); err != nil {
				return err
			}
			done += len(some)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// diff answers some offers. A document that is damaged is missing in whole: a write of it says what is the
// matter, and the others are not to blame.
func (c *Collection) diff(r engine.Reader, sight *sight, offered []RevsOffer, answers []RevsMissing) error {
	keys := make([][]byte, 2*len(offered))
	for i := range offered {
		keys[2*i], keys[2*i+1] = c.scope.head(offered[i].ID), c.scope.tree(offered[i].ID)
	}
	records, err := r.GetMany(keys)
	if err != nil {
		return fmt.Errorf("reading ancestries: %w", err)
	}
	for i := range offered {
		answers[i].ID = offered[i].ID
		err := answers[i].diff(sight, offered[i].Revs, records[2*i], records[2*i+1])
		if errors.Is(err, ErrDamagedDocument) {
			answers[i], err = RevsMissing{ID: offered[i].ID, Missing: offered[i].Revs}, nil
		}
		if err != nil {
			return err
		}
	}
	return nil
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
