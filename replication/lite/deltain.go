package lite

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/replication/lite/delta"
	"github.com/caddysync/caddy-sync/syncstore"
)

// errNoDelta asks the client to send the revision in full, which it does at once
// (reference/blip.md 3.10).
var errNoDelta = refuse(http.StatusUnprocessableEntity, "The delta cannot be applied: send the revision in full.")

// text returns the revision's body as JSON: as it came, or what a delta makes of base, the revision
// that it starts from, nil if it is none. That of a tombstone is never a delta.
func (p *push) text(r *replication) (text, base []byte, err error) {
	source := p.q.Properties.Value("deltaSrc")
	switch {
	case p.edit.Deleted && len(bytes.TrimSpace(p.q.Body)) == 0:
		return []byte("{}"), nil, nil
	case source == "" || p.edit.Deleted:
		return p.q.Body, nil, nil
	case r.peer.NoDeltas:
		return nil, nil, refuse(http.StatusBadRequest, "This database takes no deltas.")
	}
	if base, err = p.deltaBase(r, source); err != nil {
		return nil, nil, err
	}
	text, err = delta.Apply(base, p.q.Body)
	if err != nil || !r.push.grow(p, len(text)) {
		return nil, nil, errNoDelta
	}
	return text, base, nil
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

// mirrorsBlob begins the name of an attachment that is the server's form of a blob; the JSON pointer to it follows
// (reference/blip.md 5.3).
const mirrorsBlob = "blob_/"

// withoutLostBlobs leaves out of what a delta made of a document's attachments those of blobs that it took away. Couchbase
// Lite up to 3 adds them to both sides of a delta, but to neither where the new revision has no blob: then the delta
// takes the blobs away and says nothing of them. Where there was no blob before, they are somebody's attachments with
// such a name, and the device has them too.
func withoutLostBlobs(attachments []attachment, base []byte, now receivedBody) []attachment {
	mirrors := func(a attachment) bool { return strings.HasPrefix(a.name, mirrorsBlob) }
	if base == nil || !slices.ContainsFunc(attachments, mirrors) || hasBlob(now.body) || hasBlob(now.extra) || !hasBlob(base) {
		return attachments
	}
	return slices.DeleteFunc(attachments, mirrors)
}

// hasBlob reports whether there is a member "@type" with the value "blob" anywhere in a document.
func hasBlob(body []byte) bool {
	tokens := json.NewDecoder(bytes.NewReader(body))
	tokens.UseNumber()
	var before json.Token
	for {
		token, err := tokens.Token()
		if err != nil {
			return !errors.Is(err, io.EOF)
		}
		if before == json.Token("@type") && token == json.Token("blob") {
			return true
		}
		before = token
	}
}

// deltaError says of what a delta made that it cannot be taken. The client then sends the
// revision in full, and learns what is wrong with that.
func (p *push) deltaError(err error) error {
	if p.q.Properties.Value("deltaSrc") == "" || p.edit.Deleted {
		return err
	}
	return errNoDelta
}
