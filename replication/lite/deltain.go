package lite

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/caddysync/caddy-sync/replication/lite/delta"
	"github.com/caddysync/caddy-sync/syncstore"
)

// errNoDelta asks the client to send the revision in full, which it does at once
// (reference/blip.md 3.10).
var errNoDelta = refuse(http.StatusUnprocessableEntity, "The delta cannot be applied: send the revision in full.")

// text returns the revision's body as JSON: as it came, or what a delta makes of the revision
// that it starts from. That of a tombstone is never a delta.
func (p *push) text(r *replication) ([]byte, error) {
	source := p.q.Properties.Value("deltaSrc")
	switch {
	case p.edit.Deleted && len(bytes.TrimSpace(p.q.Body)) == 0:
		return []byte("{}"), nil
	case source == "" || p.edit.Deleted:
		return p.q.Body, nil
	case r.peer.NoDeltas:
		return nil, refuse(http.StatusBadRequest, "This database takes no deltas.")
	}
	base, err := p.deltaBase(r, source)
	if err != nil {
		return nil, err
	}
	text, err := delta.Apply(base, p.q.Body)
	if err != nil || !r.push.grow(p, len(text)) {
		return nil, errNoDelta
	}
	return text, nil
}

// deltaBase returns the revision that a delta starts from as the client has it, its
// attachments included. One that the client may not read is not there: from a delta it could
// find out what it says.
func (p *push) deltaBase(r *replication, source string) ([]byte, error) {
	o, err := nameRev(currentOf(source))
	if err != nil {
		return nil, errNoDelta
	}
	o.Viewer = r.peer.Viewer
	doc, err := p.ks.coll.Get(r.ctx, p.id, o)
	switch {
	case errors.Is(err, syncstore.ErrNotFound), errors.Is(err, syncstore.ErrDeleted), errors.Is(err, syncstore.ErrBadID):
		return nil, errNoDelta
	case err != nil:
		return nil, err
	case doc.Deleted || doc.Removed:
		return nil, errNoDelta
	}
	return revBody(doc), nil
}

// deltaError says of what a delta made that it cannot be taken. The client then sends the
// revision in full, and learns what is wrong with that.
func (p *push) deltaError(err error) error {
	if p.q.Properties.Value("deltaSrc") == "" || p.edit.Deleted {
		return err
	}
	return errNoDelta
}
