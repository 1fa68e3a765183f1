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
	next  indexState // with what is in the set
	set   *changeSet
}

// write commits a page.
func (w *indexWriter) write(ctx context.Context, page indexedPage) error {
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
	if page.until <= w.next.seq && len(w.set.ops) == 0 {
		return nil
	}
	w.next.seq = max(w.next.seq, page.until)
	w.next.reach = w.next.seq
	return w.commit()
}

func (w *indexWriter) begin() { w.set, w.next = &changeSet{db: w.index.collection.db}, w.state }

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
	if len(e.rows)+len(ended)+1 > indexSetKeys {
		return w.large(e, &now, old, ended)
	}
	if keys := len(w.set.ops) + len(e.rows) + len(ended) + 1; keys > indexSetKeys || w.set.size > indexSetBytes {
		if err := w.commit(); err != nil {
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

// finish notes what is stored of the document from now on.
func (w *indexWriter) finish(e *indexedEntry, now, old *indexedDocument) {
	if len(now.rows) == 0 {
		w.set.delete(w.index.documentKey(e.id))
	} else {
		w.set.put(w.index.documentKey(e.id), now.encode())
	}
	w.next.seq, w.next.reach = e.seq, e.seq
	w.next.rows += uint64(len(now.rows))
	if old != nil {
		w.next.rows -= uint64(len(old.rows))
	}
}

// large writes a document of more rows than a set may have. What is stored of it names, until
// the last of its rows is there, those of before and those to come: after a stop in between,
// none of them is forgotten.
func (w *indexWriter) large(e *indexedEntry, now, old *indexedDocument, ended []rowPlace) error {
	if err := w.commit(); err != nil {
		return err
	}
	both := indexedDocument{channels: e.channels, rows: slices.Concat(now.rows, ended)}
	counted := &indexedDocument{rows: both.rows}
	w.set.put(w.index.documentKey(e.id), both.encode())
	w.next.reach = e.seq
	w.next.rows += uint64(len(both.rows))
	if old != nil {
		w.next.rows -= uint64(len(old.rows))
	}
	more := func() error {
		if len(w.set.ops) < indexSetKeys && w.set.size < indexSetBytes {
			return nil
		}
		return w.commit()
	}
	for _, place := range ended {
		w.set.delete(w.index.rowKey(place.sort, e.id, place.n))
		if err := more(); err != nil {
			return err
		}
	}
	for n := range e.rows {
		w.set.put(w.index.rowKey(e.rows[n].Sort, e.id, n), e.rows[n].encode())
		if err := more(); err != nil {
			return err
		}
	}
	w.finish(e, now, counted)
	return nil
}

// commit hands the set to the committer, which refuses it if the index is not as it was left.
func (w *indexWriter) commit() error {
	if len(w.set.ops) == 0 && w.next == w.state {
		return nil
	}
	before, i := w.state, w.index
	w.next.changes++
	w.set.put(i.key(indexStateKey), w.next.encode())
	w.set.apply = func(tx *overlay) error {
		found, err := i.readState(tx.get)
		if err == nil && found != before {
			err = errRebuilt
		}
		return err
	}
	if before.changes == 0 {
		i.collection.indexBegins(i.id)
	}
	i.blocks.begin(before, w.next, i.blockSize(), w.places())
	i.collection.store.committer.commitBackground(w.set)
	i.blocks.end(w.next, w.set.err == nil)
	if w.set.err != nil {
		return w.set.err
	}
	w.state = w.next
	w.begin()
	return nil
}

// places are those of the rows in the set.
func (w *indexWriter) places() (all [][]byte) {
	prefix := w.index.key(indexRows)
	for n := range w.set.ops {
		if place, ok := bytes.CutPrefix(w.set.ops[n].key, prefix); ok {
			all = append(all, place)
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
