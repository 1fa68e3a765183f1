package syncstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// indexWriter commits pages of an index.
type indexWriter struct {
	index *Index
	state indexState // as it is committed
	next  indexState // with what is in the sets
	begun indexState // with what is in the sealed ones
	set   *changeSet // that is gathered
	// sealed are sets that are done. They are committed together, one after the other.
	sealed []*changeSet
}

// indexSets is how many sets are committed together: as many as a group of the committer may have.
const indexSets = 2

// write commits a page.
func (w *indexWriter) write(ctx context.Context, page indexedPage) error {
	w.next = w.state
	w.begin()
	olds, err := w.index.indexedDocuments(ctx, page.entries, w.state.reach)
	if err != nil {
		return err
	}
	for n := range page.entries {
		if err := ctx.Err(); err != nil {
			return ErrUnavailable
		}
		if err := w.document(&page.entries[n], olds[n]); err != nil {
			return err
		}
	}
	w.next.seq = max(w.next.seq, page.until)
	w.next.reach = w.next.seq
	if err := w.seal(); err != nil {
		return err
	}
	return w.commit()
}

// begin begins a set, which is refused if the index is not as it is with what is sealed.
func (w *indexWriter) begin() {
	before, i := w.next, w.index
	w.begun = before
	w.set = &changeSet{db: i.collection.db, apply: func(tx *overlay) error {
		found, err := i.readState(tx.get)
		if err == nil && found != before {
			err = errRebuilt
		}
		return err
	}}
}

// document adds what a document's rows need to the set.
func (w *indexWriter) document(e *indexedEntry, old *indexedDocument) error {
	if old == nil && len(e.rows) == 0 {
		w.next.seq, w.next.reach = e.seq, e.seq
		return nil
	}
	now := indexedDocument{channels: e.channels}
	for n := range e.rows {
		now.rows = append(now.rows, rowPlace{e.rows[n].Sort, n})
	}
	var ended []rowPlace
	if old != nil {
		ended = missingFrom(now.rows, old.rows)
	}
	if len(e.rows)+len(ended)+1 > indexSetKeys || bytesOfRows(e, ended) > indexRowBytes {
		return w.large(e, &now, old, ended)
	}
	if keys := len(w.set.ops) + len(e.rows) + len(ended) + 1; keys > indexSetKeys || w.set.size > indexSetBytes {
		if err := w.seal(); err != nil {
			return err
		}
	}
	for _, place := range ended {
		w.set.delete(w.index.rowKey(place.sort, e.id, place.n))
	}
	for n := range e.rows {
		w.set.put(w.index.rowKey(e.rows[n].Sort, e.id, n), e.rows[n].encode())
	}
	w.finish(e, &now, old)
	return nil
}

// bytesOfRows is about how many bytes a set needs for a document's rows, and for those that ended.
func bytesOfRows(e *indexedEntry, ended []rowPlace) (sum int) {
	for n := range e.rows {
		sum += len(e.rows[n].Sort) + len(e.id) + len(e.rows[n].Key) + len(e.rows[n].Value)
	}
	for _, place := range ended {
		sum += len(place.sort) + len(e.id)
	}
	return sum
}

// finish notes what is stored of the document from now on.
func (w *indexWriter) finish(e *indexedEntry, now, old *indexedDocument) {
	w.note(e.id, now, old)
	w.next.seq, w.next.reach = e.seq, e.seq
}

// note puts what is stored of a document into the set, in the place of what was.
func (w *indexWriter) note(id string, now, old *indexedDocument) {
	if len(now.rows) == 0 {
		w.set.delete(w.index.documentKey(id))
	} else {
		w.set.put(w.index.documentKey(id), now.encode())
	}
	w.next.rows += uint64(len(now.rows))
	if old != nil {
		w.next.rows -= uint64(len(old.rows))
	}
}

// large writes a document of more rows, or larger ones, than a set may have. What is stored of it names, until
// the last of its rows is there, all rows that are: after a stop in between none of them is forgotten. Until then
// old and new ones are beside each other, so that they are for those only who could see either.
func (w *indexWriter) large(e *indexedEntry, now, old *indexedDocument, ended []rowPlace) error {
	if err := w.seal(); err != nil {
		return err
	}
	w.next.reach = e.seq
	meanwhile := &indexedDocument{channels: e.channels, rows: now.rows}
	if old != nil {
		meanwhile.channels = inBoth(e.channels, old.channels)
		if err := w.end(e.id, meanwhile.channels, old, ended); err != nil {
			return err
		}
	}
	w.note(e.id, meanwhile, old)
	for n := range e.rows {
		w.set.put(w.index.rowKey(e.rows[n].Sort, e.id, n), e.rows[n].encode())
		if err := w.more(); err != nil {
			return err
		}
	}
	w.finish(e, now, meanwhile)
	return nil
}

