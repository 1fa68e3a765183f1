package lite

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	// maxLookups is how many documents are looked up by their IDs. For more, changes are read.
	maxLookups = 1000
	// lookupTries is how often that is tried, while documents change in between.
	lookupTries = 3
)

// lookUp finds the changes of a feed of few documents without reading all those that there
// were: a client of such a feed comes back with a sequence from long ago. It is for users who
// saw everything by then; to others a document may come, and go, by what they are given. It returns
// where to go on reading.
func (f *feed) lookUp(ctx context.Context) (from syncstore.Cursor, err error) {
	coll := f.ks.coll
	if len(f.o.ids) == 0 || len(f.o.ids) > maxLookups || f.o.channels != nil || f.o.now {
		return f.o.since, nil
	}
	for range lookupTries {
		last := coll.Info().Seq // before what is lost later, which the feed then tells
		if all, err := f.sawAll(ctx); err != nil || !all {
			return f.o.since, err
		}
		changes, err := f.lookUpOnce(ctx)
		if errors.Is(err, syncstore.ErrDamagedDocument) {
			return f.o.since, nil // the changes name it, and send says what is the matter
		}
		if err != nil {
			return f.o.since, err
		}
		if n := len(changes); n > 0 && changes[n-1].Seq > last {
			// Others may have changed since they were looked at. The client would take this one's
			// sequence for one up to which it knows them all.
			continue
		}
		f.began = last
		f.keepFound(changes)
		return syncstore.At(last), nil
	}
	return f.o.since, nil
}

// sawAll reports whether the client's user sees everything, and did where the client stands: what was
// there before all of it was given comes at the sequence of that.
func (f *feed) sawAll(ctx context.Context) (bool, error) {
	given, all, err := f.ks.coll.SeesAllSince(ctx, f.ks.r.peer.Viewer)
	fresh := f.o.since == syncstore.Cursor{}
	return all && (fresh || f.o.since.Compare(syncstore.At(given)) >= 0), err
}

// lookUpOnce returns the last changes of the documents, in order.
func (f *feed) lookUpOnce(ctx context.Context) ([]syncstore.Change, error) {
	changes := make([]syncstore.Change, 0, len(f.o.ids))
	for id := range f.o.ids {
		leaves, err := f.ks.coll.GetRevs(ctx, id, nil, syncstore.GetOptions{Bare: true, Viewer: f.ks.r.peer.Viewer})
		if errors.Is(err, syncstore.ErrNotFound) || errors.Is(err, syncstore.ErrBadID) {
			continue
		}
		if err != nil {
			return nil, err
		}
		winner := leaves[0].Doc
		if winner == nil {
			continue
		}
		changes = append(changes, syncstore.Change{
			Seq: winner.Seq, ID: []byte(id), Deleted: winner.Deleted, Version: winner.Version,
			Leaves: []syncstore.ChangeLeaf{{Rev: winner.Rev.Append(nil), Deleted: winner.Deleted}},
		})
	}
	slices.SortFunc(changes, func(a, b syncstore.Change) int { return cmp.Compare(a.Seq, b.Seq) })
	return changes, nil
}

// keepFound keeps the changes that are news to the client.
func (f *feed) keepFound(changes []syncstore.Change) {
	since := f.o.since.Seq
	if f.o.since.Event != 0 {
		since = f.o.since.Event - 1 // of when the feed did not show everything
	}
	if since > f.began {
		since = 0 // DECISIONS 35
	}
	for i := range changes {
		if c := &changes[i]; c.Seq > since {
			f.found = f.appendRow(f.found, c)
		}
	}
}
