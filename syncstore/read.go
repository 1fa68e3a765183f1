package syncstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// readsAtOnce is how many documents are read at once: their bodies come along.
const readsAtOnce = 20

// Get returns a revision of a document. ErrBadID; ErrNotFound if there is no such
// document, revision or body; ErrDeleted if no revision was asked for and the winner is
// a tombstone.
func (c *Collection) Get(ctx context.Context, id string, o GetOptions) (*Document, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	key := c.scope.head(id)
	h, epoch := c.store.cache.get(key)
	if h != nil && o.ofWinner(h) && (!o.History || !h.hasTree()) {
		doc, err := c.winner(ctx, id, h, o)
		if !errors.Is(err, errStale) {
			return doc, err
		}
		_, epoch = c.store.cache.get(key)
	}
	var doc *Document
	err := c.store.engine.View(ctx, func(r engine.Reader) error {
		v := view{collection: c, reader: r, id: id}
		if err := v.readHead(key, epoch, o.Viewer); err != nil {
			return err
		}
		var err error
		doc, err = v.get(o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return doc, nil
}

// ofWinner reports whether what is asked for is the winner.
func (o *GetOptions) ofWinner(h *head) bool {
	switch {
	case !o.Version.IsZero():
		return o.Version == h.Vector.Current && !o.Latest
	case !o.Rev.IsZero():
		return o.Rev == h.winner().Rev && !o.Latest
	default:
		return true
	}
}

// winner answers from the head alone, which the cache has given, or with errStale.
func (c *Collection) winner(ctx context.Context, id string, h *head, o GetOptions) (*Document, error) {
	v, err := c.cachedView(ctx, id, h, o.Viewer)
	if err != nil {
		return nil, err
	}
	return v.get(o)
}

// cachedView is a view without a snapshot, of a head that the cache has given. If the cache has it no
// more when it is known what the viewer may see, the two may be of different times: errStale.
func (c *Collection) cachedView(ctx context.Context, id string, h *head, viewer *Viewer) (*view, error) {
	sight, err := c.sightNow(ctx, viewer)
	if err != nil {
		return nil, err
	}
	if sight != nil {
		if now, _ := c.store.cache.get(c.scope.head(id)); now != h {
			return nil, errStale
		}
	}
	v := &view{collection: c, id: id, head: h, sight: sight}
	if v.hidden() {
		return nil, ErrNotFound
	}
	return v, nil
}

// GetRevs returns the revisions named, in their place, or all leaves, the winner first,
// if revs is nil. With latest, each revision is replaced by the leaves that descend
// from it. ErrBadID; ErrNotFound if the document has no revision at all. Of the options,
// Latest, History, Bare, Most and Viewer count.
func (c *Collection) GetRevs(ctx context.Context, id string, revs []Rev, o GetOptions) ([]RevResult, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	key := c.scope.head(id)
	h, epoch := c.store.cache.get(key)
	if h != nil && h.isAllOf(revs) {
		v, err := c.cachedView(ctx, id, h, o.Viewer)
		if err == nil {
			return v.revs(revs, o)
		}
		if !errors.Is(err, errStale) {
			return nil, err
		}
		_, epoch = c.store.cache.get(key)
	}
	var results []RevResult
	err := c.store.engine.View(ctx, func(r engine.Reader) error {
		v := view{collection: c, reader: r, id: id}
		if err := v.readHead(key, epoch, o.Viewer); err != nil {
			return err
		}
		var err error
		results, err = v.revs(revs, o)
		return err
	})
	return results, err
}

// view reads one document from one snapshot.
type view struct {
	collection *Collection
	reader     engine.Reader
	id         string
	head       *head
	tree       *tree
	sight      *sight
}

// readHead reads the head, and offers it to the cache under the epoch that a look-up
// before the snapshot returned. A document of which the viewer may see nothing, and never
// could, is ErrNotFound.
func (v *view) readHead(key []byte, epoch uint64, viewer *Viewer) error {
	var err error
	if v.head, err = storedHead(v.reader, key); err != nil {
		return err
	}
	v.collection.store.cache.offer(key, v.head, epoch)
	v.sight, err = v.collection.sightIn(v.reader, viewer)
	if err == nil && v.hidden() {
		return ErrNotFound
	}
	return err
}

// hidden reports whether the viewer may see nothing of the document, and never could.
func (v *view) hidden() bool {
	return v.sight != nil && !v.sight.document(v.head) && !v.sight.lost(v.head)
}

func (v *view) get(o GetOptions) (*Document, error) {
	rev := o.Rev
	if !o.Version.IsZero() {
		var err error
		if rev, err = v.revOf(o.Version); err != nil {
			return nil, err
		}
	}
	if rev.IsZero() {
		if !v.sight.leaf(v.head.winner()) {
			return nil, ErrNotFound
		}
		if v.head.winner().Deleted {
			return nil, ErrDeleted
		}
		rev = v.head.winner().Rev
	} else if o.Latest {
		leaves, err := v.descendants(rev)
		if err != nil {
			return nil, err
		}
		if len(leaves) == 0 {
			return nil, ErrNotFound
		}
		rev = leaves[0]
	}
	doc, err := v.document(rev)
	if err != nil {
		return nil, err
	}
	if o.History {
		if err := v.addHistory(doc); err != nil {
			return nil, err
		}
	}
	if o.Conflicts {
		v.addConflicts(doc)
	}
	return doc, nil
}

// revOf returns the revision that was the winner with a version: the winner, or one whose body
// is kept.
func (v *view) revOf(version Version) (Rev, error) {
	if version == v.head.Vector.Current {
		return v.head.winner().Rev, nil
	}
	if v.reader == nil {
		return Rev{}, ErrNotFound
	}
	scan := engine.PrefixRange(v.collection.scope.bodies(v.id))
	scan.Reverse = true // higher generations first
	pairs, failed := v.reader.Scan(scan)
	for _, record := range pairs {
		stored, err := decodeStoredBody(record)
		if err != nil {
			return Rev{}, err
		}
		if stored.leaf.Version == version {
			return stored.leaf.Rev, nil
		}
	}
	if err := failed(); err != nil {
		return Rev{}, fmt.Errorf("looking for a version: %w", err)
	}
	return Rev{}, ErrNotFound
}

func (v *view) revs(revs []Rev, o GetOptions) ([]RevResult, error) {
	revs, err := v.wanted(revs, o.Latest)
	if err != nil {
		return nil, err
	}
	results := make([]RevResult, 0, len(revs))
	size := 0
	for _, rev := range revs {
		if o.Most > 0 && size >= o.Most {
			results = append(results, RevResult{Rev: rev, Unread: true})
			continue
		}
		doc, err := v.document(rev)
		if err == nil && o.History {
			err = v.addHistory(doc)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if doc != nil {
			if o.Bare {
				doc.Body, doc.Attachments, doc.Extra = nil, nil, nil
			}
			size += doc.memory()
		}
		results = append(results, RevResult{Rev: rev, Doc: doc})
	}
	return results, nil
}

// memory is about how many bytes a document takes.
func (doc *Document) memory() int {
	const ofRevision, ofAttachment = 64, 256
	return len(doc.Body) + ofRevision*len(doc.History) + ofAttachment*len(doc.Attachments)
}

// wanted are the revisions that GetRevs is to read.
func (v *view) wanted(revs []Rev, latest bool) ([]Rev, error) {
	switch {
	case revs != nil && latest:
		return v.latestOf(revs)
	case revs != nil:
		return revs, nil
	}
	for i := range v.head.Leaves {
		if v.sight.leaf(&v.head.Leaves[i]) {
			revs = append(revs, v.head.Leaves[i].Rev)
		}
	}
	if len(revs) == 0 {
		return nil, ErrNotFound
	}
	return revs, nil
}

// latestOf replaces each revision by the leaves that descend from it, once each; one
// that is not known stays.
func (v *view) latestOf(revs []Rev) ([]Rev, error) {
	if len(revs) == 1 && v.head.leaf(revs[0]) != nil {
		return revs, nil // as a replication asks for nearly all documents
	}
	var all []Rev
	seen := make(map[Rev]bool)
	for _, rev := range revs {
		leaves, err := v.descendants(rev)
		if err != nil {
			return nil, err
		}
		if len(leaves) == 0 {
			leaves = []Rev{rev}
		}
		for _, l := range leaves {
			if !seen[l] {
				seen[l] = true
				all = append(all, l)
			}
		}
	}
	return all, nil
}

// descendants returns the leaves that are rev or descend from it, the winner-most first.
func (v *view) descendants(rev Rev) ([]Rev, error) {
	if err := v.readTree(); err != nil {
		return nil, err
	}
	ancestor := v.tree.find(rev)
	if ancestor < 0 {
		return nil, nil
	}
	var leaves []Rev
	for i := range v.head.Leaves {
		if v.sight.leaf(&v.head.Leaves[i]) && v.tree.descends(v.tree.find(v.head.Leaves[i].Rev), ancestor) {
			leaves = append(leaves, v.head.Leaves[i].Rev)
		}
	}
	return leaves, nil
}

// document returns a revision that the view's snapshot has a body of. A leaf of a document
// that the viewer has lost is returned without its body, so that a client that was told of
// it has something to put in the place of what it has; the winner also where another leaf can be
// seen, as the feed tells that it is lost then too.
func (v *view) document(rev Rev) (*Document, error) {
	h := v.head
	doc := &Document{ID: v.id, Rev: rev, Creator: h.Creator, Seq: h.Seq, Version: h.Vector.Current}
	l := h.leaf(rev)
	if l != nil && !v.sight.leaf(l) {
		if rev != h.winner().Rev && v.sight.document(h) || !v.sight.lost(h) {
			return nil, ErrNotFound
		}
		doc.Removed, doc.Deleted, doc.Body = true, l.Deleted, []byte("{}")
		return doc, nil
	}
	if winner := h.winner(); rev == winner.Rev {
		doc.Deleted, doc.Body, doc.Attachments = winner.Deleted, h.Body, winner.Attachments
		doc.Extra, doc.Expires = winner.Extra, winner.Expires
		return doc, nil
	}
	if v.reader == nil {
		return nil, ErrNotFound
	}
	record, err := v.reader.Get(v.collection.scope.body(v.id, rev))
	if errors.Is(err, engine.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading a body: %w", err)
	}
	stored, err := decodeStoredBody(record)
	if err != nil {
		return nil, err
	}
	if l == nil && !v.sight.leaf(&stored.leaf) { // of a leaf, the head knows better since a resync
		return nil, ErrNotFound
	}
	doc.Deleted, doc.Body, doc.Attachments = stored.leaf.Deleted, stored.body, stored.leaf.Attachments
	doc.Extra, doc.Expires = stored.leaf.Extra, stored.leaf.Expires
	return doc, nil
}

// addHistory adds the ancestors of a revision. A first revision that is alone needs no tree for that, and
// neither does aside.
func (v *view) addHistory(doc *Document) error {
	doc.Vector = v.head.Vector
	if v.head.hasTree() || doc.Rev != v.head.winner().Rev {
		if err := v.readTree(); err != nil {
			return err
		}
		doc.History = v.tree.history(doc.Rev, v.collection.store.options.Revisions)
	}
	if doc.History == nil {
		doc.History = []Rev{doc.Rev}
	}
	doc.Aside = !doc.Removed && v.aside(doc.Rev)
	return nil
}

// aside reports whether what wins of the leaves that the viewer may see is neither a revision nor
// descends from it.
func (v *view) aside(rev Rev) bool {
	for i := range v.head.Leaves {
		l := &v.head.Leaves[i]
		if !v.sight.leaf(l) {
			continue
		}
		if l.Rev == rev {
			return false
		}
		ancestor := v.tree.find(rev)
		return ancestor < 0 || !v.tree.descends(v.tree.find(l.Rev), ancestor)
	}
	return false
}

func (v *view) addConflicts(doc *Document) {
	for i := range v.head.Leaves {
		l := &v.head.Leaves[i]
		switch {
		case l.Rev == doc.Rev || !v.sight.leaf(l):
		case l.Deleted:
			doc.DeletedConflicts = append(doc.DeletedConflicts, l.Rev)
		default:
			doc.Conflicts = append(doc.Conflicts, l.Rev)
		}
	}
}

func (v *view) readTree() error {
	if v.tree != nil {
		return nil
	}
	if v.reader != nil && v.head.hasTree() {
		record, err := v.reader.Get(v.collection.scope.tree(v.id))
		if err == nil {
			v.tree, err = decodeTree(record)
			return err
		}
		if !errors.Is(err, engine.ErrNotFound) {
			return fmt.Errorf("reading an ancestry: %w", err)
		}
	}
	if len(v.head.Leaves) != 1 {
		return fmt.Errorf("%w: with conflicts, it has no ancestry", ErrDamagedDocument)
	}
	v.tree = soleLeafTree(v.head.winner().Rev)
	return nil
}
