package lite

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// wanted is a revision that the client has asked for.
type wanted struct {
	row
	// known are revisions of the document that the client has, as it names them.
	known   []string
	history int // the most ancestors that it takes
	// replace: if the revision is gone, the current one will do.
	replace bool
	// full: it must not be a delta.
	full bool
}

// send sends what was asked for, or says why not. An error is none of the document: to say
// that it is missing would make the client pass over it for good, so the feed must end.
func (f *feed) send(ctx context.Context, w *wanted) error {
	doc, err := f.requested(ctx, w)
	if err == nil && w.hasByTree(doc) && !f.ks.awaits(w.id) {
		return f.sendNoRev(ctx, w, http.StatusNotFound, "The client has it.")
	}
	if err == nil {
		return f.sendRev(ctx, w, doc, w.rev)
	}
	if errors.Is(err, syncstore.ErrNotFound) && w.replace && !w.updated() {
		if doc, err = f.current(ctx, w); err == nil {
			return f.sendRev(ctx, w, doc, f.ks.r.revOf(doc))
		}
	}
	if errors.Is(err, syncstore.ErrNotFound) && w.flags&rowLost != 0 {
		switch _, now := f.ks.coll.Get(ctx, w.id, syncstore.GetOptions{Viewer: f.ks.r.peer.Viewer}); {
		case errors.Is(now, syncstore.ErrNotFound):
			// It has changed since, where the client's user does not see it: no other row will tell
			// the client to let go of what it has. From version 3 on, it asks for tombstones only.
			return f.sendRev(ctx, w, &syncstore.Document{ID: w.id, Removed: true, Deleted: w.flags&rowDeleted != 0}, w.rev)
		case now != nil && !errors.Is(now, syncstore.ErrDeleted):
			err = now
		}
	}
	switch {
	case errors.Is(err, syncstore.ErrNotFound):
		return f.sendNoRev(ctx, w, http.StatusNotFound, "missing")
	case errors.Is(err, syncstore.ErrDamagedDocument):
		// It will not heal. If the feed stopped at it, the client would get nothing any more.
		f.ks.r.logger.Error("a document cannot be replicated", zap.Error(err))
		return f.sendNoRev(ctx, w, http.StatusInternalServerError, "The document is damaged.")
	}
	return err
}

// updated reports whether a row of versions is answered by a device that was updated to version 4: it names tree IDs.
// It is not sent what goes on from there in place of the row's revision, but told of it by a row of its own: if it has
// pushed that itself meanwhile, the document would be in conflict with itself, which no resolver gets it out of, and
// its answer does not say (seen with 4.0.3).
func (w *wanted) updated() bool {
	return strings.Contains(w.rev, "@") && slices.ContainsFunc(w.known, namesTree)
}

// hasByTree reports whether the client has the revision, and only does not know it by its version: a device that was
// updated to version 4 names it by its tree ID. If it changed the document since it last replicated, or deleted it, which
// it does not name, it would take the version for a conflict with that, and go back to it (seen with 4.0.3 and 4.1).
func (w *wanted) hasByTree(doc *syncstore.Document) bool {
	return strings.Contains(w.rev, "@") && !doc.Removed && slices.Contains(w.known, doc.Rev.String())
}

// requested reads the very revision that the client was told of.
func (f *feed) requested(ctx context.Context, w *wanted) (*syncstore.Document, error) {
	o, err := nameRev(w.rev)
	if err != nil {
		return nil, err
	}
	o.Viewer, o.History = f.ks.r.peer.Viewer, true
	doc, err := f.ks.coll.Get(ctx, w.id, o)
	switch {
	case err != nil:
		return nil, err
	case doc.Vector.Current != o.Version && !o.Version.IsZero():
		// The document's vector is that of a later version: what this one had seen is not
		// known, and without that the client would take it for a conflict.
		return nil, syncstore.ErrNotFound
	case doc.Aside:
		// The client may have the current one, which it has pushed meanwhile, and would take
		// this one for news.
		return nil, syncstore.ErrNotFound
	}
	return doc, nil
}

// nameRev says how to read the revision that a client names: by a version, or a tree ID.
func nameRev(text string) (o syncstore.GetOptions, err error) {
	if strings.Contains(text, "@") {
		o.Version, err = syncstore.ParseVersion(text)
	} else {
		o.Rev, err = syncstore.ParseRev(text)
	}
	return o, err
}

