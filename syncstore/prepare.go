package syncstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // a revision's digest is a name, not a protection (DECISIONS 26)
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// preparation turns one edit into a change set, from the state that the document had.
type preparation struct {
	ctx        context.Context //nolint:containedctx // lives for one call of prepare
	collection *Collection
	edit       *Edit
	options    *WriteOptions
	state      docState

	tree *tree // taken apart, if it had to be
	set  *changeSet
}

// prepare returns the change set of the edit and the revision that it makes. A nil set
// without an error means that the revision is here already.
func (p *preparation) prepare() (*changeSet, Rev, error) {
	if err := p.check(); err != nil {
		return nil, Rev{}, err
	}
	p.set = &changeSet{
		db: p.collection.db, collection: p.collection.scope.collection, key: p.state.name, base: p.state.base,
		ops: make([]op, 0, usualOps),
	}
	switch {
	case !p.edit.Vector.Current.IsZero():
		return p.prepareVersioned()
	case len(p.edit.History) > 0:
		return p.prepareReplicated()
	}
	return p.prepareEdit()
}

func (p *preparation) check() error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if err := CheckID(p.edit.ID); err != nil {
		return err
	}
	if err := p.checkDesignWriter(); err != nil {
		return err
	}
	if len(p.edit.Body) == 0 {
		p.edit.Body = []byte("{}")
	}
	if int64(len(p.edit.Body)+len(p.edit.Extra)) > p.collection.store.options.MaxDocument {
		return fmt.Errorf("document: %w", ErrTooLarge)
	}
	return p.checkLite()
}

// prepareEdit makes a new revision on top of a leaf.
func (p *preparation) prepareEdit() (*changeSet, Rev, error) {
	parent, err := p.parent()
	if err != nil {
		return nil, Rev{}, err
	}
	var ancestors []Rev
	if parent != nil {
		ancestors = []Rev{parent.Rev}
	}
	return p.prepareChild(ancestors, parent)
}

// prepareChild makes a new revision with the ancestors given, newest first. parent is the leaf
// that the write extends, nil for a new document.
func (p *preparation) prepareChild(ancestors []Rev, parent *leaf) (*changeSet, Rev, error) {
	var before Rev
	if len(ancestors) > 0 {
		before = ancestors[0]
	}
	if before.Gen >= MaxGeneration {
		return nil, Rev{}, fmt.Errorf("%w: no generation is left", ErrBadRevision)
	}
	attachments, err := p.attachments(before.Gen+1, parent)
	if err != nil {
		return nil, Rev{}, err
	}
	rev := newRevision(before, p.edit, attachments)
	if known, err := p.known(rev); err != nil || known {
		return nil, rev, errors.Join(err, ErrConflict)
	}
	set, err := p.finish(rev, append([]Rev{rev}, ancestors...), parent, attachments)
	return set, rev, err
}

// known reports whether the document has a revision that an edit would make. Only a peer
// that made up revisions brings that about.
func (p *preparation) known(rev Rev) (bool, error) {
	if p.state.head == nil {
		return false, nil
	}
	if p.state.head.leaf(rev) != nil {
		return true, nil
	}
	if !bytes.Contains(p.state.tree, packDigest(rev.Digest)) {
		return false, nil
	}
	if err := p.loadTree(); err != nil {
		return false, err
	}
	return p.tree.find(rev) >= 0, nil
}

// parent returns the leaf that a new edit extends; nil for a new document.
func (p *preparation) parent() (*leaf, error) {
	h, named := p.state.head, p.edit.Parent
	switch {
	case h == nil && named.IsZero():
		return nil, nil
	case h == nil:
		return nil, ErrConflict
	case named.IsZero() && h.winner().Deleted:
		return h.winner(), nil
	case named.IsZero():
		return nil, ErrConflict
	}
	if l := h.leaf(named); l != nil {
		return l, nil
	}
	return nil, ErrConflict
}

// newRevision names a revision made here: generation + 1 and an MD5 over what it is, so
// that the same edit of the same parent has the same name everywhere (DECISIONS 26).
func newRevision(parent Rev, edit *Edit, attachments []Attachment) Rev {
	sum := md5.New() //nolint:gosec // see above
	e := encoder{}
	e.text(parent.String())
	if edit.Deleted {
		e.byte(1)
	} else {
		e.byte(0)
	}
	e.bytes(edit.Body)
	for i := range attachments {
		e.text(attachments[i].Name)
		e.raw(attachments[i].Content.SHA256[:])
	}
	if len(edit.Extra) > 0 {
		e.bytes(edit.Extra)
	}
	_, _ = sum.Write(e.b) // a hash never fails
	return Rev{Gen: parent.Gen + 1, Digest: hex.EncodeToString(sum.Sum(nil))}
}

