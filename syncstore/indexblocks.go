package syncstore

import (
	"bytes"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

const (
	// usualIndexBlock is how many rows a block of an index has when it is made.
	usualIndexBlock = 256
	// keptInBlock is how many things are kept with a block.
	keptInBlock = 4
	// markedRows is how many rows lie between two that are marked.
	markedRows = 16
)

// IndexBlock is a stretch of an index's rows, from a few to some hundreds. As long as none of its
// rows changes it is the same block, so that what was made of them can be kept with it. Blocks
// are in memory only: after a start they are made anew when they are needed.
type IndexBlock struct {
	start   []byte                      // the place where it begins; nil for the first one
	counted atomic.Pointer[countedRows] // nil: not counted

	mu   sync.Mutex
	kept map[any]any

	asked atomic.Bool                   // somebody looked for a few of its rows
	hot   atomic.Pointer[[]*IndexEntry] // all its rows; nil: they are in the store only
}

// countedRows are a block's rows when they were counted. It is not changed.
type countedRows struct {
	rows int64
	// marks are the places of some rows: of the one behind markedRows rows, and so on.
	marks [][]byte
}

// add counts a row that is at a place.
func (c *countedRows) add(place []byte) {
	if c.rows > 0 && c.rows%markedRows == 0 {
		c.marks = append(c.marks, bytes.Clone(place))
	}
	c.rows++
}

func newIndexBlock(start []byte) *IndexBlock { return &IndexBlock{start: start} }

// nearest is a place at which a row of the block is, not behind another place, and how many rows
// of the block are before it.
func (b *IndexBlock) nearest(place []byte) (at []byte, rows int64) {
	marks := b.counted.Load().marks
	n := sort.Search(len(marks), func(n int) bool { return bytes.Compare(marks[n], place) > 0 })
	if n == 0 {
		return b.start, 0
	}
	return marks[n-1], int64(n) * markedRows
}

// Kept returns what was kept with the block under a key.
func (b *IndexBlock) Kept(key any) (value any, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	value, ok = b.kept[key]
	return value, ok
}

// Keep keeps a value with the block. It is shared from now on. What was kept under other keys may
// be dropped.
func (b *IndexBlock) Keep(key, value any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept == nil || len(b.kept) >= keptInBlock {
		b.kept = make(map[any]any, 1)
	}
	b.kept[key] = value
}

// blockList are the blocks of an index in one of its states. It is not changed.
type blockList struct {
	state indexState
	all   []*IndexBlock
	// before is how many rows the blocks before each have, and at its end all; nil as long as
	// some are not counted.
	before atomic.Pointer[[]int64]
}

// find returns the number of the block that a place is in.
func (l *blockList) find(place []byte) int {
	return sort.Search(len(l.all)-1, func(n int) bool { return bytes.Compare(l.all[n+1].start, place) > 0 })
}

// end is the place behind a block, nil for the last one.
func (l *blockList) end(n int) []byte {
	if n+1 < len(l.all) {
		return l.all[n+1].start
	}
	return nil
}

// indexBlocks are the blocks of an index as it is, and as it will be when what is committed just
// now can be seen: whoever reads knows by the state in the snapshot which ones are meant.
type indexBlocks struct {
	mu         sync.Mutex
	list, next *blockList // nil: there are none
}

// at returns the blocks of a state, nil if there are none. Of the newest state there always are.
func (b *indexBlocks) at(state indexState) *blockList {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.list != nil && b.list.state == state:
		return b.list
	case b.next != nil && b.next.state == state:
		return b.next
	case b.next == nil && (b.list == nil || b.list.state.changes < state.changes):
		b.list = &blockList{state: state, all: []*IndexBlock{newIndexBlock(nil)}}
		return b.list
	}
	return nil
}

// begin notes what a commit is about to do to rows.
func (b *indexBlocks) begin(before, after indexState, size int, places [][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = nil
	// Rows that move leave blocks of few rows behind; then they are made anew.
	if b.list == nil || b.list.state != before || len(b.list.all) > 16+4*int(after.rows)/size {
		b.list = nil
		return
	}
	next := &blockList{state: after, all: slices.Clone(b.list.all)}
	for _, place := range places {
		n := next.find(place)
		if block := next.all[n]; block == b.list.all[n] {
			next.all[n] = newIndexBlock(block.start)
		}
	}
	b.next = next
}

// end is called when the commit is over.
func (b *indexBlocks) end(after indexState, committed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.next != nil && committed:
		b.list = b.next
	case b.next == nil && b.list != nil && b.list.state != after:
		b.list = nil
	}
	b.next = nil
}

// forget drops the blocks.
func (b *indexBlocks) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list, b.next = nil, nil
}

// replace puts parts in the place of a block, in all lists in which it is.
func (b *indexBlocks) replace(block *IndexBlock, parts []*IndexBlock) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, list := range []**blockList{&b.list, &b.next} {
		if *list == nil {
			continue
		}
		if n := slices.Index((*list).all, block); n >= 0 {
			all := slices.Concat((*list).all[:n], parts, (*list).all[n+1:])
			*list = &blockList{state: (*list).state, all: all}
		}
	}
}
