package syncstore

import (
	"bytes"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// countedAtOnce is how many rows are counted while somebody waits. Where more have not been counted
// yet, they are counted in the background.
const countedAtOnce = 100_000

// Count counts the rows of a range, whoever may see them. It reports false if they are too many to
// be counted just now.
func (v *IndexView) Count(in IndexRange) (n int, known bool, err error) {
	if v.empty {
		return 0, true, nil
	}
	list, err := v.countedList()
	switch {
	case err != nil:
		return 0, false, err
	case list == nil && v.Rows <= countedAtOnce:
		n, err = v.countRows(in)
		return n, true, err
	case list == nil:
		return 0, false, nil
	}
	prefix := v.index.key(indexRows)
	scan := v.index.scan(in)
	low, err := v.rowsBefore(list, scan.Start[len(prefix):])
	if err != nil {
		return 0, false, err
	}
	high := (*list.before.Load())[len(list.all)]
	if bytes.Compare(scan.End, engine.PrefixEnd(prefix)) < 0 {
		high, err = v.rowsBefore(list, scan.End[len(prefix):])
	}
	return int(max(0, high-low)), true, err
}

// rowsBefore counts the rows before a place.
func (v *IndexView) rowsBefore(list *blockList, place []byte) (int64, error) {
	at, before := list.nearest(place)
	if bytes.Compare(at, place) >= 0 {
		return before, nil
	}
	rows, err := v.countRows(IndexRange{floor: at, ceiling: place})
	return before + int64(rows), err
}

// nearest is a place not behind another one, and how many rows are before it. The list is counted.
func (l *blockList) nearest(place []byte) (at []byte, rows int64) {
	n := l.find(place)
	at, rows = l.all[n].nearest(place)
	return at, rows + (*l.before.Load())[n]
}

// ScanCounting is Scan, forwards, that counts the rows before the range too. It reports false if
// they are not known just now.
func (v *IndexView) ScanCounting(in IndexRange, fn func(*IndexEntry) (bool, error)) (before int, known bool, err error) {
	if v.empty {
		return 0, true, nil
	}
	list, err := v.countedList()
	if err != nil {
		return 0, false, err
	}
	scan := v.index.scan(in)
	if list == nil || v.sight != nil {
		n, known, err := v.Count(IndexRange{ceiling: scan.Start[len(v.index.key(indexRows)):]})
		if err == nil {
			err = v.Scan(in, fn)
		}
		return n, known, err
	}
	if before, done, err := v.scanHot(list, in, scan, fn); done || err != nil {
		return before, true, err
	}
	low := scan.Start
	at, rows := list.nearest(low[len(v.index.key(indexRows)):])
	scan.Start = append(v.index.key(indexRows), at...)
	pairs, failed := v.reader.Scan(scan)
	for key, record := range pairs {
		if bytes.Compare(key, low) < 0 {
			rows++
			continue
		}
		entry, err := v.index.entry(key, record)
		if err != nil {
			return 0, false, err
		}
		if more, err := fn(entry); err != nil || !more {
			return int(rows), true, err
		}
	}
	return int(rows), true, failed()
}

// countedList is the list of blocks with all of them counted, nil if that would take too long, or
// if there is none for the snapshot.
func (v *IndexView) countedList() (*blockList, error) {
	list := v.index.blocks.at(v.state)
	if list == nil || list.before.Load() != nil || list.sum() {
		return list, nil
	}
	counted := int64(0)
	for _, block := range list.all {
		if rows := block.counted.Load(); rows != nil {
			counted += rows.rows
		}
	}
	if int64(v.Rows)-counted > countedAtOnce {
		v.index.countLater()
		return nil, nil
	}
	return v.countBlocks(list)
}

// countBlocks counts the blocks of a list that are not counted.
func (v *IndexView) countBlocks(list *blockList) (*blockList, error) {
	for n, block := range list.all {
		if _, err := v.settled(block, list.end(n)); err != nil {
			return nil, err
		}
	}
	// Some were cut, or are gone.
	if list = v.index.blocks.at(v.state); list == nil || !list.sum() {
		return nil, nil
	}
	return list, nil
}

// sum notes how many rows are before each block, and reports whether all are counted.
func (l *blockList) sum() bool {
	before := make([]int64, 1, len(l.all)+1)
	for n, block := range l.all {
		rows := block.counted.Load()
		if rows == nil {
			return false
		}
		before = append(before, before[n]+rows.rows)
	}
	l.before.Store(&before)
	return true
}

// countLater counts the blocks in the background, unless that goes on already.
func (i *Index) countLater() {
	if !i.counting.CompareAndSwap(false, true) {
		return
	}
	store := i.collection.store
	store.start(func() {
		defer i.counting.Store(false)
		_ = i.View(store.ctx, nil, func(v *IndexView) error { // whoever asks next begins anew
			if list := i.blocks.at(v.state); list != nil && !v.empty {
				_, err := v.countBlocks(list)
				return err
			}
			return nil
		})
	})
}