func (p *preparation) loadTree() error {
	if p.tree != nil || p.state.head == nil {
		return nil
	}
	if p.state.tree == nil {
		if len(p.state.head.Leaves) != 1 {
			return p.lacksTree()
		}
		p.tree = soleLeafTree(p.state.head.winner().Rev)
		return nil
	}
	t, err := decodeTree(p.state.tree)
	if err != nil {
		return err
	}
	p.tree = t
	return nil
}

// lacksTree is why a document with conflicts has no ancestry: it is damaged, or what the write was prepared
// from is outdated, since a purge left one revision of it.
func (p *preparation) lacksTree() error {
	err := fmt.Errorf("%w: with conflicts, it has no ancestry", ErrDamagedDocument)
	failed := p.collection.store.engine.View(p.ctx, func(r engine.Reader) error {
		record, found := r.Get(p.state.key)
		if errors.Is(found, engine.ErrNotFound) {
			err = errStale
			return nil
		}
		if found != nil {
			return fmt.Errorf("reading a document: %w", found)
		}
		if current, failed := decodeHead(record); failed == nil && current.Seq != p.state.head.Seq {
			err = errStale
		}
		return nil
	})
	return cmp.Or(failed, err)
}

// finish builds the document as it will be, and what has to be written for it. parent is
// the leaf that rev extends, nil if it begins a branch.
func (p *preparation) finish(rev Rev, history []Rev, parent *leaf, attachments []Attachment) (*changeSet, error) {
	old := p.state.head
	written := leaf{
		Rev: rev, Deleted: p.edit.Deleted, Author: p.options.author(), Expires: p.edit.Expires, Attachments: attachments,
		Extra: p.edit.Extra,
	}
	if err := p.evaluate(&written, parent); err != nil {
		return nil, err
	}
	ended, err := p.extendTree(rev, history, parent)
	if err != nil {
		return nil, err
	}
	next := &head{Creator: p.options.author()}
	if old != nil {
		next.Creator, next.Created, next.Vector = old.Creator, old.Created, old.Vector
		next.Spans = slices.Clone(old.Spans)
		for i := range old.Leaves {
			if !slices.Contains(ended, old.Leaves[i].Rev) {
				next.Leaves = append(next.Leaves, old.Leaves[i])
			}
		}
	}
	next.Leaves = append(next.Leaves, written)
	sortLeaves(next.Leaves)
	if err := p.judgeTakeover(next, rev, parent, ended); err != nil {
		return nil, err
	}
	if err := p.placeBodies(next, rev, ended); err != nil {
		return nil, err
	}
	p.advance(next, rev)
	p.writeChannels(next)
	if err := p.writeGrants(next); err != nil {
		return nil, err
	}
	p.writeRow(next)
	p.writeReferences(&written)
	p.writeExpiry(next.winner())
	p.set.add(op{key: p.state.key, value: next.encode(), keySeq: noSeq, valueSeq: headSeqAt})
	p.set.cached = next
	p.count(next)
	if IsDesign(p.edit.ID) {
		p.set.designs = p.collection
	}
	return p.set, nil
}

// extendTree adds the revision to the ancestry and returns the leaves that are none any
// more.
func (p *preparation) extendTree(rev Rev, history []Rev, parent *leaf) (ended []Rev, err error) {
	key := p.collection.scope.tree(p.edit.ID)
	limit := p.collection.store.options.Revisions
	h := p.state.head
	if h == nil && len(history) == 1 {
		return nil, nil // a first revision has no ancestry to be stored
	}
	if h != nil && len(h.Leaves) == 1 && parent != nil && p.onlyExtends(history, parent.Rev) {
		record := p.state.tree
		if record == nil {
			record = soleLeafTree(parent.Rev).encode()
		}
		if extended, ok := extendTree(record, parent.Rev, rev, limit); ok {
			p.set.put(key, extended)
			return []Rev{parent.Rev}, nil
		}
	}
	if h == nil {
		p.tree = newTree()
	} else if err := p.loadTree(); err != nil {
		return nil, err
	}
	p.tree.graft(history)
	p.tree.prune(limit)
	isLeaf := p.tree.leaves()
	if h != nil {
		for i := range h.Leaves {
			if at := p.tree.find(h.Leaves[i].Rev); at < 0 || !isLeaf[at] {
				ended = append(ended, h.Leaves[i].Rev)
			}
		}
	}
	if p.tree.trivial() {
		return ended, nil
	}
	p.set.put(key, p.tree.encode())
	return ended, nil
}

