package syncstore

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// dropBody removes the body of a superseded revision, and the references to attachments
// that only this revision named.
func (s *Store) dropBody(ctx context.Context, db *Database, target []byte, set *changeSet) error {
	c, id, rev, err := db.parseBodyKey(target)
	if err != nil {
		return err
	}
	set.key, set.base = string(c.scope.head(id)), s.committer.committed.Load()
	return s.engine.View(ctx, func(r engine.Reader) error {
		records, err := r.GetMany([][]byte{[]byte(set.key), target})
		if err != nil {
			return fmt.Errorf("reading a document: %w", err)
		}
		if records[0] == nil || records[1] == nil {
			set.delete(target)
			return nil
		}
		h, err := decodeHead(records[0])
		if err != nil {
			return err
		}
		stored, err := decodeStoredBody(records[1])
		if err != nil {
			return err
		}
		if h.leaf(rev) != nil {
			return nil
		}
		set.delete(target)
		if len(stored.leaf.Attachments) == 0 {
			return nil
		}
		return c.dropReferences(r, id, h, target, set)
	})
}

// dropReferences removes the references of the body under target that neither a leaf nor
// another kept body of the document shares.
func (c *Collection) dropReferences(r engine.Reader, id string, h *head, target []byte, set *changeSet) error {
	var gone []Attachment
	used := make(map[[32]byte]bool)
	for i := range h.Leaves {
		for _, a := range h.Leaves[i].Attachments {
			used[a.Content.SHA256] = true
		}
	}
	pairs, failed := r.Scan(engine.PrefixRange(c.scope.bodies(id)))
	for key, value := range pairs {
		stored, err := decodeStoredBody(value)
		if err != nil {
			return err
		}
		if string(key) == string(target) {
			gone = append(gone, stored.leaf.Attachments...)
			continue
		}
		for _, a := range stored.leaf.Attachments {
			used[a.Content.SHA256] = true
		}
	}
	if err := failed(); err != nil {
		return fmt.Errorf("reading bodies: %w", err)
	}
	at := c.store.options.Now().Add(unusedContent).Unix()
	for _, a := range gone {
		if used[a.Content.SHA256] {
			continue
		}
		used[a.Content.SHA256] = true
		set.delete(c.scope.reference(a.Content.SHA256, id))
		set.put(c.db.scope.due(at, c.db.scope.content(a.Content.SHA256)), nil)
	}
	return nil
}

// parseBodyKey reads what scope.body wrote.
func (d *Database) parseBodyKey(key []byte) (c *Collection, id string, rev Rev, err error) {
	id, rest, ok := cutTerminated(key[min(prefixSize, len(key)):])
	if !ok || len(rest) < 9 {
		return nil, "", Rev{}, fmt.Errorf("%w: key of a body", ErrDamaged)
	}
	rev.Gen = binary.BigEndian.Uint64(rest)
	if rev.Digest, err = unpackDigest(rest[8:]); err != nil {
		return nil, "", Rev{}, err
	}
	c, err = d.byNumber(binary.BigEndian.Uint32(key[5:]))
	return c, id, rev, err
}
