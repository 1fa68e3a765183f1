package syncstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

const (
	// indexPageBytes is what the bodies of documents may have that are mapped at once, but for the
	// last one.
	indexPageBytes = 2 << 20
	// indexSetKeys and indexSetBytes bound a change set of an index, but for one document's
	// rows of up to indexRowBytes: a transaction takes no more than some megabytes.
	indexSetKeys  = maxBackgroundKeys - 50
	indexSetBytes = 256 << 10
	indexRowBytes = 1 << 20
)

// errRebuilt: the index is not as it was left; it is read again.
var errRebuilt = errors.New("the index was written by somebody else")

// errPieceFull: the documents that were read are enough for a page.
var errPieceFull = errors.New("the page is full")

// errNothingMapped: a mapper that maps nothing would be asked for ever.
var errNothingMapped = errors.New("no document was mapped")

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
	created  uint64 // the sequence at which it was made
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

// prepareBuild reads how far the index is. Of one that was not dropped to the end, the rest is. What is new is
// noted in the store before anything is mapped: a document whose purge was committed before that is not on the
// first page, and each later purge finds the index.
func (i *Index) prepareBuild() (state indexState, err error) {
	c := i.collection
	err = c.store.engine.View(c.store.ctx, func(r engine.Reader) (err error) {
		state, err = i.readState(r.Get)
		return err
	})
	if err != nil || state.seq != 0 {
		return state, err
	}
	i.blocks.forget()
	c.indexBegins(i.id)
	prefix := slices.Concat(c.scope.prefix(kindIndex, 0), i.id[:])
	if err := c.store.clearRange(c.db, engine.PrefixRange(prefix)); err != nil {
		return state, err
	}
	state = indexState{changes: 1}
	set := &changeSet{db: c.db}
	set.put(i.key(indexStateKey), state.encode())
	c.store.committer.commitBackground(set)
	return state, set.err
}

// follow builds until the run has ended.
func (i *Index) follow(run *indexRun, m Mapper, state indexState) (indexState, error) {
	ctx, cancel := context.WithCancel(i.collection.store.ctx)
	pages := make(chan indexedPage)
	defer func() {
		cancel()
		for range pages { // until m is not used any more: it is for one at a time
		}
	}()
	go func() {
		defer close(pages)
		pace := indexPace{committer: i.collection.store.committer}
		for after := state.seq; ; {
			page := i.mapPage(ctx, m, after, pace.begin())
			pace.mapped()
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
			pace.rest(ctx, i.left(run, after)) // not before: somebody may wait for this page only
		}
	}()
	for page := range pages {
		if page.err != nil && len(page.entries) == 0 {
			return state, page.err
		}
		w := indexWriter{index: i, state: state}
		if err := w.write(ctx, page); err != nil {
			return state, err
		}
		if state = w.state; page.err != nil {
			return state, page.err
		}
		if i.advance(run, state, nil) {
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

// left is how many sequences the run has to go beyond one.
func (i *Index) left(run *indexRun, after uint64) uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return max(run.until, after) - after
}

// mapPage reads documents that were written after a sequence, and maps them.
func (i *Index) mapPage(ctx context.Context, m Mapper, after uint64, limit int) (page indexedPage) {
	var docs []*Document
	var owners []int
	page.err = i.collection.store.engine.View(ctx, func(r engine.Reader) error {
		var ids []string
		page, docs, owners = indexedPage{}, nil, nil
		counts, err := readCounters(r, i.collection.scope)
		if err != nil {
			return err
		}
		if ids, page.until, err = i.collection.changedAfter(r, after, counts.Seq, limit); err != nil {
			return err
		}
		size, full := 0, uint64(0)
		err = i.collection.indexedHeads(r, ids, func(id string, h *head) error {
			winner := h.winner()
			page.entries = append(page.entries, indexedEntry{id: id, seq: h.Seq, created: h.Created, channels: winner.Channels})
			if winner.Deleted {
				return nil
			}
			v := view{collection: i.collection, reader: r, id: id, head: h}
			doc, err := v.get(GetOptions{Conflicts: true})
			if err != nil {
				return err
			}
			docs, owners = append(docs, doc), append(owners, len(page.entries)-1)
			if size += len(h.Body); size > indexPageBytes {
				full = h.Seq
				return errPieceFull
			}
			return nil
		})
		if errors.Is(err, errPieceFull) {
			page.until, err = full, nil
		}
		return err
	})
	if page.err != nil {
		return indexedPage{err: page.err}
	}
	if len(docs) == 0 {
		return page
	}
	rows, err := m.Map(ctx, docs)
	for n := range rows {
		page.entries[owners[n]].rows = rows[n]
	}
	page.cut(owners, len(rows), err)
	return page
}

// cut leaves the documents for the next page that were not mapped, be it for an error, and what was changed after them.
func (p *indexedPage) cut(owners []int, mapped int, err error) {
	p.err = err
	switch {
	case mapped == len(owners):
	case mapped == 0 && err != nil:
		p.entries = nil
	case mapped == 0:
		p.err = errNothingMapped
	default:
		p.entries = p.entries[:owners[mapped]]
		p.until = p.entries[len(p.entries)-1].seq
	}
}

// changedAfter returns the documents that changed after a sequence, some, and the sequence up
// to which these are all.
func (c *Collection) changedAfter(r engine.Reader, after, current uint64, limit int) (ids []string, until uint64, err error) {
	scan := engine.Range{
		Start: c.scope.seq(after + 1), End: engine.PrefixEnd(c.scope.prefix(kindSeq, 0)), Limit: limit,
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
		if ids = append(ids, string(change.ID)); len(ids) == limit {
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
	for page := range slices.Chunk(ids, readsAtOnce) {
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
			if err == nil {
				err = fn(page[n], h)
			}
			if errors.Is(err, ErrDamagedDocument) {
				// The others must not be missing for the sake of one.
				c.store.logger.Error("a document cannot be read; it is not in an index", zap.Stringer("collection", c.id), zap.String("document", page[n]), zap.Error(err))
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
