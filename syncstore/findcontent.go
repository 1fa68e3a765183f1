package syncstore

import (
	"context"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// FindContent returns the content that a known revision of a document has attached under a
// digest, in either form, whatever its name there. Only revisions that the viewer may read
// count: by a digest alone nobody finds out what others have (DECISIONS 22). ErrNotFound.
func (c *Collection) FindContent(ctx context.Context, id, digest string, viewer *Viewer) (Content, error) {
	if err := CheckID(id); err != nil {
		return Content{}, err
	}
	key := c.scope.head(id)
	_, epoch := c.store.cache.get(key)
	var found Content
	err := c.store.engine.View(ctx, func(r engine.Reader) (err error) {
		v := view{collection: c, reader: r, id: id}
		if err := v.readHead(key, epoch, viewer); err != nil {
			return err
		}
		found, err = v.findContent(digest)
		return err
	})
	return found, err
}

// findContent looks into the leaves, and then into the older revisions whose bodies are kept.
func (v *view) findContent(digest string) (Content, error) {
	for i := range v.head.Leaves {
		if content, ok := v.attachedAs(&v.head.Leaves[i], digest); ok {
			return content, nil
		}
	}
	scan := engine.PrefixRange(v.collection.scope.bodies(v.id))
	scan.Reverse = true // higher generations first
	pairs, failed := v.reader.Scan(scan)
	for _, value := range pairs {
		stored, err := decodeStoredBody(value)
		if err != nil {
			return Content{}, err
		}
		if v.head.leaf(stored.leaf.Rev) != nil {
			continue // looked at, with the channels that it is in now
		}
		if content, ok := v.attachedAs(&stored.leaf, digest); ok {
			return content, nil
		}
	}
	if err := failed(); err != nil {
		return Content{}, fmt.Errorf("looking for an attachment: %w", err)
	}
	return Content{}, ErrNotFound
}

// attachedAs returns what a revision has attached under a digest.
func (v *view) attachedAs(l *leaf, digest string) (Content, bool) {
	if !v.sight.leaf(l) {
		return Content{}, false
	}
	for _, a := range l.Attachments {
		if a.Digest == digest || a.Content.HasDigest(digest) {
			return a.Content, true
		}
	}
	return Content{}, false
}
