package syncstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const (
	// indexPage is how many documents are mapped at once, and indexPageBytes what their bodies
	// may have, but for the last one.
	indexPage      = 400
	indexPageBytes = 2 << 20
	// indexReads is how many documents are read at once.
	indexReads = 20
	// indexSetKeys and indexSetBytes bound a change set of an index, but for one document's
	// rows of more bytes.
	indexSetKeys  = maxBackgroundKeys - 50
	indexSetBytes = 256 << 10
)

// errRebuilt: the index is not as it was left; it is read again.
var errRebuilt = errors.New("the index was written by somebody else")

// errPieceFull: the documents that were read are enough for a page.
var errPieceFull = errors.New("the page is full")

// indexedPage is a piece of the feed with its rows.
type indexedPage struct {
	entries []indexedEntry
	// until is the sequence that is covered with it.
	until uint64
	err   error
}

// indexedEntry is a document as it was when it was mapped.
type indexedEntry struct {
	id       string
	seq      uint64
	channels []string
	rows     []IndexRow
}

// indexedDocument is what is stored of a document: who may see its rows, and where they are.
type indexedDocument struct {
	channels []string
	rows     []rowPlace
}

type rowPlace struct {
	sort []byte
	n    int
}

// build follows the collection until the run has reached what is wanted of it. Documents are
// read and mapped while the rows of those before are committed.
func (i *Index) build(run *indexRun, m Mapper) {
	i.gone.RLock()
	defer i.gone.RUnlock()
	state, err := i.prepareBuild()
	for err == nil {
		if state, err = i.follow(run, m, state); err == nil {
			return
		}
		if errors.Is(err, errRebuilt) {
			state, err = i.prepareBuild()
		}
	}
	i.advance(run, state, err)
}

// prepareBuild reads how far the index is. Of one that was not dropped to the end, the rest is.
func (i *Index) prepareBuild() (state indexState, err error) {
	c := i.collection
	err = c.store.engine.View(c.store.ctx, func(r engine.Reader) (err error) {
		state, err = i.readState(r.Get)
		return err
	})
	if err != nil || state.seq != 0 {
		return state, err
	}
	prefix := slices.Concat(c.scope.prefix(kindIndex, 0), i.id[:])
	return indexState{}, c.store.clearRange(c.db, engine.PrefixRange(prefix))
}

// follow builds until the run has ended.
func (i *Index) follow(run *indexRun, m Mapper, state indexState) (indexState, error) {
	ctx, cancel := context.WithCancel(i.collection.store.ctx)
	defer cancel()
	pages := make(chan indexedPage)
	go func() {
		defer close(pages)
		for after := state.seq; ; {
			page := i.mapPage(ctx, m, after)
			select {
			case pages <- page:
			case <-ctx.Done():
				return
			}
			if page.err != nil {
				return
			}
			if after = page.until; len(page.entries) == 0 && !i.wants(ctx, run, after) {
				return
			}
		}
	}()
	for page := range pages {
		if page.err != nil {
			return state, page.err
		}
		w := indexWriter{index: i, state: state}
		if err := w.write(ctx, page); err != nil {
			return state, err
		}
		if state = w.state; i.advance(run, state, nil) {
			return state, nil
		}
		if i.dropping.Load() > 0 {
			return state, ErrIndexDropped
		}
	}
	if err := i.collection.store.ctx.Err(); err != nil {
		return state, ErrUnavailable
	}
	return state, errRebuilt // there is more to do than when the last page was read
}

// wants reports whether the run has to go beyond a sequence.
func (i *Index) wants(ctx context.Context, run *indexRun, after uint64) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return ctx.Err() == nil && !run.done && run.until > after
}

// mapPage reads documents that were written after a sequence, and maps them.
func (i *Index) mapPage(ctx context.Context, m Mapper, after uint64) (page indexedPage) {
	var docs []*Document
	var owners []int
	page.err = i.collection.store.engine.View(ctx, func(r engine.Reader) error {
		var ids []string
		page, docs, owners = indexedPage{}, nil, nil
		counts, err := readCounters(r, i.collection.scope)
		if err != nil {
			return err
		}
		if ids, page.until, err = i.collection.changedAfter(r, after, counts.Seq); err != nil {
			return err
		}
		size, full := 0, uint64(0)
		err = i.collection.indexedHeads(r, ids, func(id string, h *head) error {
			winner := h.winner()
			page.entries = append(page.entries, indexedEntry{id: id, seq: h.Seq, channels: winner.Channels})
			if winner.Deleted {
				return nil
			}
			if size += len(h.Body); size > indexPageBytes {
				full = h.Seq
			}
			v := view{collection: i.collection, reader: r, id: id, head: h}
			doc, err := v.get(GetOptions{Conflicts: true})
			if err != nil {
				return err
			}
			docs, owners = append(docs, doc), append(owners, len(page.entries)-1)
			if full != 0 {
				return errPieceFull
			}
			return nil
		})
		if errors.Is(err, errPieceFull) {
			page.until, err = full, nil
		}
		return err
	})
	if page.err != nil || len(docs) == 0 {
		return page
	}
	rows, err := m.Map(ctx, docs)
	if page.err = err; err != nil {
		return page
	}
	for n, owner := range owners {
		page.entries[owner].rows = rows[n]
	}
	return page
}