// onlyExtends reports whether history says no more than that its first revision follows
// parent, the only leaf: it tells of no ancestor before the oldest that is known and kept.
func (p *preparation) onlyExtends(history []Rev, parent Rev) bool {
	if len(history) < 2 || history[1] != parent {
		return false
	}
	if len(history) == 2 {
		return true
	}
	kept := p.tree.nodes
	return len(kept) >= p.collection.store.options.Revisions || kept[0].gen <= history[len(history)-1].Gen
}

// placeBodies puts the winner's body into the head and the others beside it.
func (p *preparation) placeBodies(next *head, rev Rev, ended []Rev) error {
	old := p.state.head
	written := next.leaf(rev)
	winner := next.winner()
	switch {
	case winner.Rev == rev:
		next.Body = p.edit.Body
	case winner.Rev == old.winner().Rev:
		next.Body = old.Body
	default:
		// A losing leaf surfaces: its body moves into the head.
		stored, err := p.storedBody(winner.Rev)
		if err != nil {
			return err
		}
		next.Body = stored.body
		p.set.delete(p.collection.scope.body(p.edit.ID, winner.Rev))
	}
	if winner.Rev != rev {
		p.putBody(written, p.edit.Body, false)
	}
	if old == nil {
		return nil
	}
	for _, gone := range ended {
		if gone != old.winner().Rev {
			// Its body is stored already; from now on it is an old one.
			p.set.put(p.collection.scope.due(p.oldBodyDue(), p.collection.scope.body(p.edit.ID, gone)), nil)
		}
	}
	if before := *old.winner(); before.Rev != winner.Rev {
		before.Version = old.Vector.Current
		p.putBody(&before, old.Body, slices.Contains(ended, before.Rev))
	}
	return nil
}

// putBody stores a body beside the head; superseded says that it is to be kept only for
// a while.
func (p *preparation) putBody(l *leaf, body []byte, superseded bool) {
	stored := storedBody{leaf: *l, body: body}
	key := p.collection.scope.body(p.edit.ID, l.Rev)
	p.set.put(key, stored.encode())
	if superseded {
		p.set.put(p.collection.scope.due(p.oldBodyDue(), key), nil)
	}
}

func (p *preparation) oldBodyDue() int64 {
	o := &p.collection.store.options
	age := p.collection.db.Retention().OldBodies
	if age <= 0 {
		age = o.OldBodies
	}
	return o.Now().Add(age).Unix()
}

// writeRow replaces the document's row in the feed.
func (p *preparation) writeRow(next *head) {
	s := p.collection.scope
	if old := p.state.head; old != nil {
		p.set.delete(s.seq(old.Seq))
	}
	p.set.row = encodeRow(p.edit.ID, next, false, nil)
	p.set.add(op{key: s.seq(0), value: p.set.row, keySeq: prefixSize, valueSeq: noSeq})
}

// writeReferences notes that the document names its attachments' content, which must
// still be there when that is committed.
func (p *preparation) writeReferences(written *leaf) {
	if len(written.Attachments) == 0 {
		return
	}
	p.set.apply = func(tx *overlay) error {
		for i := range written.Attachments {
			a := &written.Attachments[i]
			_, err := tx.get(p.collection.db.scope.content(a.Content.SHA256))
			if errors.Is(err, engine.ErrNotFound) {
				return fmt.Errorf("%w: the content of %q was collected", ErrMissingStub, a.Name)
			}
			if err != nil {
				return fmt.Errorf("looking for content: %w", err)
			}
		}
		return nil
	}
	for i := range written.Attachments {
		p.set.put(p.collection.scope.reference(written.Attachments[i].Content.SHA256, p.edit.ID), nil)
	}
}

func (p *preparation) writeExpiry(winner *leaf) {
	if !winner.Deleted && !winner.Expires.IsZero() {
		p.set.put(p.collection.scope.due(winner.Expires.Unix(), p.state.key), nil)
	}
}

// count notes how the document changes the database's counts.
func (p *preparation) count(next *head) {
	add := func(h *head, by int64) {
		if h.winner().Deleted {
			p.set.deleted += by
		} else {
			p.set.docs += by
		}
	}
	if p.state.head != nil {
		add(p.state.head, -1)
	}
	add(next, 1)
}
