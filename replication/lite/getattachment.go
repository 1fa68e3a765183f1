package lite

import (
	"net/http"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
)

// getAttachment gives the client an attachment of a revision that it is about to take
// (reference/blip.md 3.12). What wants no answer does not wait for an outlet: nothing bounds how many do.
func (r *replication) getAttachment(ks *keyspace, q *blip.Request) error {
	if q.NoReply {
		return nil
	}
	id, digest := q.Properties.Value("docID"), q.Properties.Value("digest")
	switch {
	case digest == "":
		return refuse(http.StatusBadRequest, "The property digest is missing.")
	case id == "" && r.version >= protocol3:
		return refuse(http.StatusBadRequest, "The property docID is missing.")
	}
	content, ok := r.allowed.find(ks, id, digest)
	if !ok {
		return refuse(http.StatusForbidden, "The attachment is of no revision that is being sent.")
	}
	r.outlets.take(func() {
		if err := r.sendContent(q, content); err != nil {
			r.refuse(q, asRefusal(err))
			r.giveOutlet()
		}
	})
	return nil
}

// sendContent answers with content, and gives its outlet back when that was sent.
func (r *replication) sendContent(q *blip.Request, content syncstore.Content) error {
	reader, err := r.peer.Database.OpenContent(r.ctx, content)
	if err != nil {
		return err
	}
	q.Reply(&blip.Message{Stream: &outlet{reader, r.giveOutlet}, Compressed: flag(q.Properties, "compress")})
	return nil
}

// giveOutlet lets the next attachment go. It may be called by whoever sends.
func (r *replication) giveOutlet() {
	if next := r.outlets.give(); next != nil {
		r.jobs.do(next)
	}
}