// end deletes the rows of a document that ended, which is for those of some channels from now on.
func (w *indexWriter) end(id string, channels []string, old *indexedDocument, ended []rowPlace) error {
	if !slices.Equal(channels, old.channels) {
		w.note(id, &indexedDocument{channels: channels, rows: old.rows}, old)
		if err := w.more(); err != nil {
			return err
		}
	}
	for _, place := range ended {
		w.set.delete(w.index.rowKey(place.sort, id, place.n))
		if err := w.more(); err != nil {
			return err
		}
	}
	return nil
}

// more seals the set if it has enough.
func (w *indexWriter) more() error {
	if len(w.set.ops) < indexSetKeys && w.set.size < indexSetBytes {
		return nil
	}
	return w.seal()
}

// inBoth are the channels of a list that are in another one too.
func inBoth(channels, others []string) (both []string) {
	for _, name := range channels {
		if slices.Contains(others, name) {
			both = append(both, name)
		}
	}
	return both
}

// seal ends the set that is gathered, if something is in it.
func (w *indexWriter) seal() error {
	if len(w.set.ops) == 0 && w.next == w.begun {
		return nil
	}
	w.next.changes++
	w.set.put(w.index.key(indexStateKey), w.next.encode())
	w.sealed = append(w.sealed, w.set)
	w.begin()
	if len(w.sealed) < indexSets {
		return nil
	}
	return w.commit()
}

// commit hands what is sealed to the committer, which refuses it if the index is not as it was left.
func (w *indexWriter) commit() error {
	if len(w.sealed) == 0 {
		return nil
	}
	i := w.index
	i.blocks.begin(w.state, w.next, i.blockSize(), w.places())
	i.collection.store.committer.commitBackground(w.sealed...)
	var err error
	for _, set := range w.sealed {
		if err = set.err; err != nil {
			break
		}
	}
	i.blocks.end(w.next, err == nil)
	if err != nil {
		return err
	}
	w.state, w.sealed = w.next, nil
	return nil
}

// places are those of the rows in the sets.
func (w *indexWriter) places() (all [][]byte) {
	prefix := w.index.key(indexRows)
	for _, set := range w.sealed {
		for n := range set.ops {
			if place, ok := bytes.CutPrefix(set.ops[n].key, prefix); ok {
				all = append(all, place)
			}
		}
	}
	return all
}

// missingFrom are the places of old that are not in now. Both are in order.
func missingFrom(now, old []rowPlace) (ended []rowPlace) {
	for _, place := range old {
		_, found := slices.BinarySearchFunc(now, place, rowPlace.compare)
		if !found {
			ended = append(ended, place)
		}
	}
	return ended
}

func (p rowPlace) compare(q rowPlace) int {
	if order := bytes.Compare(p.sort, q.sort); order != 0 {
		return order
	}
	return p.n - q.n
}

// indexedDocuments reads what is stored of documents, nil for nothing. There is nothing of those
// that were made after what the index reaches.
func (i *Index) indexedDocuments(ctx context.Context, entries []indexedEntry, reach uint64) ([]*indexedDocument, error) {
	all := make([]*indexedDocument, len(entries))
	var keys [][]byte
	var owners []int
	for n := range entries {
		if entries[n].created <= reach {
			keys, owners = append(keys, i.documentKey(entries[n].id)), append(owners, n)
		}
	}
	if len(keys) == 0 {
		return all, nil
	}
	err := i.collection.store.engine.View(ctx, func(r engine.Reader) error {
		docs, err := readIndexed(r, keys)
		for n := range docs {
			all[owners[n]] = docs[n]
		}
		return err
	})
	return all, err
}

func readIndexed(r engine.Reader, keys [][]byte) ([]*indexedDocument, error) {
	records, err := r.GetMany(keys)
	if err != nil {
		return nil, fmt.Errorf("reading an index: %w", err)
	}
	all := make([]*indexedDocument, len(records))
	for n, record := range records {
		if record == nil {
			continue
		}
		if all[n], err = decodeIndexed(record); err != nil {
			return nil, err
		}
	}
	return all, nil
}
