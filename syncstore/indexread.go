package syncstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// IndexEntry is a row as it is read.
type IndexEntry struct {
	ID         string
	Key, Value []byte
	// At names the row's place, to go on behind it.
	At []byte
	// Sort are the bytes by which it is ordered.
	Sort []byte
}

// IndexBound is an end of a range of rows. The zero bound is open.
type IndexBound struct {
	// Sort is the bound, nil for none; DocID, if not empty, the document with which rows of
	// this Sort begin or end.
	Sort  []byte
	DocID string
	// Exclude leaves out what is at the bound.
	Exclude bool
}

// IndexRange says which rows are meant.
type IndexRange struct {
	// Low and High bound the rows, whatever the direction.
	Low, High IndexBound
	Reverse   bool
	Dense     bool // ends a scan with ErrSparse when the viewer turns out to see few of the rows
	// After, if not nil, is IndexEntry.At of the row to go on behind.
	After []byte
	// floor and ceiling are places that bound the rows too, nil for none. The ceiling is not one
	// of them.
	floor, ceiling []byte
}

// IndexView is an index in a snapshot, as far as a viewer may see it.
type IndexView struct {
	index  *Index
	reader engine.Reader
	// empty: what rows are there are those of an index that is being dropped.
	empty bool
	sight *sight
	seen  indexSight
	ctx   context.Context //nolint:containedctx // lives for one call
	state indexState
	// Seq is the sequence up to which the index covers the collection, Rows how many rows it
	// has, whoever may see them.
	Seq, Rows uint64
}

// View calls fn with the index in a snapshot. ErrNoDatabase: it may have lacked rows.
func (i *Index) View(ctx context.Context, viewer *Viewer, fn func(*IndexView) error) error {
	err := i.collection.store.engine.View(ctx, func(r engine.Reader) error {
		state, err := i.readState(r.Get)
		if err != nil {
			return err
		}
		v := &IndexView{index: i, reader: r, ctx: ctx, state: state, empty: state.seq == 0, Seq: state.seq, Rows: state.rows}
		if v.sight, err = i.collection.sightIn(r, viewer); err != nil {
			return err
		}
		if v.sight != nil && v.sight.channels.everything() {
			v.sight = nil
		}
		v.seen = indexSight{index: i, reader: r, sight: v.sight, covers: state.seq}
		return fn(v)
	})
	return cmp.Or(i.collection.gone(), err)
}

// SeesAll reports whether the viewer sees every row.
func (v *IndexView) SeesAll() bool { return v.sight == nil }

// judgedRows is how many rows are judged together.
const judgedRows = 100

// Scan calls fn with the rows of a range that the viewer may see: those of documents that are, since
// they were mapped at the latest, in one of the viewer's channels. fn returns false to end the scan. The
// entry is fn's to keep.
func (v *IndexView) Scan(in IndexRange, fn func(*IndexEntry) (bool, error)) error {
	if v.empty {
		return nil
	}
	var waiting []*IndexEntry
	shown, looked := 0, 0
	flush := func() (more bool, err error) {
		seen, err := v.seen.rows(waiting)
		for n := 0; n < len(waiting) && err == nil; n++ {
			if !seen[n] {
				continue
			}
			shown++
			if more, err := fn(waiting[n]); err != nil || !more {
				return false, err
			}
		}
		if looked += len(waiting); in.Dense && err == nil && looked >= sparseAfter && v.sight.sparse(shown, looked) {
			return false, ErrSparse
		}
		waiting = waiting[:0]
		return true, err
	}
	pairs, failed := v.reader.Scan(v.index.scan(in))
	n := 0
	for key, record := range pairs {
		if n++; n&1023 == 0 && v.ctx.Err() != nil {
			return v.ctx.Err()
		}
		entry, err := v.index.entry(key, record)
		if err != nil {
			return err
		}
		if v.sight == nil {
			if more, err := fn(entry); err != nil || !more {
				return err
			}
			continue
		}
		if waiting = append(waiting, entry); len(waiting) < judgedRows {
			continue
		}
		if more, err := flush(); err != nil || !more {
			return err
		}
	}
	if err := failed(); err != nil {
		return fmt.Errorf("reading an index: %w", err)
	}
	_, err := flush()
	return err
}

// scan is the range of keys.
func (i *Index) scan(in IndexRange) engine.Range {
	prefix := i.key(indexRows)
	scan := engine.PrefixRange(prefix)
	scan.Reverse = in.Reverse
	at := func(b IndexBound) []byte {
		key := append(slices.Clip(prefix), b.Sort...)
		if b.DocID != "" {
			key = appendTerminated(key, b.DocID)
		}
		return key
	}
	if in.Low.Sort != nil {
		if scan.Start = at(in.Low); in.Low.Exclude {
			scan.Start = engine.PrefixEnd(scan.Start)
		}
	}
	if in.High.Sort != nil {
		if scan.End = at(in.High); !in.High.Exclude {
			scan.End = engine.PrefixEnd(scan.End)
		}
	}
	if in.After != nil {
		key := append(slices.Clip(prefix), in.After...)
		if in.Reverse {
			scan.End = key
		} else {
			scan.Start = append(key, 0)
		}
	}
	if floor := append(slices.Clip(prefix), in.floor...); bytes.Compare(floor, scan.Start) > 0 {
		scan.Start = floor
	}
	if in.ceiling != nil {
		if ceiling := append(slices.Clip(prefix), in.ceiling...); bytes.Compare(ceiling, scan.End) < 0 {
			scan.End = ceiling
		}
	}
	if bytes.Compare(scan.Start, scan.End) > 0 {
		scan.End = scan.Start
	}
	return scan
}

// entry reads a row. Its place is taken apart from behind: its number, and the ID, whose
// beginning is where the record says.
func (i *Index) entry(key, record []byte) (*IndexEntry, error) {
	place := key[prefixSize+len(i.id)+1:]
	both := make([]byte, 0, len(place)+len(record))
	both = append(append(both, place...), record...)
	at := both[:len(place):len(place)]
	d := decoder{b: both[len(place):]}
	entry := &IndexEntry{At: at}
	sort := int(d.uvarint())
	entry.Key = d.bytes()
	if d.err != nil || sort > len(at)-4 {
		return nil, fmt.Errorf("%w: row of an index", ErrDamaged)
	}
	entry.Value = d.b
	entry.Sort = at[:sort]
	if end := len(at) - 6; end > sort && at[end] == 0 && at[end+1] == 1 && bytes.IndexByte(at[sort:end], 0) < 0 {
		entry.ID = string(at[sort:end])
		return entry, nil
	}
	id, rest, ok := cutTerminated(at[sort:])
	if !ok || len(rest) != 4 {
		return nil, fmt.Errorf("%w: key of an index", ErrDamaged)
	}
	entry.ID = id
	return entry, nil
}

// IndexPlace is the IndexEntry.At of a document's row, the n-th one from 0.
func IndexPlace(sort []byte, id string, n int) []byte {
	return binary.BigEndian.AppendUint32(appendTerminated(bytes.Clone(sort), id), uint32(n))
}
