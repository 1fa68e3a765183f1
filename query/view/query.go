package view

import (
	"context"
	"errors"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	// pieceRows and pieceBytes bound what is read of an index in one snapshot, so that none
	// stays open for a client that takes its time.
	pieceRows  = 500
	pieceBytes = 1 << 20
	// fewSkipped is up to how many rows are skipped by reading them.
	fewSkipped = 100
)

// Row is a row of an answer.
type Row struct {
	// ID is the document's; of a reduced row "".
	ID string
	// Key and Value are JSON.
	Key, Value []byte
}

// Head is what is known of an answer before its rows.
type Head struct {
	// Reduced: the rows are groups. They have no total and no offset.
	Reduced bool
	// All: whoever asks sees every row. Otherwise Total and Offset are not to be told.
	All bool
	// Total is how many rows the view has, Offset how many of them are before the first one, -1
	// if that is not known just now: there are too many to be counted while somebody waits.
	Total, Offset int64
	// Seq is the sequence up to which the index covers the collection.
	Seq uint64
}

// Sink gets an answer: Begin once, then the rows. An error ends the query and is returned.
type Sink interface {
	Begin(Head) error
	Row(*Row) error
}

// errReduceForAll: a reduction tells of what it was made of.
var errReduceForAll = &design.Error{
	Name:   design.ErrorForbidden,
	Reason: "A reduction is for those who see every document: ask with reduce=false, and reduce on the client.",
}

// Query answers a query. The error is a *design.Error for what the client can mend.
func (v *View) Query(ctx context.Context, o Options, sink Sink) error {
	reduces, err := v.reduces(&o)
	if err != nil {
		return err
	}
	q := &viewQuery{View: v, ctx: ctx, o: &o, keys: o.Keys, skip: o.Skip, left: o.Limit, sink: sink, reducing: reduces}
	if o.Keys == nil {
		q.ranges = []syncstore.IndexRange{v.span(&o)}
	}
	if o.Update == UpdateBefore {
		if q.covers, err = v.update(ctx); err != nil {
			return err
		}
	}
	if err := q.run(); err != nil {
		return err
	}
	if o.Update == UpdateAfter {
		v.views.tasks.note(ctx, v.collection, v.index, v.design)
		v.index.Start(v.mapper, v.collection.Info().Seq)
	}
	return nil
}

// viewQuery is one query on its way.
type viewQuery struct {
	*View
	ctx      context.Context //nolint:containedctx // lives for one call
	o        *Options
	sink     Sink
	reducing bool
	keys     [][]byte               // those whose ranges are not made yet: there may be millions
	ranges   []syncstore.IndexRange // the one that is read, which may be begun; none: it is read
	skip     int
	left     int // rows that may still be answered, -1 for any number
	begun    bool
	covers   uint64 // up to where the index covered the collection when it was looked at last

	rows   []Row // of the piece
	bytes  int
	group  *group // that is gathered, nil for none
	offset *Head  // whose offset the first rows are to tell, nil if it is known

	// partly: groups are not answered, but kept in gathered.
	partly   bool
	gathered []partial
}

// errPieceFull ends the reading of a piece.
var errPieceFull = errors.New("enough for a piece")

func (q *viewQuery) run() error {
	for {
		var head *Head
		err := q.index.View(q.ctx, q.o.Viewer, func(index *syncstore.IndexView) error {
			if index.Seq < q.covers {
				return syncstore.ErrIndexDropped // what there is of it are not all rows
			}
			q.covers = index.Seq
			if !q.begun {
				h, err := q.head(index)
				if err != nil {
					return err
				}
				head = h
			}
			return q.read(index)
		})
		full := errors.Is(err, errPieceFull)
		if err != nil && !full {
			return err
		}
		if head != nil {
			q.begun = true
			if err := q.sink.Begin(*head); err != nil {
				return err
			}
		}
		for i := range q.rows {
			if err := q.sink.Row(&q.rows[i]); err != nil {
				return err
			}
		}
		q.rows, q.bytes = q.rows[:0], 0
		if !full {
			return nil
		}
	}
}

// head is what stands before the rows.
func (q *viewQuery) head(index *syncstore.IndexView) (*Head, error) {
	h := &Head{Reduced: q.reducing, All: index.SeesAll(), Total: int64(index.Rows), Seq: index.Seq}
	if q.reducing && !h.All {
		return nil, errReduceForAll
	}
	if q.reducing || !h.All || q.o.Keys != nil {
		return h, nil
	}
	before := syncstore.IndexRange{Reverse: q.o.Descending}
	in := q.ranges[0]
	if in.Reverse {
		before.Low = in.High
		before.Low.Exclude = !in.High.Exclude
	} else {
		before.High = in.Low
		before.High.Exclude = !in.Low.Exclude
	}
	if before.Low.Sort == nil && before.High.Sort == nil {
		h.Offset = min(int64(q.skip), h.Total)
		return h, nil
	}
	if !in.Reverse && q.skip < fewSkipped && q.left != 0 {
		q.offset = h // it is known with the first rows
		return h, nil
	}
	n, known, err := index.Count(before)
	if h.Offset = min(int64(n)+int64(q.skip), h.Total); !known {
		h.Offset = -1
	}
	return h, err
}

// read reads a piece.
func (q *viewQuery) read(index *syncstore.IndexView) error {
	for q.next() && q.left != 0 {
		in := &q.ranges[0]
		err := q.ctx.Err()
		if err != nil {
			return err
		}
		if q.reducing {
			err = q.reduceRange(index, in)
		} else {
			err = q.readRange(index, in)
		}
		if err == nil && q.left != 0 {
			err = q.endGroup()
		}
		if err != nil {
			return err
		}
		q.ranges = q.ranges[:0]
	}
	return nil
}

// next makes the range of the next key, if none is being read, and reports whether there is one.
func (q *viewQuery) next() bool {
	if len(q.ranges) == 0 && len(q.keys) > 0 {
		q.ranges, q.keys = append(q.ranges, q.only(q.o, q.keys[0])), q.keys[1:]
	}
	return len(q.ranges) > 0
}

// readRange reads the rows of a range.
func (q *viewQuery) readRange(index *syncstore.IndexView, in *syncstore.IndexRange) (err error) {
	row := func(entry *syncstore.IndexEntry) (bool, error) {
		if err := q.take(entry); err != nil {
			return false, err
		}
		in.After = entry.At
		return q.left != 0, nil
	}
	if h := q.offset; h != nil {
		q.offset = nil
		skip := int64(q.skip)
		n, known, err := index.ScanCounting(*in, row)
		if h.Offset = min(int64(n)+skip, h.Total); !known {
			h.Offset = -1
		}
		return err
	}
	if *in, q.skip, err = index.Skip(*in, q.skip); err != nil {
		return err
	}
	return index.Scan(*in, row)
}

func (q *viewQuery) full() bool { return len(q.rows) >= pieceRows || q.bytes >= pieceBytes }

// take takes a row in; errPieceFull gives it back.
func (q *viewQuery) take(entry *syncstore.IndexEntry) error {
	if q.full() {
		return errPieceFull
	}
	if q.reducing {
		return q.reduceRow(entry)
	}
	if q.skip > 0 {
		q.skip--
		return nil
	}
	q.answer(Row{entry.ID, entry.Key, entry.Value})
	return nil
}

func (q *viewQuery) answer(row Row) {
	q.rows = append(q.rows, row)
	q.bytes += len(row.Key) + len(row.Value) + len(row.ID)
	if q.left > 0 {
		q.left--
	}
}
