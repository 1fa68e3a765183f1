package syncstore

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// IndexID names an index of a collection: a hash of what its rows depend on.
type IndexID [16]byte

// String is the name in hex digits.
func (id IndexID) String() string { return hex.EncodeToString(id[:]) }

// IndexRow is what a Mapper makes of a document.
type IndexRow struct {
	// Sort is where the row belongs: rows are in the order of these bytes, and where they are
	// equal in the order of the documents' IDs. No Sort may be the beginning of another one,
	// nor be longer than MaxSort.
	Sort []byte
	// Key and Value are kept as they are.
	Key, Value []byte
}

const (
	// MaxSort is the longest IndexRow.Sort, in bytes.
	MaxSort = 8 << 10
	// MaxSorts is how long those of one document may be together: where its rows are is in one record.
	MaxSorts = 32 << 20
)

// Mapper makes the rows of documents. It is called by one goroutine at a time.
type Mapper interface {
	// Map returns the rows of each document in the order of their Sort, those of equal Sort in
	// the order in which they are to be. A document that it cannot map has none; an error ends the building
	// behind the documents whose rows are returned with it.
	// Of many rows it may return those of the first documents only, of one at least: it is asked again for the others.
	Map(ctx context.Context, docs []*Document) ([][]IndexRow, error)
}

// Index has rows of documents in an order of their own. It follows the collection when Update
// is called. Its rows and the sequence up to which it covers the collection are written
// together: what a stop interrupts is as if it had not begun.
type Index struct {
	collection *Collection
	id         IndexID

	mu     sync.Mutex
	loaded bool
	state  indexState
	run    *indexRun     // nil: nobody builds
	moved  chan struct{} // closed when the state moved, or the run ended

	blocks   indexBlocks
	counting atomic.Bool // the blocks, in the background

	gone     sync.RWMutex // held for writing while the index is dropped
	dropping atomic.Int32 // how many want to drop it
}

// indexState is what is stored of an index.
type indexState struct {
	seq  uint64 // up to which it covers the collection
	rows uint64
	// reach is seq, or that of a document of many rows some of which are written already.
	reach uint64
	// changes counts commits, so that a state is another one after each.
	changes uint64
}

// indexRun is a building that goes on.
type indexRun struct {
	until uint64
	done  bool
	err   error
}

// Kinds of keys in an index, behind its name.
const (
	indexStateKey = 0x00 // → indexState
	indexDocument = 0x01 // document ID → indexedDocument
	indexRows     = 0x02 // sort, document ID, number → key and value
)

func (s scope) index(id IndexID, kind byte) []byte {
	return append(append(s.prefix(kindIndex, 64), id[:]...), kind)
}

func (i *Index) key(kind byte) []byte { return i.collection.scope.index(i.id, kind) }

func (i *Index) documentKey(id string) []byte { return append(i.key(indexDocument), id...) }

// rowKey is where a row of a document is.
func (i *Index) rowKey(sort []byte, id string, n int) []byte {
	key := appendTerminated(append(i.key(indexRows), sort...), id)
	return binary.BigEndian.AppendUint32(key, uint32(n))
}

// Index returns an index of the collection, which may be empty so far.
func (c *Collection) Index(id IndexID) *Index {
	c.indexing.Lock()
	defer c.indexing.Unlock()
	if c.indexes == nil {
		c.indexes = make(map[IndexID]*Index)
	}
	i, ok := c.indexes[id]
	if !ok {
		i = &Index{collection: c, id: id, moved: make(chan struct{})}
		c.indexes[id] = i
	}
	return i
}

// Covers is the sequence up to which the index covers the collection, and how many rows it has.
func (i *Index) Covers(ctx context.Context) (seq, rows uint64, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	err = i.load(ctx)
	return i.state.seq, i.state.rows, err
}

// Building is the sequence that a building is to reach, false if nobody builds.
func (i *Index) Building() (until uint64, running bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.run == nil {
		return 0, false
	}
	return i.run.until, true
}

