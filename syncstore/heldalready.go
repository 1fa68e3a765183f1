package syncstore

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// fewGrants is how many grants of a document are looked up before they are made.
const fewGrants = 8

// beginGrants makes grants. Who has the same by another source already has nothing new, and what is known of
// their access stays good: where each of a user's documents gives the user one channel, each would have all
// those grants read again.
func (p *preparation) beginGrants(changes *grantChanges, begun []granted) error {
	s := p.collection.scope
	if len(begun) > fewGrants {
		for _, g := range begun {
			changes.begin(s, g)
		}
		return nil
	}
	if len(begun) == 0 {
		return nil
	}
	err := p.collection.store.engine.View(p.ctx, func(r engine.Reader) error {
		for _, g := range begun {
			already, err := s.heldAlready(r, g)
			if err != nil {
				return err
			}
			if !already {
				changes.begin(s, g)
				continue
			}
			changes.add(s, g)
			// Whoever ends the other grant moves the access of its principal: then this is looked at again.
			p.set.reads = append(slices.Clip(p.set.reads), s.access(g.principal))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for grants: %w", err)
	}
	return nil
}

// heldAlready reports whether a principal has what is granted by another source too, whoever asks: what a token
// gave does not count for all.
func (s scope) heldAlready(r engine.Reader, g granted) (bool, error) {
	key := binary.BigEndian.AppendUint32(s.grants(kindGrant, g.principal), g.in)
	scan := engine.PrefixRange(appendTerminated(key, g.name))
	scan.KeysOnly, scan.Limit = true, 3 // that of a token, and of the document itself
	pairs, failed := r.Scan(scan)
	for key := range pairs {
		other, _, err := parseGrant(key)
		if err != nil {
			return false, err
		}
		if other.source != g.source && other.source != givenBy(GrantedByToken) {
			return true, nil
		}
	}
	return false, failed()
}
