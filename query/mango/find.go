package mango

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// Limits bound what a query may cost. The zero value bounds nothing.
type Limits struct {
	// Documents is how many documents may be looked at: of those that the viewer sees, so
	// that the limit tells of no others.
	Documents int
	// Time is how long the query may work; what it waits for does not count.
	Time time.Duration
	// Turn waits until the query may work for a while, and returns what ends that.
	Turn func(context.Context) (end func(), err error)
}

// Stats are what a query cost. Only what the viewer may see is counted.
type Stats struct {
	Keys, Documents, Results int
	Time                     time.Duration
}

// Answer is what is said of an answer behind its documents.
type Answer struct {
	// Bookmark is where another query goes on.
	Bookmark string
	// Warning tells what could be better, "" for nothing.
	Warning string
	Stats   Stats
}

// Sink gets the documents of an answer. An error ends the query and is returned.
type Sink func(*syncstore.Document) error

// errNoSort is CouchDB's.
var errNoSort = bad("no_usable_index", "No index exists for this sort, try indexing by the sort fields.")

// Run answers the query.
func (q *Query) Run(ctx context.Context, limits Limits, sink Sink) (Answer, error) {
	if q.plan.Index == nil {
		return Answer{}, errNoSort
	}
	begun := time.Now()
	w := newWalk(q, limits)
	if !q.nothing() && w.left > 0 {
		var err error
		if w.covers, err = q.update(ctx); err != nil {
			return Answer{}, err
		}
		if err := w.run(ctx, sink); err != nil {
			return Answer{}, err
		}
	}
	w.stats.Time = time.Since(begun)
	return Answer{Bookmark: w.bookmark(), Warning: q.warning(&w.stats), Stats: w.stats}, nil
}

// update has the index cover the collection as it is now, up to the sequence that it returns.
func (q *Query) update(ctx context.Context) (until uint64, err error) {
	x := q.plan.Index
	if x.Special() || q.request.Stale {
		return 0, nil
	}
	index, until := q.collection.Index(x.id), q.collection.Info().Seq
	if covered, _, err := index.Covers(ctx); err != nil || covered >= until {
		return until, err
	}
	if q.mango.Building != nil {
		q.mango.Building(ctx, q.collection, index, x.Design)
	}
	if err := index.Update(ctx, q.mango.mapper(q.collection, x), until); err != nil {
		return until, fmt.Errorf("building the index %s of %s: %w", x.Name, x.Design, err)
	}
	return until, nil
}

// errExpensive ends a query that costs more than it may.
func (w *walk) errExpensive() error {
	return &Error{
		Status: http.StatusBadRequest, Name: TooExpensive,
		Reason: fmt.Sprintf("The query looked at %d documents and found %d of %d, which is as much as it may cost. "+
			"Ask for a smaller limit, or for fields that have an index.", w.stats.Documents, w.stats.Results, w.q.request.Limit),
	}
}

// run answers documents until there are no more, or enough.
func (w *walk) run(ctx context.Context, sink Sink) error {
	for more := true; more; {
		var err error
		if more, err = w.turn(ctx); err != nil {
			return err
		}
		for i, doc := range w.out {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := sink(doc); err != nil {
				return err
			}
			w.out[i] = nil
		}
		w.out, w.bytes = w.out[:0], 0
	}
	return nil
}

// turn works for a while.
func (w *walk) turn(ctx context.Context) (more bool, err error) {
	if w.limits.Turn != nil {
		end, err := w.limits.Turn(ctx)
		if err != nil {
			return false, err
		}
		defer end()
	}
	begun := time.Now()
	w.begun = time.Time{}
	work := ctx
	if w.limits.Time > 0 {
		var cancel context.CancelFunc
		work, cancel = context.WithTimeout(ctx, max(w.limits.Time-w.worked, 0))
		defer cancel()
	}
	more, err = w.step(work)
	w.worked += time.Since(begun)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return false, w.errExpensive()
	}
	return more, err
}

// gone says of an error of reading that there is nothing to be read.
func gone(err error) bool {
	return errors.Is(err, syncstore.ErrNotFound) || errors.Is(err, syncstore.ErrDeleted)
}
