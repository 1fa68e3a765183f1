package view

import (
	"slices"

	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	// blockGroups and blockBytes bound what is kept of a block's reductions: one with more
	// groups, or longer results, is read row by row.
	blockGroups = 32
	blockBytes  = 2 << 10
	// smallResult is up to what length a result of a built-in function does not count among these.
	smallResult = 128
)

// blockKey names the reductions of a block's rows.
type blockKey struct {
	reduce string // the function
	level  int
}

// partial is what the rows of a block come to that are in one group.
type partial struct {
	key     []byte // of the group
	builtIn accumulator
	script  string // what the function returned, as JSON
}

// reduceRange reduces the rows of a range, whole blocks of them where their reductions are kept.
func (q *viewQuery) reduceRange(index *syncstore.IndexView, in *syncstore.IndexRange) error {
	pieces, err := index.Pieces(*in)
	if err != nil {
		return err
	}
	for i := range pieces {
		p := &pieces[i]
		if q.full() {
			return errPieceFull
		}
		partials, err := q.partials(index, p)
		switch {
		case err != nil:
			return err
		case partials != nil:
			err = q.reducePartials(partials)
		default:
			err = q.reduceRows(index, p, in)
		}
		if err != nil || q.left == 0 {
			return err
		}
		if i+1 < len(pieces) {
			*in = in.Pass(p)
		}
	}
	return nil
}

// reduceRows reduces a piece of a range row by row.
func (q *viewQuery) reduceRows(index *syncstore.IndexView, p *syncstore.IndexPiece, in *syncstore.IndexRange) error {
	rows := 0
	err := index.Scan(p.Range, func(entry *syncstore.IndexEntry) (bool, error) {
		if err := q.take(entry); err != nil {
			return false, err
		}
		rows++
		in.After = entry.At
		return q.left != 0, nil
	})
	if err != nil {
		return err
	}
	return index.Scanned(p, rows)
}

// partials are the reductions of a piece in the order of its rows, nil if they are to be made row
// by row.
func (q *viewQuery) partials(index *syncstore.IndexView, p *syncstore.IndexPiece) ([]partial, error) {
	if p.Block == nil {
		return nil, nil
	}
	key := blockKey{q.builtIn, q.o.GroupLevel}
	if q.reduce != nil {
		key.reduce = q.reduce.Source()
	}
	if kept, ok := p.Block.Kept(key); ok {
		return kept.([]partial), nil //nolint:forcetypeassert // nothing else is kept under such a key
	}
	if err := q.ctx.Err(); err != nil {
		return nil, err
	}
	partials, err := q.blockPartials(index, p)
	if err != nil {
		// Perhaps the query ends before the row that fails: then it has no part in it.
		return nil, q.ctx.Err()
	}
	p.Block.Keep(key, partials)
	return partials, nil
}

// blockPartials reduces the rows of a block, nil if that is not to be kept.
func (q *viewQuery) blockPartials(index *syncstore.IndexView, p *syncstore.IndexPiece) (all []partial, err error) {
	part := &viewQuery{View: q.View, ctx: q.ctx, o: q.o, left: -1, partly: true}
	in := p.Range
	in.Reverse = false
	many := false
	err = index.Scan(in, func(entry *syncstore.IndexEntry) (bool, error) {
		err := part.reduceRow(entry)
		many = len(part.gathered) > blockGroups
		return !many, err
	})
	if err == nil && !many {
		err = part.endGroup()
	}
	for i, size := 0, 0; i < len(part.gathered) && err == nil && !many; i++ {
		var n int
		n, err = part.gathered[i].bytes()
		size += n
		many = size > blockBytes
	}
	if err != nil || many {
		return nil, err
	}
	return part.gathered, nil
}

// bytes is about how much of blockBytes a reduction takes: sums of objects have a member for each
// name that is in one of the rows.
func (p *partial) bytes() (int, error) {
	n := len(p.key) + len(p.script)
	if p.builtIn == nil {
		return n, nil
	}
	result, err := p.builtIn.result()
	return n + max(0, len(result)-smallResult), err
}

// reducePartials adds the reductions of a block to the groups.
func (q *viewQuery) reducePartials(all []partial) error {
	if q.o.Descending {
		all = slices.Clone(all)
		slices.Reverse(all)
	}
	for i := range all {
		if err := q.enterGroup(all[i].key); err != nil || q.left == 0 {
			return err
		}
		if err := q.group.merge(q.ctx, &all[i]); err != nil {
			return err
		}
	}
	return nil
}
