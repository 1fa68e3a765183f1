package lite

import "slices"

// incoming is a revision that the server sent.
type incoming struct {
	id, rev string
	history []string // revision trees
	vector  vector
	deleted bool
	body    object
}

// insert takes a revision of the server, and resolves a conflict as Couchbase Lite does by
// itself. It reports whether the device had the revision.
func (c *Collection) insert(in *incoming) (had bool) {
	c.device.mu.Lock()
	doc := c.docs[in.id]
	if doc == nil {
		doc = &document{id: in.id, parents: make(map[string]string)}
		c.docs[in.id] = doc
	}
	before := doc.seq
	if c.device.version.vectors() {
		had = c.insertVersion(doc, in)
	} else {
		had = c.insertTree(doc, in)
	}
	changed := doc.seq != before && doc.dirty()
	watchers := slices.Clone(c.watchers)
	c.device.mu.Unlock()
	if changed {
		for _, tell := range watchers {
			tell()
		}
	}
	return had
}

func (in *incoming) read() Document {
	return (&document{id: in.id, rev: in.rev, deleted: in.deleted, body: in.body}).read()
}

func (c *Collection) insertTree(doc *document, in *incoming) (had bool) {
	if _, known := doc.parents[in.rev]; known {
		doc.remote = in.rev
		return true
	}
	below := in.rev
	for _, ancestor := range in.history {
		if _, known := doc.parents[below]; known {
			break
		}
		doc.parents[below] = ancestor
		below = ancestor
	}
	if _, known := doc.parents[below]; !known {
		doc.parents[below] = ""
	}
	switch {
	case doc.rev == "" || doc.descends(in.rev, doc.rev):
		doc.remote = in.rev
		c.adopt(doc, in)
	case !doc.dirty(): // the server went to another branch
		doc.remote, doc.kept = in.rev, nil
		c.adopt(doc, in)
		doc.prune()
	default:
		c.resolveTree(doc, in)
		doc.prune()
	}
	return false
}

// prune forgets the branches that the current revision does not come from.
func (doc *document) prune() {
	kept := make(map[string]string)
	for rev := doc.rev; rev != ""; rev = doc.parents[rev] {
		kept[rev] = doc.parents[rev]
	}
	doc.parents = kept
}

// adopt makes the server's revision the current one.
func (c *Collection) adopt(doc *document, in *incoming) {
	doc.rev, doc.vector, doc.deleted, doc.body = in.rev, in.vector, in.deleted, in.body
	c.touch(doc)
}

// resolveTree: a tombstone wins, then the higher generation, then the higher digest. If
// the local revision wins, its body becomes a child of the server's revision.
func (c *Collection) resolveTree(doc *document, in *incoming) {
	doc.remote, doc.kept = in.rev, nil
	local := doc.deleted && !in.deleted
	if doc.deleted == in.deleted {
		g, r := generation(doc.rev), generation(in.rev)
		local = g > r || g == r && doc.rev > in.rev
	}
	if c.device.resolver != nil {
		local = c.device.resolver(doc.read(), in.read())
	}
	if !local {
		c.adopt(doc, in)
		return
	}
	doc.rev = in.rev
	c.write(doc, doc.body, doc.deleted)
}

func (c *Collection) insertVersion(doc *document, in *incoming) (had bool) {
	c.device.see(in.vector.cv)
	switch {
	case doc.rev == "":
		doc.remote = in.rev
		c.adopt(doc, in)
		return false
	case doc.vector.covers(in.vector.cv):
		doc.remote = in.rev
		return true
	case in.vector.covers(doc.vector.cv) || slices.Contains(in.vector.legacy, doc.rev):
		doc.remote = in.rev
		c.adopt(doc, in)
	case len(in.vector.mv) > 0 && sameStamps(doc.vector.mv, in.vector.mv):
		doc.remote = in.rev // both resolved the same conflict
		c.adopt(doc, in)
	default:
		// A document that was made anew where the server had a tombstone covers it only there.
		if !doc.dirty() && !in.deleted {
			c.device.violate("DECISIONS 23", "%s: %s of the server does not cover %s, which the server had",
				doc.id, in.vector.text(), doc.rev)
		}
		c.resolveVersion(doc, in)
	}
	return false
}

// resolveVersion: the last write wins. If it is the local one, it becomes a merge of both.
func (c *Collection) resolveVersion(doc *document, in *incoming) {
	doc.remote, doc.kept = in.rev, nil
	local := doc.vector.cv.time > in.vector.cv.time
	if c.device.resolver != nil {
		local = c.device.resolver(doc.read(), in.read())
	}
	if !local {
		c.adopt(doc, in)
		return
	}
	doc.vector = doc.vector.merge(c.device.now(), &in.vector)
	doc.rev = doc.vector.cv.String()
	c.touch(doc)
}

func sameStamps(a, b []stamp) bool {
	if len(a) != len(b) {
		return false
	}
	for _, s := range a {
		if !slices.Contains(b, s) {
			return false
		}
	}
	return true
}

// purge removes a document, as if it had never been here.
func (c *Collection) purge(id string) {
	c.device.mu.Lock()
	defer c.device.mu.Unlock()
	delete(c.docs, id)
}

// synced notes that the server has a revision that was offered when it had the revision
// remote. If the pull has brought another meanwhile, that one counts.
func (c *Collection) synced(id, rev, remote string, keep bool) {
	c.device.mu.Lock()
	defer c.device.mu.Unlock()
	doc := c.docs[id]
	if doc == nil || doc.rev != rev && doc.remote != remote {
		return
	}
	doc.remote = rev
	if keep && !slices.Contains(doc.kept, rev) {
		doc.kept = append([]string{rev}, doc.kept...)
	}
}
