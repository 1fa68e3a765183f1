package lite

import (
	"crypto/sha1" //nolint:gosec // for a name of the kind that Couchbase Lite makes
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/replication/blip"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// push is a revision that a client sent and that is not answered yet.
type push struct {
	ks *keyspace
	q  *blip.Request
	id string
	// size is that of the message's body, which is let go of when the edit has what is needed of it:
	// a push may wait for its attachments for long.
	size int
	// unwanted is what the message takes, in bytes, if it wants no answer.
	unwanted int

	// edit is what will be written. Set by prepare, its attachments by fetch. While the push waits it has
	// no history: see letGo.
	edit        syncstore.Edit
	attachments []attachment
	prepared    bool
	// anew: what the document has is not relied on any more, because the store could not find
	// it. The client sends all attachments again.
	anew bool
	// grown is what a delta made of the body, in bytes.
	grown int
	// after, if not 0, is the last batch that was begun when the push was refused first.
	after int
}

// receiveRev takes a revision in (reference/blip.md 3.10). It runs on the goroutine that
// reads: the queue does the rest.
func (r *replication) receiveRev(ks *keyspace, q *blip.Request) error {
	p := &push{ks: ks, q: q, id: q.Properties.Value("id"), size: len(q.Body)}
	switch {
	case p.id == "":
		return refuse(http.StatusBadRequest, "The property id is missing.")
	case reservedID(p.id):
		return refuse(http.StatusBadRequest, "Only reserved document IDs may start with underscore.")
	case q.Properties.Value("rev") == "":
		return refuse(http.StatusBadRequest, "The property rev is missing.")
	case r.peer.ReadOnly:
		return errReadOnly
	case r.ignores(p.id):
		q.Reply(&blip.Message{})
		return nil
	}
	r.push.take(p)
	return nil
}

// noRev notes that a client has not got what it proposed.
func (r *replication) noRev(_ *keyspace, q *blip.Request) error {
	r.logger.Debug("client does not send a revision that it proposed",
		zap.String("error", q.Properties.Value("error")), zap.String("reason", q.Properties.Value("reason")))
	q.Reply(&blip.Message{})
	return nil
}

// prepare makes an edit of a push. wait says that the client has to be asked for attachments
// first.
func (p *push) prepare(r *replication) (wait bool, err error) {
	if err := p.nameRevision(r.version); err != nil {
		return false, err
	}
	if !p.prepared {
		if err := p.parse(r); err != nil {
			return false, err
		}
		p.prepared, p.q.Body = true, nil
	}
	if len(p.attachments) == 0 || p.edit.Attachments != nil {
		return false, nil
	}
	return p.keepAttachments(r)
}

func (p *push) parse(r *replication) error {
	p.edit.ID, p.edit.Deleted = p.id, deleted(p.q.Properties)
	text, base, err := p.text(r)
	if err != nil {
		return err
	}
	body, err := readReceived(text, time.Now())
	switch {
	case err != nil:
		return p.deltaError(err)
	case int64(len(body.body)) > r.peer.MaxDocument:
		return syncstore.ErrTooLarge
	}
	p.edit.Body, p.edit.Extra, p.edit.Expires = body.body, body.extra, body.expires
	p.attachments = withoutLostBlobs(body.attachments, base, body)
	return nil
}

// deleted reads the property of a tombstone. Clients send "1", or "true" up to 2.x; what else
// is there means the same, but for the two ways of saying no (reference/blip.md 8.1 row 37).
func deleted(p blip.Properties) bool {
	value, there := p.Get("deleted")
	return there && value != "0" && value != "false"
}

// nameRevision reads what the revision is called and what it came from. A client of version
// 4 that has revisions from before it had versions names them as it did then.
func (p *push) nameRevision(version protocol) (err error) {
	rev, history := p.q.Properties.Value("rev"), p.q.Properties.Value("history")
	switch {
	case namesTree(rev):
		p.edit.NoConflicts, p.edit.EncodeVersion = true, version == protocol4
		p.edit.History, err = treeHistory(rev, history)
	case version == protocol4:
		p.edit.Vector, p.edit.History, err = syncstore.ParseRevision(rev, history)
	default:
		return refuse(http.StatusBadRequest, "The property rev is no revision ID.")
	}
	return err
}

// letGo lets go of the ancestry before the push has to wait: two revisions with a gap between them become
// a hundred times as long as what they were named by, and thousands of pushes may wait at once.
func (p *push) letGo() { p.edit.History = nil }

// treeHistory reads a revision and its ancestors, newest first. A client that edited more often
// than its tree keeps leaves some out before the one that it has from the server: generations
// fall, but not by one. What does not fall is of no use, and cut off.
func treeHistory(rev, history string) ([]syncstore.Rev, error) {
	first, err := syncstore.ParseRev(rev)
	if err != nil {
		return nil, err
	}
	revs := append(make([]syncstore.Rev, 0, min(2+strings.Count(history, ","), syncstore.DefaultRevisions)), first)
	for text := range strings.SplitSeq(history, ",") {
		if text = strings.Trim(text, " "); text == "" {
			continue
		}
		ancestor, err := syncstore.ParseRev(text)
		if err != nil {
			return nil, err
		}
		newer := revs[len(revs)-1]
		if ancestor.Gen >= newer.Gen || len(revs)+int(newer.Gen-ancestor.Gen) > syncstore.DefaultRevisions {
			break
		}
		revs = append(appendBetween(revs, newer, ancestor), ancestor)
	}
	return revs, nil
}

// appendBetween makes up the revisions that were left out between two, the same ones each
// time. Nobody asks for them, but with them the ancestry has no gap: CouchDB's clients, whose
// histories cannot have one, would take the newer one for a conflict with the older.
func appendBetween(revs []syncstore.Rev, newer, older syncstore.Rev) []syncstore.Rev {
	for gen := newer.Gen - 1; gen > older.Gen; gen-- {
		sum := sha1.Sum([]byte(newer.String() + "," + older.String() + "," + strconv.FormatUint(gen, 10))) //nolint:gosec // see imports
		revs = append(revs, syncstore.Rev{Gen: gen, Digest: hex.EncodeToString(sum[:])})
	}
	return revs
}
