package syncstore

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// head checks a document and what must be there because of it.
func (c *checker) head(k checkedKey, value []byte) {
	id := string(k.rest)
	h, err := decodeHead(value)
	if err != nil {
		c.damage(k, id, err.Error())
		return
	}
	if h.winner().Deleted {
		k.db.Tombstones++
	} else {
		k.db.Docs++
	}
	for _, what := range c.headFindings(k, id, h) {
		c.damage(k, id, what)
	}
}

func (c *checker) headFindings(k checkedKey, id string, h *head) (found []string) {
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if h.Seq == 0 || h.Seq > k.db.counts.Seq {
		add("its sequence %d is none that the database gave out", h.Seq)
	}
	if len(h.Body) > 0 && !json.Valid(h.Body) {
		add("its body is no JSON")
	}
	found = append(found, c.treeFindings(k, id, h)...)
	for i := range h.Leaves {
		l := &h.Leaves[i]
		if i > 0 {
			if ok, err := c.has(k.scope.body(id, l.Rev)); err != nil || !ok {
				add("the body of the conflicting revision %s is missing", l.Rev)
			}
		}
		for j := range l.Attachments {
			a := &l.Attachments[j]
			if ok, err := c.has(k.scope.whole().content(a.Content.SHA256)); err != nil || !ok {
				add("the content of attachment %q is missing", a.Name)
			}
			if ok, err := c.has(k.scope.reference(a.Content.SHA256, id)); err != nil || !ok {
				add("attachment %q is not protected from being collected", a.Name)
			}
		}
	}
	if !c.rowIs(k.scope.seq(h.Seq), h.Seq, id) {
		add("it is missing in the feed")
	}
	for _, name := range h.winner().Channels {
		if !c.rowIs(k.scope.channel(name, h.Seq), h.Seq, id) {
			add("it is missing in the feed of channel %q", name)
		}
	}
	return found
}

// treeFindings compares the ancestry with the leaves.
func (c *checker) treeFindings(k checkedKey, id string, h *head) (found []string) {
	record, err := c.r.Get(k.scope.tree(id))
	switch {
	case errors.Is(err, engine.ErrNotFound):
		if len(h.Leaves) > 1 {
			return []string{"its ancestry is missing"}
		}
		return nil
	case err != nil:
		return []string{fmt.Sprintf("its ancestry cannot be read: %v", err)}
	}
	t, err := decodeTree(record)
	if err != nil {
		return []string{err.Error()}
	}
	isLeaf := t.leaves()
	leaves := 0
	for _, leaf := range isLeaf {
		if leaf {
			leaves++
		}
	}
	for i := range h.Leaves {
		if at := t.find(h.Leaves[i].Rev); at < 0 || !isLeaf[at] {
			found = append(found, fmt.Sprintf("its ancestry does not end in revision %s", h.Leaves[i].Rev))
		}
	}
	if len(found) == 0 && leaves != len(h.Leaves) {
		found = append(found, "its ancestry has revisions that the document does not know of")
	}
	return found
}

func (c *checker) has(key []byte) (bool, error) {
	_, err := c.r.Get(key)
	if errors.Is(err, engine.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// rowIs reports whether a row of a feed is that of a document.
func (c *checker) rowIs(key []byte, seq uint64, id string) bool {
	record, err := c.r.Get(key)
	if err != nil {
		return false
	}
	var row Change
	return row.decode(seq, record) == nil && string(row.ID) == id
}

// known finds what belongs to a document that is not there.
func (c *checker) known(k checkedKey, id, what string) {
	if ok, err := c.has(k.scope.head(id)); err == nil && !ok {
		c.damage(k, id, "only its "+what+" is there")
	}
}

func (c *checker) body(k checkedKey, value []byte) {
	id, _, ok := cutTerminated(k.rest)
	if !ok {
		c.find(Finding{Database: k.db.Name, Collection: k.collection, What: "a body under a key that is none"})
		return
	}
	if _, err := decodeStoredBody(value); err != nil {
		c.damage(k, id, err.Error())
		return
	}
	c.known(k, id, "body")
}
