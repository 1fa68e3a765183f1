package syncstore

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// IndexPiece is a part of a range of rows.
type IndexPiece struct {
	// Block, if not nil, has the rows of the piece and no others.
	Block *IndexBlock
	// Range are the rows.
	Range IndexRange
	// cut is the block whose rows the piece has in part.
	cut *IndexBlock
}

// Pass is the rest of a range behind a piece of it.
func (r IndexRange) Pass(p *IndexPiece) IndexRange {
	r.After = nil
	if r.Reverse {
		r.ceiling = p.Range.floor
	} else {
		r.floor = p.Range.ceiling
	}
	return r
}

// Pieces cuts a range into blocks, and at its ends into what is not a whole one, in the order of
// the range. Where there are no blocks the range is one piece.
func (v *IndexView) Pieces(in IndexRange) ([]IndexPiece, error) {
	whole := []IndexPiece{{Range: in}}
	if v.empty || v.sight != nil {
		return whole, nil
	}
	list := v.index.blocks.at(v.state)
	if list == nil {
		return whole, nil
	}
	prefix := len(v.index.key(indexRows))
	scan := v.index.scan(in)
	if bytes.Compare(scan.Start, scan.End) >= 0 {
		return nil, nil
	}
	low := scan.Start[prefix:]
	high, open := []byte(nil), true // open: to the last row
	if !bytes.Equal(scan.End, engine.PrefixEnd(v.index.key(indexRows))) {
		high, open = scan.End[prefix:], false
	}
	var pieces []IndexPiece
	for n := list.find(low); n < len(list.all); n++ {
		block, end := list.all[n], list.end(n)
		if !open && bytes.Compare(block.start, high) >= 0 {
			break
		}
		inside := bytes.Compare(block.start, low) >= 0 && (open || end != nil && bytes.Compare(end, high) <= 0)
		if !inside {
			pieces = append(pieces, IndexPiece{Range: in.between(block.start, end), cut: block})
			continue
		}
		more, err := v.settled(block, end)
		if err != nil {
			return nil, err
		}
		for m, part := range more {
			partEnd := end
			if m+1 < len(more) {
				partEnd = more[m+1].start
			}
			pieces = append(pieces, IndexPiece{Block: part, Range: in.between(part.start, partEnd)})
		}
	}
	if in.Reverse {
		slices.Reverse(pieces)
	}
	return pieces, nil
}

// between is the part of the range that lies between two places.
func (r IndexRange) between(floor, ceiling []byte) IndexRange {
	if r.floor == nil || bytes.Compare(floor, r.floor) > 0 {
		r.floor = floor
	}
	if r.ceiling == nil || ceiling != nil && bytes.Compare(ceiling, r.ceiling) < 0 {
		r.ceiling = ceiling
	}
	return r
}

// settled counts the rows of a block, and returns it, or what it is cut into if it has too many.
func (v *IndexView) settled(block *IndexBlock, end []byte) ([]*IndexBlock, error) {
	if block.rows.Load() != uncounted {
		return []*IndexBlock{block}, nil
	}
	size := v.index.blockSize()
	in := IndexRange{floor: block.start, ceiling: end}
	parts := []*IndexBlock{newIndexBlock(block.start, 0)}
	total, last := int64(0), int64(0)
	scan := v.index.scan(in)
	scan.KeysOnly = true
	prefix := len(v.index.key(indexRows))
	pairs, failed := v.reader.Scan(scan)
	for key := range pairs {
		if last == int64(size) {
			parts[len(parts)-1].rows.Store(last)
			parts, last = append(parts, newIndexBlock(bytes.Clone(key[prefix:]), 0)), 0
		}
		last++
		if total++; total&4095 == 0 && v.ctx.Err() != nil {
			return nil, v.ctx.Err()
		}
	}
	if err := failed(); err != nil {
		return nil, fmt.Errorf("reading an index: %w", err)
	}
	parts[len(parts)-1].rows.Store(last)
	switch {
	case total == 0 && block.start != nil:
		v.index.blocks.replace(block, nil)
		return nil, nil
	case total <= int64(2*size):
		block.rows.Store(total)
		return []*IndexBlock{block}, nil
	}
	v.index.blocks.replace(block, parts)
	return parts, nil
}

// Scanned is told how many rows of a piece were read that is no block: if they were many, the
// next range has blocks in their place.
func (v *IndexView) Scanned(p *IndexPiece, rows int) error {
	if p.cut == nil || rows < 4*v.index.blockSize() {
		return nil
	}
	list := v.index.blocks.at(v.state)
	if list == nil {
		return nil
	}
	n := slices.Index(list.all, p.cut)
	if n < 0 {
		return nil
	}
	_, err := v.settled(p.cut, list.end(n))
	return err
}

// Count counts the rows of a range, whoever may see them.
func (v *IndexView) Count(in IndexRange) (n int, err error) {
	if v.empty {
		return 0, nil
	}
	pieces, err := v.Pieces(in)
	if err != nil {
		return 0, err
	}
	for i := range pieces {
		p := &pieces[i]
		if p.Block != nil {
			n += int(p.Block.rows.Load())
			continue
		}
		rows, err := v.countRows(p.Range)
		if err == nil {
			err = v.Scanned(p, rows)
		}
		if err != nil {
			return n, err
		}
		n += rows
	}
	return n, nil
}

func (v *IndexView) countRows(in IndexRange) (n int, err error) {
	scan := v.index.scan(in)
	scan.KeysOnly = true
	pairs, failed := v.reader.Scan(scan)
	for range pairs {
		if n++; n&4095 == 0 && v.ctx.Err() != nil {
			return n, v.ctx.Err()
		}
	}
	return n, failed()
}

// Skip passes over rows of a range, whole blocks of them, whoever may see them. It returns what is
// left of the range, and of the number.
func (v *IndexView) Skip(in IndexRange, rows int) (IndexRange, int, error) {
	if v.empty || v.sight != nil || rows < v.index.blockSize() {
		return in, rows, nil
	}
	pieces, err := v.Pieces(in)
	if err != nil {
		return in, rows, err
	}
	for i := range pieces {
		p := &pieces[i]
		var n int
		if p.Block != nil {
			n = int(p.Block.rows.Load())
		} else if n, err = v.countRows(p.Range); err == nil {
			err = v.Scanned(p, n)
		}
		if err != nil || n > rows || i+1 == len(pieces) {
			return in, rows, err
		}
		in, rows = in.Pass(p), rows-n
	}
	return in, rows, nil
}

func (i *Index) blockSize() int { return i.collection.store.options.IndexBlock }
