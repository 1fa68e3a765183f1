package peer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	// fetchAtOnce is how many revisions are asked for in one request.
	fetchAtOnce = 100
	// writeAtOnce and writeBytes bound what is held before it is written.
	writeAtOnce = 100
	writeBytes  = 4 << 20
)

// errStays: pages of changes that lead nowhere.
var errStays = errors.New("gives the same changes again and again")

// pull takes over what the other server has, page by page.
func (s *session) pull(ctx context.Context) error {
	for follow := false; ; {
		p, err := s.changes(ctx, follow)
		if err != nil {
			return err
		}
		last, err := s.end.is(&p, s.seq, s.o.Batch)
		if err != nil {
			return err
		}
		if s.o.Continuous && p.rows < s.o.Batch && p.pending < 0 {
			last = true // longpoll answers at once if more is there
		}
		if follow && (p.rows == 0 || string(p.last) == string(s.seq)) {
			if err := wait(ctx, s.o.MinDelay, nil); err != nil { // it knows no longpoll
				return err
			}
		}
		if err := s.take(ctx, p.changes); err != nil {
			return err
		}
		s.progress.change(func(st *Status) { st.Rows += uint64(p.rows); st.Pending = p.pending })
		if err := s.reached(ctx, p.last); err != nil {
			return err
		}
		if follow = last; !follow {
			continue
		}
		if !s.o.Continuous {
			return nil
		}
		if err := s.idle(ctx); err != nil {
			return err
		}
	}
}

// wanted is a revision that is not here.
type wanted struct {
	id  string
	rev syncstore.Rev
	// known: other revisions of the document are here.
	known bool
}

// take takes over what is missing of the changes.
func (s *session) take(ctx context.Context, changes []change) error {
	missing, err := s.missing(ctx, changes)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(missing, fetchAtOnce) {
		w := s.taker(some)
		if err := s.fetch(ctx, some, w); err != nil {
			return err
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// taker gathers revisions that come in and writes them together.
type taker interface {
	add(ctx context.Context, doc *received) error
	flush(ctx context.Context) error
}

func (s *session) taker(some []wanted) taker {
	if s.target != nil {
		return newRelaying(s)
	}
	w := &taking{session: s, known: make(map[string]bool)}
	for _, want := range some {
		w.known[want.id] = want.known
	}
	return w
}

// missing finds what the target has not of the changes.
func (s *session) missing(ctx context.Context, changes []change) ([]wanted, error) {
	if s.target == nil {
		return s.missingHere(ctx, changes)
	}
	changes = slices.DeleteFunc(changes, func(c change) bool {
		err := checkID(c.id)
		if err != nil {
			s.failed(c.id, "", err)
		}
		return err != nil || len(c.revs) == 0
	})
	if len(changes) == 0 {
		return nil, nil
	}
	absent, err := s.missingThere(ctx, s.target, changes)
	if err != nil {
		return nil, err
	}
	var missing []wanted
	for _, one := range absent {
		for _, rev := range one.revs {
			missing = append(missing, wanted{id: one.id, rev: rev})
		}
	}
	return missing, nil
}

func (s *session) missingHere(ctx context.Context, changes []change) (missing []wanted, err error) {
	offers := make([]syncstore.RevsOffer, 0, len(changes))
	checked := 0
	for _, c := range changes {
		if err := checkID(c.id); err != nil {
			s.failed(c.id, "", err)
			continue
		}
		checked += len(c.revs)
		offers = append(offers, syncstore.RevsOffer{ID: c.id, Revs: c.revs})
	}
	answers, err := s.local.Collection.RevsDiff(ctx, s.o.Viewer, offers)
	if err != nil {
		return nil, fmt.Errorf("comparing revisions: %w", err)
	}
	for i, answer := range answers {
		known := len(answer.PossibleAncestors) > 0 || len(answer.Missing) < len(offers[i].Revs)
		for _, rev := range answer.Missing {
			missing = append(missing, wanted{id: answer.ID, rev: rev, known: known})
		}
	}
	s.compared(checked, len(missing))
	return missing, nil
}

// taking is the taker that writes into the store.
type taking struct {
	*session
	known map[string]bool // whether a document has other revisions here
	edits []syncstore.Edit
	bytes int
}

// add takes a revision in.
func (w *taking) add(ctx context.Context, doc *received) error {
	if doc.removed {
		return nil // nothing was sent of it
	}
	w.read(1)
	if int64(len(doc.body)) > w.o.MaxDocument {
		w.failed(doc.id, doc.rev.String(), syncstore.ErrTooLarge)
		return nil
	}
	edit := doc.edit()
	var err error
	if edit.Attachments, err = w.attachments(ctx, doc); err != nil {
		return w.notWritten(ctx, doc.id, doc.rev.String(), err)
	}
	w.edits = append(w.edits, edit)
	if w.bytes += len(doc.body); w.bytes >= writeBytes || len(w.edits) >= writeAtOnce {
		return w.flush(ctx)
	}
	return nil
}

func (w *taking) flush(ctx context.Context) error {
	if len(w.edits) == 0 {
		return nil
	}
	results := w.local.Collection.Write(ctx, w.edits, syncstore.WriteOptions{Viewer: w.o.Viewer})
	w.edits, w.bytes = w.edits[:0], 0
	written := 0
	var failed error // all are judged before it ends the session: each session costs a wait
	for _, result := range results {
		if result.Err == nil {
			written++
			w.known[result.ID] = true
			w.taken(result.ID, result.Rev.String())
			continue
		}
		if err := w.notWritten(ctx, result.ID, result.Rev.String(), result.Err); err != nil && failed == nil {
			failed = err
		}
	}
	w.wrote(written)
	return failed
}

// notWritten says what becomes of a document that could not be taken over: the store's own
// troubles and those of the network end the session, what is wrong with the document is counted.
func (w *taking) notWritten(ctx context.Context, id, rev string, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, syncstore.ErrUnavailable), errors.Is(err, syncstore.ErrInsufficientStorage),
		errors.Is(err, syncstore.ErrNoDatabase), errors.Is(err, syncstore.ErrClockAhead):
		return fmt.Errorf("writing: %w", err)
	case isStatus(err, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusGone):
		return w.declined(ctx, id, rev, err)
	case errors.Is(err, errContent), errors.Is(err, syncstore.ErrMissingStub), errors.Is(err, syncstore.ErrUploadExpired),
		isStatus(err, http.StatusInternalServerError), functionFailed(err):
		return w.refused(id, rev, err)
	case errors.Is(err, ErrRemote):
		return err
	}
	w.failed(id, rev, err)
	return nil
}

// functionFailed reports whether a sync function did not judge a write, since it has a mistake or ran for too long:
// it may be mended, or the machine less busy, soon.
func functionFailed(err error) bool {
	rejection, ok := errors.AsType[*access.RejectionError](err)
	return ok && rejection.Status >= http.StatusInternalServerError
}
