package lite

import (
	"context"

	"github.com/caddysync/caddy-sync/replication/lite/delta"
	"github.com/caddysync/caddy-sync/syncstore"
)

// minDelta is the shortest body of which a delta may be sent: it costs the client a read and an
// answer.
const minDelta = 200

// delta returns what makes a revision's body of that of the first revision that the client has,
// and the name of that one, if it saves anything (reference/blip.md 6). It is nil if the other
// body is not there any more, or not for the client's user to see. That is no reason to fail.
func (f *feed) delta(ctx context.Context, w *wanted, doc *syncstore.Document, body []byte) (src string, text []byte) {
	if w.full || len(w.known) == 0 || len(body) < minDelta || doc.Deleted || doc.Removed || !f.ks.takesDeltas() {
		return "", nil
	}
	src = w.known[0]
	o, err := nameRev(src)
	if err != nil {
		return "", nil
	}
	o.Viewer = f.ks.r.peer.Viewer
	old, err := f.ks.coll.Get(ctx, w.id, o)
	if err != nil || old.Deleted || old.Removed || old.Rev == doc.Rev {
		return "", nil
	}
	text, ok := delta.Diff(revBody(old), body)
	if !ok {
		return "", nil
	}
	return src, text
}
