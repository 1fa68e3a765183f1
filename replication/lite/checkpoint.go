package lite

import (
	"net/http"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// checkpointPrefix begins the IDs of the local documents that checkpoints are. They belong to
// who wrote them: another user's replicator does not find them.
const checkpointPrefix = "checkpoint/"

// guestOwner owns the checkpoints of guests, as it does their other local documents
// (replication/rest). No user has this name.
const guestOwner = ":guest"

// owner is whose the checkpoints are. Those of "" are an administrator's.
func (r *replication) owner() string {
	switch v := r.peer.Viewer; {
	case v == nil:
		return ""
	case v.Name == "":
		return guestOwner
	default:
		return v.Name
	}
}

// getCheckpoint gives a client's checkpoint back (reference/blip.md 3.1).
func (r *replication) getCheckpoint(ks *keyspace, q *blip.Request) error {
	id, err := checkpointID(q)
	if err != nil {
		return err
	}
	doc, err := ks.coll.GetLocal(r.ctx, r.owner(), id)
	if err != nil {
		return err
	}
	q.Reply(&blip.Message{Properties: jsonProperties(blip.Property{Name: "rev", Value: doc.Rev}), Body: doc.Body, Compressed: true})
	return nil
}

// setCheckpoint stores a client's checkpoint. A revision that is not the stored one is 409,
// also where there is none: by 409 the client reads what there is and tries again, while by
// 404 its checkpoint is lost (reference/blip.md 3.2).
func (r *replication) setCheckpoint(ks *keyspace, q *blip.Request) error {
	id, err := checkpointID(q)
	if err != nil {
		return err
	}
	doc, err := jsondoc.Parse(q.Body)
	if err != nil {
		return err
	}
	rev, err := ks.coll.PutLocal(r.ctx, r.owner(), id, q.Properties.Value("rev"), doc.Body)
	if err != nil {
		return err
	}
	q.Reply(&blip.Message{Properties: blip.Properties{{Name: "rev", Value: rev}}})
	return nil
}

func checkpointID(q *blip.Request) (string, error) {
	client := q.Properties.Value("client")
	if client == "" {
		return "", refuse(http.StatusBadRequest, "The property client is missing.")
	}
	return checkpointPrefix + client, nil
}
