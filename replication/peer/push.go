package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore"
)

// push gives the other server what is here, page by page.
func (s *session) push(ctx context.Context) error {
	o := syncstore.FeedOptions{Viewer: s.o.Viewer, Channels: s.o.Channels}
	for {
		p, last, err := s.ownChanges(ctx, s.cursor(), o)
		if err != nil {
			return err
		}
		if err := s.leavesWithin(ctx, p.changes); err != nil {
			return err
		}
		if err := s.give(ctx, p.changes); err != nil {
			return err
		}
		if err := s.reached(ctx, json.RawMessage(quote(last.String()))); err != nil {
			return err
		}
		if p.rows >= s.o.Batch {
			continue
		}
		if !s.o.Continuous {
			return nil
		}
		if err := s.idle(ctx); err != nil {
			return err
		}
		if err := s.await(ctx, s.cursor(), o); err != nil {
			return err
		}
	}
}

// cursor is the position in the collection's feed.
func (s *session) cursor() syncstore.Cursor {
	since, err := syncstore.ParseCursor(sinceText(s.seq))
	if err != nil {
		return syncstore.Cursor{}
	}
	return since
}

// ownChanges reads a page of the collection's feed.
func (s *session) ownChanges(ctx context.Context, since syncstore.Cursor, o syncstore.FeedOptions) (p page, last syncstore.Cursor, err error) {
	last, err = s.local.Collection.Changes(ctx, syncstore.ChangesOptions{FeedOptions: o, Since: since, Limit: s.o.Batch}, func(c *syncstore.Change) error {
		p.rows++
		if !s.names(string(c.ID)) {
			return nil
		}
		one := change{id: string(c.ID), removed: len(c.Removed) > 0 || c.Revoked, deleted: c.Deleted}
		if one.left() {
			return nil
		}
		for _, leaf := range c.Leaves {
			rev, err := syncstore.ParseRev(string(leaf.Rev))
			if err != nil {
				return err
			}
			one.revs = append(one.revs, rev)
		}
		p.changes = append(p.changes, one)
		return nil
	})
	if err != nil {
		return page{}, since, fmt.Errorf("reading changes: %w", err)
	}
	return p, last, nil
}

// await waits until there may be more to read.
func (s *session) await(ctx context.Context, since syncstore.Cursor, o syncstore.FeedOptions) error {
	feed := s.local.Collection.Follow(since, o)
	defer feed.Close()
	waiting, cancel := s.untilRetake(ctx)
	defer cancel()
	select {
	case <-feed.Ready():
		return nil
	case <-waiting.Done():
		return context.Cause(ctx) // nil if only the wait is over
	}
}

// absent is a document of which the other server misses revisions.
type absent struct {
	id        string
	revs      []syncstore.Rev
	ancestors []syncstore.Rev // that it has
}

// give gives what the other server misses of the changes.
func (s *session) give(ctx context.Context, changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	missing, err := s.missingThere(ctx, s.to, changes)
	if err != nil {
		return err
	}
	g := giving{session: s, at: s.to, who: ErrRemote}
	for _, one := range missing {
		if err := s.giveDocument(ctx, &g, one); err != nil {
			return err
		}
	}
	return g.flush(ctx)
}

func (s *session) missingThere(ctx context.Context, at *remote, changes []change) ([]absent, error) {
	offer := make(map[string][]string, len(changes))
	checked := 0
	for _, c := range changes {
		checked += len(c.revs)
		for _, rev := range c.revs {
			offer[c.id] = append(offer[c.id], rev.String())
		}
	}
	text, err := json.Marshal(offer)
	if err != nil {
		return nil, fmt.Errorf("comparing revisions: %w", err)
	}
	type difference struct {
		Missing   []string `json:"missing"`
		Ancestors []string `json:"possible_ancestors"`
	}
	answer := make(map[string]difference, len(offer))
	a := ask{method: http.MethodPost, path: "_revs_diff", json: text}
	err = at.getMembers(ctx, a, maxPage, func(decoder *json.Decoder, id string) error {
		if offer[id] == nil {
			return skip(decoder)
		}
		var said difference
		err := decoder.Decode(&said)
		answer[id] = said
		return err
	})
	if err != nil {
		return nil, err
	}
	var missing []absent
	found := 0
	for _, c := range changes { // in the order of the feed
		said := answer[c.id]
		if len(said.Missing) == 0 {
			continue
		}
		one := absent{id: c.id}
		for _, rev := range c.revs {
			if slices.Contains(said.Missing, rev.String()) {
				one.revs = append(one.revs, rev)
			}
		}
		if len(one.revs) == 0 {
			continue // it names others than were offered
		}
		for _, text := range said.Ancestors {
			if rev, err := syncstore.ParseRev(text); err == nil {
				one.ancestors = append(one.ancestors, rev)
			}
		}
		found += len(one.revs)
		missing = append(missing, one)
	}
	s.compared(checked, found)
	return missing, nil
}

// giveDocument reads the revisions and hands them on.
func (s *session) giveDocument(ctx context.Context, g *giving, one absent) error {
	var failed error // of what becomes of a revision, while err is of reading them
	err := s.local.eachRevision(ctx, one.id, one.revs, syncstore.GetOptions{
		// What came since the feed was read may be outside of the channels: the feed tells of it if it is not.
		Latest: len(s.o.Channels) == 0, History: true, Viewer: s.o.Viewer,
	}, func(doc *syncstore.Document) error {
		if doc.Removed {
			return nil
		}
		s.read(1)
		failed = g.add(ctx, doc, one.ancestors)
		return failed
	})
	switch {
	case err == nil, failed != nil:
		return failed
	case errors.Is(err, syncstore.ErrNotFound):
		return nil // purged, or out of sight, since the changes were read
	case errors.Is(err, syncstore.ErrDamagedDocument):
		s.failed(one.id, "", err)
		return nil
	}
	return fmt.Errorf("reading a document: %w", err)
}
