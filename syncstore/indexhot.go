package syncstore

import (
	"bytes"
	"sort"
	"sync"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

const (
	// hotShare: rows of indexes may have one part in so many of what documents have.
	hotShare = 2
	// usualRow is about what a row takes in memory, and largeBlock what the rows of a block may
	// have that are kept.
	usualRow   = 200
	largeBlock = 256 << 10
)

// hotRows are the rows of blocks that are kept in memory, for who looks for a key: those of
// indexes that fit.
type hotRows struct {
	limit int64

	mu    sync.Mutex
	size  int64
	queue []hotBlock // the oldest first
}

type hotBlock struct {
	block *IndexBlock
	size  int64
}

// keep keeps the rows of a block, and drops the oldest if that is too much.
func (h *hotRows) keep(block *IndexBlock, rows []*IndexEntry, size int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	block.hot.Store(&rows)
	h.queue = append(h.queue, hotBlock{block, size})
	h.size += size
	for h.size > h.limit && len(h.queue) > 1 {
		h.queue[0].block.hot.Store(nil)
		h.size -= h.queue[0].size
		h.queue[0] = hotBlock{}
		h.queue = h.queue[1:]
	}
}

// hotBlock returns the rows of a block of a list, nil if they are not in memory. They are read when
// somebody asks for the second time.
func (v *IndexView) hotBlock(list *blockList, n int) ([]*IndexEntry, error) {
	block, hot := list.all[n], &v.index.collection.store.hot
	if rows := block.hot.Load(); rows != nil {
		return *rows, nil
	}
	if int64(v.Rows)*usualRow > hot.limit || !block.asked.Swap(true) {
		return nil, nil
	}
	var rows []*IndexEntry
	size := int64(0)
	err := v.Scan(IndexRange{floor: block.start, ceiling: list.end(n)}, func(entry *IndexEntry) (bool, error) {
		rows = append(rows, entry)
		size += usualRow + int64(len(entry.Key)+len(entry.Value)+len(entry.At))
		return size < largeBlock, nil
	})
	if err != nil || size >= largeBlock {
		return nil, err
	}
	hot.keep(block, rows, size)
	return rows, nil
}

// scanHot is ScanCounting where the block with the first rows is in memory. done is false if it is
// not.
func (v *IndexView) scanHot(list *blockList, in IndexRange, scan engine.Range, fn func(*IndexEntry) (bool, error)) (before int, done bool, err error) {
	prefix := v.index.key(indexRows)
	low := scan.Start[len(prefix):]
	n := list.find(low)
	rows, err := v.hotBlock(list, n)
	if err != nil || rows == nil {
		return 0, false, err
	}
	var high []byte // nil: open
	if bytes.Compare(scan.End, engine.PrefixEnd(prefix)) < 0 {
		high = scan.End[len(prefix):]
	}
	first := sort.Search(len(rows), func(i int) bool { return bytes.Compare(rows[i].At, low) >= 0 })
	before = int((*list.before.Load())[n]) + first
	for _, entry := range rows[first:] {
		if high != nil && bytes.Compare(entry.At, high) >= 0 {
			return before, true, nil
		}
		if more, err := fn(entry); err != nil || !more {
			return before, true, err
		}
	}
	end := list.end(n)
	if end == nil || high != nil && bytes.Compare(end, high) >= 0 {
		return before, true, nil
	}
	return before, true, v.Scan(in.between(end, nil), fn)
}