// current reads the current revision of a document whose announced one is gone, if it belongs
// into the feed.
func (f *feed) current(ctx context.Context, w *wanted) (*syncstore.Document, error) {
	coll, viewer := f.ks.coll, f.ks.r.peer.Viewer
	doc, err := coll.Get(ctx, w.id, syncstore.GetOptions{Viewer: viewer, History: true})
	if errors.Is(err, syncstore.ErrDeleted) {
		leaves, err := coll.GetRevs(ctx, w.id, nil, syncstore.GetOptions{Viewer: viewer, History: true, Most: 1})
		if err != nil {
			return nil, err
		}
		if doc = leaves[0].Doc; doc == nil || !doc.Deleted {
			return nil, syncstore.ErrNotFound // it has changed again, and another row will tell
		}
	} else if err != nil {
		return nil, err
	}
	if f.ks.r.revOf(doc) == "" {
		return nil, syncstore.ErrNotFound
	}
	shown, err := f.inChannels(ctx, doc)
	if err == nil && !shown {
		err = syncstore.ErrNotFound
	}
	return doc, err
}

// inChannels reports whether a document is in the channels that the feed shows.
func (f *feed) inChannels(ctx context.Context, doc *syncstore.Document) (found bool, err error) {
	if f.o.channels == nil {
		return true, nil
	}
	_, err = f.ks.coll.Changes(ctx, syncstore.ChangesOptions{
		FeedOptions: syncstore.FeedOptions{Viewer: f.ks.r.peer.Viewer, Channels: f.o.channels},
		Since:       syncstore.At(doc.Seq - 1), Limit: 1,
	}, func(c *syncstore.Change) error {
		found = c.Seq == doc.Seq && len(c.Removed) == 0 && !c.Revoked
		return nil
	})
	return found, err
}

// revOf is the name of a revision for the client, "" if it can hold none.
func (r *replication) revOf(doc *syncstore.Document) string {
	if r.version >= protocol4 && !doc.Version.IsZero() {
		return doc.Version.String()
	}
	if rev := doc.Rev.String(); syncstore.RevFitsLite(rev) {
		return rev
	}
	return ""
}

// sent counts a revision that the client is sent.
func (r *replication) sent() {
	r.server.counters.DocumentsPulled.Add(1)
	r.peer.Activity.Sent()
}

// sendRev sends a revision by the name that the client knows it by (reference/blip.md 3.7).
func (f *feed) sendRev(ctx context.Context, w *wanted, doc *syncstore.Document, rev string) error {
	r := f.ks.r
	m := &blip.Message{Properties: f.revProperties(w, doc, rev), Body: revBody(doc), Compressed: true}
	src, delta := f.delta(ctx, w, doc, m.Body)
	if delta != nil {
		m.Properties = append(m.Properties, blip.Property{Name: "deltaSrc", Value: src})
		m.Body = delta
	}
	attachments := doc.Attachments
	if len(attachments) == 0 && delta == nil {
		m.NoReply = true
		r.sent()
		queued := f.untilSent(m, w.id)
		err := r.conn.Send(ctx, m)
		queued()
		return err
	}
	if err := f.begins(ctx, len(attachments)); err != nil {
		return err
	}
	r.allowed.add(f.ks, w.id, attachments)
	r.sent()
	return r.conn.Start(ctx, m, func(_ *blip.Response, err error) {
		r.allowed.remove(f.ks, w.id, attachments)
		f.replied(w, len(attachments), delta != nil, err)
	})
}

func (f *feed) revProperties(w *wanted, doc *syncstore.Document, rev string) blip.Properties {
	p := f.ks.properties(profileRev, blip.Property{Name: "id", Value: w.id}, blip.Property{Name: "rev", Value: rev},
		blip.Property{Name: "sequence", Value: string(appendSequence(nil, w.at))})
	if rev != w.rev {
		p = append(p, blip.Property{Name: "replacedRev", Value: w.rev})
	}
	if history := revHistory(doc, rev, w.known, w.history); len(history) > 0 {
		p = append(p, blip.Property{Name: "history", Value: string(history)})
	}
	if doc.Deleted {
		p = append(p, blip.Property{Name: "deleted", Value: "1"})
	}
	return append(p, blip.Property{Name: "Content-Type", Value: "application/json"})
}
