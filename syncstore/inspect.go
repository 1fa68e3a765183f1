package syncstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// Inspection is all that the store keeps of a document, for an administrator who wants to
// know why it is as it is.
type Inspection struct {
	ID string
	// Seq is the sequence of the last change, Created that of the first.
	Seq, Created uint64
	Creator      string
	Vector       Vector
	// Leaves are the tips of the tree, the winner first.
	Leaves []InspectedLeaf
	// Spans is when the document was in which channel, oldest first.
	Spans []ChannelSpan
	// Tree is the ancestry; a parent comes before its children.
	Tree []InspectedRevision
	// Body is the winner's. Shared with a cache: do not write to it.
	Body []byte
}

// InspectedLeaf is a tip of the tree, with what was decided when it was written.
type InspectedLeaf struct {
	Rev         Rev
	Deleted     bool
	Seq         uint64
	Author      string
	Expires     time.Time // zero: never
	Channels    []string
	Grants      []InspectedGrant
	Attachments []Attachment
}

// InspectedGrant is what a leaf grants; Since is the sequence from which the document makes
// the grant, 0 if it is not the winner's.
type InspectedGrant struct {
	Grant
	Since uint64
}

// ChannelSpan says that a document was in a channel from a sequence up to another; To is 0
// while it is.
type ChannelSpan struct {
	Channel  string
	From, To uint64
}

// InspectedRevision is a node of the tree.
type InspectedRevision struct {
	Rev Rev
	// Parent is the place of the parent in the list, -1 if it is not known.
	Parent int
	Leaf   bool
	// Deleted is known of leaves and of revisions whose body is kept.
	Deleted bool
	// Body: the revision's body is still there.
	Body bool
}

// Inspect returns all about a document, from one snapshot, tombstones included. ErrBadID,
// ErrNotFound.
func (c *Collection) Inspect(ctx context.Context, id string) (*Inspection, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	var found *Inspection
	err := c.store.engine.View(ctx, func(r engine.Reader) error {
		record, err := r.Get(c.scope.head(id))
		if errors.Is(err, engine.ErrNotFound) {
			return ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("reading a document: %w", err)
		}
		h, err := decodeHead(record)
		if err != nil {
			return err
		}
		v := view{collection: c, reader: r, id: id, head: h}
		if err := v.readTree(); err != nil {
			return err
		}
		found = h.inspect(id)
		return v.inspectTree(found)
	})
	return found, err
}

func (h *head) inspect(id string) *Inspection {
	i := &Inspection{ID: id, Seq: h.Seq, Created: h.Created, Creator: h.Creator, Vector: h.Vector, Body: h.Body}
	for n := range h.Leaves {
		l := &h.Leaves[n]
		one := InspectedLeaf{
			Rev: l.Rev, Deleted: l.Deleted, Seq: l.Seq, Author: l.Author, Expires: l.Expires,
			Channels: l.Channels, Attachments: l.Attachments,
		}
		for _, g := range l.Grants {
			made := InspectedGrant{Grant: g.Grant}
			if n == 0 {
				made.Since = g.From
			}
			one.Grants = append(one.Grants, made)
		}
		i.Leaves = append(i.Leaves, one)
	}
	for _, s := range h.Spans {
		i.Spans = append(i.Spans, ChannelSpan{s.Channel, s.From, s.To})
	}
	return i
}

func (v *view) inspectTree(into *Inspection) error {
	leaves := v.tree.leaves()
	for i := range v.tree.nodes {
		one := InspectedRevision{Rev: v.tree.rev(i), Parent: v.tree.nodes[i].parent, Leaf: leaves[i]}
		if l := v.head.leaf(one.Rev); l != nil {
			one.Deleted, one.Body = l.Deleted, true
		}
		into.Tree = append(into.Tree, one)
	}
	pairs, failed := v.reader.Scan(engine.PrefixRange(v.collection.scope.bodies(v.id)))
	for _, record := range pairs {
		stored, err := decodeStoredBody(record)
		if err != nil {
			return err
		}
		if at := v.tree.find(stored.leaf.Rev); at >= 0 {
			into.Tree[at].Body, into.Tree[at].Deleted = true, stored.leaf.Deleted
		}
	}
	if err := failed(); err != nil {
		return fmt.Errorf("reading bodies: %w", err)
	}
	return nil
}
