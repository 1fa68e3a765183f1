package syncstore

import (
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// weigh notes about how much the purge of a document will take out of indexes (unindex), so that not more purges come
// into a group than a transaction takes.
func (p *purger) weigh(r engine.Reader) error {
	c := p.collection
	ids, err := c.indexIDs(r)
	if err != nil || len(ids) == 0 {
		return err
	}
	keys := make([][]byte, len(ids))
	for n, id := range ids {
		keys[n] = (&Index{collection: c, id: id}).documentKey(p.what.ID)
	}
	records, err := r.GetMany(keys)
	if err != nil {
		return fmt.Errorf("reading indexes: %w", err)
	}
	room, w := maxUnindexedBytes, &p.set.applied
	for n, record := range records {
		w.keys++ // the index's state
		w.bytes += len(keys[n])
		doc, err := decodeIndexed(record)
		if record == nil || err != nil {
			continue // the commit says what is the matter
		}
		if size, few := doc.takenOut(p.what.ID, &room); few { // or the index is dropped
			w.bytes += size
			w.keys += 1 + len(doc.rows)
		}
	}
	return nil
}
