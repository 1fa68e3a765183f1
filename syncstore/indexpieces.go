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
	if block.counted.Load() != nil {
		return []*IndexBlock{block}, nil
	}
	parts, counts, err := v.countParts(block, end)
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for n, part := range parts {
		part.counted.Store(counts[n])
		total += counts[n].rows
	}
	switch {
	case total == 0 && block.start != nil:
		v.index.blocks.replace(block, nil)
		return nil, nil
	case len(parts) == 1:
		block.counted.Store(counts[0])
		return []*IndexBlock{block}, nil
	}
	v.index.blocks.replace(block, parts)
	return parts, nil
}

// countParts counts the rows of a block. One that has more than twice as many as a block has when
// it is made is cut.
func (v *IndexView) countParts(block *IndexBlock, end []byte) (parts []*IndexBlock, counts []*countedRows, err error) {
	size := int64(v.index.blockSize())
	scan := v.index.scan(IndexRange{floor: block.start, ceiling: end})
	scan.KeysOnly = true
	prefix := len(v.index.key(indexRows))
	whole, part := &countedRows{}, &countedRows{}
	parts, counts = []*IndexBlock{newIndexBlock(block.start)}, []*countedRows{part}
	pairs, failed := v.reader.Scan(scan)
	for key := range pairs {
		place := key[prefix:]
		if part.rows == size {
			part = &countedRows{}
			parts, counts = append(parts, newIndexBlock(bytes.Clone(place))), append(counts, part)
		}
		part.add(place)
		if whole.rows <= 2*size {
			whole.add(place)
		}
		if part.rows == size && v.ctx.Err() != nil {
			return nil, nil, v.ctx.Err()
		}
	}
	if err := failed(); err != nil {
		return nil, nil, fmt.Errorf("reading an index: %w", err)
	}
	if whole.rows <= 2*size {
		return parts[:1], []*countedRows{whole}, nil
	}
	return parts, counts, nil
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
			n = int(p.Block.counted.Load().rows)
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
