package syncstore

import (
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// maxUnindexed is how many rows of a purged document are taken out of an index, and maxUnindexedBytes
// about how many bytes it may take to do so in all of them: a transaction takes no more than some
// megabytes. Of a document that has more, the index is built anew.
const (
	maxUnindexed      = 500
	maxUnindexedBytes = 512 << 10
)

// unindex takes a purged document out of the collection's indexes, in the transaction that
// purges it: the feed does not tell of a purge. What was mapped before and not committed yet is
// thrown away, since each index is another one after it.
func (c *Collection) unindex(tx *overlay, id string) error {
	ids, err := c.indexIDs(tx.tx)
	if err != nil {
		return err
	}
	room := maxUnindexedBytes
	for _, index := range ids {
		i := &Index{collection: c, id: index}
		if err := i.unindex(tx, id, &room); err != nil {
			return err
		}
	}
	return nil
}

func (i *Index) unindex(tx *overlay, id string, room *int) error {
	state, err := i.readState(tx.get)
	if err != nil {
		return err
	}
	state.changes++
	if state.seq == 0 { // it is about to be built, perhaps of what was mapped before, or dropped
		tx.put(i.key(indexStateKey), state.encode())
		return nil
	}
	key := i.documentKey(id)
	record, err := tx.get(key)
	if errors.Is(err, engine.ErrNotFound) {
		tx.put(i.key(indexStateKey), state.encode())
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading an index: %w", err)
	}
	doc, err := decodeIndexed(record)
	if err != nil {
		return err
	}
	if _, few := doc.takenOut(id, room); !few {
		tx.delete(i.key(indexStateKey)) // from now on it has no rows, and the next query builds it
		return nil
	}
	for _, place := range doc.rows {
		tx.delete(i.rowKey(place.sort, id, place.n))
	}
	tx.delete(key)
	state.rows -= uint64(len(doc.rows))
	tx.put(i.key(indexStateKey), state.encode())
	return nil
}

// takenOut is about how many bytes it takes to take the document's rows out of an index, which come off the room that all
// indexes have. It reports false if they are too many.
func (d *indexedDocument) takenOut(id string, room *int) (bytes int, few bool) {
	for _, place := range d.rows {
		bytes += prefixSize + len(place.sort) + len(id) + 64
	}
	if len(d.rows) > maxUnindexed || bytes > *room {
		return 0, false
	}
	*room -= bytes
	return bytes, true
}

// rereadIndexes has the states of indexes read again.
func (c *Collection) rereadIndexes() {
	c.indexing.Lock()
	defer c.indexing.Unlock()
	for _, i := range c.indexes {
		i.mu.Lock()
		i.loaded = false
		i.mu.Unlock()
		i.blocks.forget()
	}
}