// load reads the state, once. mu is held.
func (i *Index) load(ctx context.Context) error {
	if i.loaded {
		return nil
	}
	err := i.collection.store.engine.View(ctx, func(r engine.Reader) (err error) {
		i.state, err = i.readState(r.Get)
		return err
	})
	i.loaded = err == nil
	return err
}

const (
	indexFormat      = 1
	indexStateFormat = 2
)

// readState is zero for an index of which there is nothing.
func (i *Index) readState(get func([]byte) ([]byte, error)) (state indexState, err error) {
	record, err := get(i.key(indexStateKey))
	if errors.Is(err, engine.ErrNotFound) {
		return state, nil
	}
	if err != nil {
		return state, fmt.Errorf("reading an index: %w", err)
	}
	d := decoder{b: record}
	switch format := d.byte(); {
	case format == 1:
		return state, nil // it is built anew
	case format != indexStateFormat && d.err == nil:
		return state, fmt.Errorf("%w: format %d of an index", ErrDamaged, format)
	}
	state.seq, state.rows, state.reach, state.changes = d.uvarint(), d.uvarint(), d.uvarint(), d.uvarint()
	return state, d.end()
}

func (s indexState) encode() []byte {
	e := encoder{}
	e.byte(indexStateFormat)
	e.uvarint(s.seq)
	e.uvarint(s.rows)
	e.uvarint(s.reach)
	e.uvarint(s.changes)
	return e.b
}

// Update has the index cover the collection up to a sequence at least, and waits for that. The
// building goes on when ctx ends, so that whoever asks again waits less.
func (i *Index) Update(ctx context.Context, m Mapper, until uint64) error {
	for {
		i.mu.Lock()
		if err := i.load(ctx); err != nil {
			i.mu.Unlock()
			return err
		}
		if i.state.seq >= until {
			i.mu.Unlock()
			return nil
		}
		run := i.begin(m, until)
		moved := i.moved
		i.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-i.collection.store.ctx.Done():
			return ErrUnavailable
		case <-i.collection.db.done:
			return ErrNoDatabase
		}
		i.mu.Lock()
		done, err := run.done, run.err
		i.mu.Unlock()
		if done && err != nil {
			return err
		}
	}
}

// Start is Update without waiting.
func (i *Index) Start(m Mapper, until uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.load(i.collection.store.ctx); err == nil && i.state.seq < until {
		i.begin(m, until)
	}
}

// begin joins the building that goes on, or begins one. mu is held.
func (i *Index) begin(m Mapper, until uint64) *indexRun {
	if i.run == nil {
		run := &indexRun{}
		i.run = run
		i.collection.store.start(func() { i.build(run, m) })
	}
	i.run.until = max(i.run.until, until)
	return i.run
}

// advance notes how far the index is, and tells those who wait. It reports whether the building
// has reached what is wanted of it, which ends it.
func (i *Index) advance(run *indexRun, state indexState, err error) (ended bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err == nil {
		i.state = state
	} else {
		i.loaded = false // what was committed last is not known
	}
	close(i.moved)
	i.moved = make(chan struct{})
	if err == nil && state.seq < run.until {
		return false
	}
	run.done, run.err, i.run = true, err, nil
	return true
}

// ErrIndexDropped says that an index was dropped, or emptied to be built anew, while it was built or
// read.
var ErrIndexDropped = errors.New("the index was dropped")

// Drop removes the index, and ends the building that goes on.
func (i *Index) Drop(ctx context.Context) error {
	i.dropping.Add(1)
	defer i.dropping.Add(-1)
	i.gone.Lock()
	defer i.gone.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	prefix := slices.Concat(i.collection.scope.prefix(kindIndex, 0), i.id[:])
	err := i.collection.store.clearRange(i.collection.db, engine.PrefixRange(prefix))
	i.blocks.forget()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.loaded = false
	if err != nil {
		return fmt.Errorf("dropping an index: %w", err)
	}
	i.collection.indexDropped(i.id)
	return nil
}