// changedAfter returns the documents that changed after a sequence, some, and the sequence up
// to which these are all.
func (c *Collection) changedAfter(r engine.Reader, after, current uint64) (ids []string, until uint64, err error) {
	scan := engine.Range{
		Start: c.scope.seq(after + 1), End: engine.PrefixEnd(c.scope.prefix(kindSeq, 0)), Limit: indexPage,
	}
	var change Change
	pairs, failed := r.Scan(scan)
	for key, record := range pairs {
		if len(key) != prefixSize+8 {
			return nil, 0, fmt.Errorf("%w: key of a row", ErrDamaged)
		}
		seq := binary.BigEndian.Uint64(key[prefixSize:])
		if err := change.decode(seq, record); err != nil {
			return nil, 0, err
		}
		if ids = append(ids, string(change.ID)); len(ids) == indexPage {
			return ids, seq, nil
		}
	}
	if err := failed(); err != nil {
		return nil, 0, fmt.Errorf("reading changes: %w", err)
	}
	return ids, max(after, current), nil
}

// indexedHeads reads the heads of documents.
func (c *Collection) indexedHeads(r engine.Reader, ids []string, fn func(string, *head) error) error {
	for page := range slices.Chunk(ids, indexReads) {
		keys := make([][]byte, len(page))
		for n, id := range page {
			keys[n] = c.scope.head(id)
		}
		records, err := r.GetMany(keys)
		if err != nil {
			return fmt.Errorf("reading documents: %w", err)
		}
		for n, record := range records {
			if record == nil {
				continue
			}
			h, err := decodeHead(record)
			if err != nil {
				return err
			}
			if err := fn(page[n], h); err != nil {
				return err
			}
		}
	}
	return nil
}

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
	olds, err := w.index.indexedDocuments(ctx, page.entries)
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
	return w.commit()
}

func (w *indexWriter) begin() { w.set, w.next = &changeSet{db: w.index.collection.db}, w.state }

// document adds what a document's rows need to the set.
func (w *indexWriter) document(e *indexedEntry, old *indexedDocument) error {
	if old == nil && len(e.rows) == 0 {
		w.next.seq = e.seq
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
	w.next.seq = e.seq
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
	w.set.put(i.key(indexStateKey), w.next.encode())
	w.set.apply = func(tx *overlay) error {
		found, err := i.readState(tx.get)
		if err == nil && found != before {
			err = errRebuilt
		}
		return err
	}
	i.collection.store.committer.commitBackground(w.set)
	if w.set.err != nil {
		return w.set.err
	}
	w.state = w.next
	w.begin()
	return nil
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

// indexedDocuments reads what is stored of documents, nil for nothing.
func (i *Index) indexedDocuments(ctx context.Context, entries []indexedEntry) (all []*indexedDocument, err error) {
	keys := make([][]byte, len(entries))
	for n := range entries {
		keys[n] = i.documentKey(entries[n].id)
	}
	err = i.collection.store.engine.View(ctx, func(r engine.Reader) error {
		all, err = readIndexed(r, keys)
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

func (d *indexedDocument) encode() []byte {
	e := encoder{}
	e.byte(indexFormat)
	e.uvarint(uint64(len(d.channels)))
	for _, name := range d.channels {
		e.text(name)
	}
	e.uvarint(uint64(len(d.rows)))
	for _, place := range d.rows {
		e.bytes(place.sort)
		e.uvarint(uint64(place.n))
	}
	return e.b
}

func decodeIndexed(record []byte) (*indexedDocument, error) {
	d := decoder{b: record}
	if format := d.byte(); format != indexFormat && d.err == nil {
		return nil, fmt.Errorf("%w: format %d of an indexed document", ErrDamaged, format)
	}
	doc := &indexedDocument{}
	for range d.count(1) {
		doc.channels = append(doc.channels, d.text())
	}
	for range d.count(2) {
		doc.rows = append(doc.rows, rowPlace{d.bytes(), int(d.uvarint())})
	}
	return doc, d.end()
}

func (r *IndexRow) encode() []byte {
	e := encoder{b: make([]byte, 0, len(r.Key)+len(r.Value)+8)}
	e.uvarint(uint64(len(r.Sort))) // where the document's ID begins in the row's key
	e.bytes(r.Key)
	e.raw(r.Value)
	return e.b
}
