package peer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	// checkpointVersion is in a checkpoint's document, and in the name: another way to choose
	// names or to compare begins anew.
	checkpointVersion = 4
	// maxSessions is how many sessions a checkpoint remembers, as in CouchDB.
	maxSessions = 50
	// maxCheckpoint bounds the document that another server gives as one: sequences of CouchDB may have several KiB.
	maxCheckpoint = 4 << 20
)

// SessionRecord is what a checkpoint remembers of one run, with CouchDB's members.
type SessionRecord struct {
	SessionID        string          `json:"session_id"`
	StartTime        string          `json:"start_time"`
	EndTime          string          `json:"end_time"`
	StartLastSeq     json.RawMessage `json:"start_last_seq"`
	EndLastSeq       json.RawMessage `json:"end_last_seq"`
	RecordedSeq      json.RawMessage `json:"recorded_seq"`
	MissingChecked   uint64          `json:"missing_checked"`
	MissingFound     uint64          `json:"missing_found"`
	DocsRead         uint64          `json:"docs_read"`
	DocsWritten      uint64          `json:"docs_written"`
	DocWriteFailures uint64          `json:"doc_write_failures"`
	// Saved counts the checkpoints of the session: of two that differ, the lower is what both
	// sides have surely seen, whichever of them was restored from a backup.
	Saved uint64 `json:"saved"`
}

// checkpoint is the document that both sides keep.
type checkpoint struct {
	rev      string
	Version  int             `json:"replication_id_version"`
	Session  string          `json:"session_id"`
	LastSeq  json.RawMessage `json:"source_last_seq"`
	Sessions []SessionRecord `json:"history"`
	// LeftBehind are revisions before LastSeq that are not replicated. The target remembers them, which may be restored
	// from a backup of a time when it had them not yet, and the source of a push.
	LeftBehind []revRef `json:"left_behind,omitempty"`
	// LeftFrom is the position before the first of them that is not in LeftBehind, nil if all are.
	LeftFrom json.RawMessage `json:"left_behind_from,omitempty"`
}

// beginning is where a replication without a checkpoint begins.
func beginning() json.RawMessage { return json.RawMessage("0") }

// common finds the newest position that two checkpoints agree on.
func common(a, b *checkpoint) json.RawMessage {
	if a == nil || b == nil || a.Version != checkpointVersion || b.Version != checkpointVersion {
		return beginning()
	}
	for i := range a.Sessions {
		for j := range b.Sessions {
			x, y := &a.Sessions[i], &b.Sessions[j]
			if x.SessionID == "" || x.SessionID != y.SessionID {
				continue
			}
			if x.Saved > y.Saved {
				x = y
			}
			if len(x.RecordedSeq) > 0 {
				return x.RecordedSeq
			}
		}
	}
	return beginning()
}

// id names the replication: the same from the same to the same, with the same filter, has the
// same checkpoints.
func (o *Options) id(local Local) string {
	user := ""
	if c := o.Remote.Credentials; c != nil {
		user = c.Name
	}
	viewer := ""
	if o.Viewer != nil {
		viewer = "user " + o.Viewer.Name
	}
	var database, keyspace string
	if o.Target != nil {
		keyspace = o.Target.URL.String() // it keeps the checkpoint, which goes when the database goes
	} else {
		database, keyspace = local.Database.UUID(), local.Collection.Keyspace()
	}
	text, err := json.Marshal([]any{
		checkpointVersion, o.Direction, database, keyspace, viewer,
		o.Remote.URL.String(), user, o.Channels, o.DocIDs, o.Selector,
	})
	if err != nil {
		panic(err) // nothing here cannot be marshalled but a malformed selector, which New has refused
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// checkpoints reads and writes those of one replication.
type checkpoints struct {
	id          string
	here, there side
	pushes      bool // to there
}

// side is one of the two sides that keep a checkpoint.
type side struct {
	keeper
	// known is what it keeps, nil if nothing.
	known *checkpoint
}

// keeper keeps a document of a name. It gives nil for one that is not there.
type keeper interface {
	readCheckpoint(ctx context.Context, id string) (*checkpoint, error)
	writeCheckpoint(ctx context.Context, id, rev string, body []byte) (newRev string, err error)
}

// load reads both and returns where to go on. A source that nothing is written to has no
// opinion.
func (c *checkpoints) load(ctx context.Context) (json.RawMessage, error) {
	for _, at := range []*side{&c.here, &c.there} {
		if at.keeper == nil {
			continue
		}
		var err error
		if at.known, err = at.readCheckpoint(ctx, c.id); err != nil {
			return nil, fmt.Errorf("reading the checkpoint: %w", err)
		}
	}
	if c.there.keeper == nil {
		return common(c.here.known, c.here.known), nil
	}
	return common(c.here.known, c.there.known), nil
}

// save writes the session's state to both sides, and what is left behind but to the source of a pull.
func (c *checkpoints) save(ctx context.Context, record SessionRecord, left *leftBehind) error {
	for _, at := range []*side{&c.there, &c.here} {
		if at.keeper == nil {
			continue
		}
		next := checkpoint{Version: checkpointVersion, Session: record.SessionID, LastSeq: record.RecordedSeq, Sessions: []SessionRecord{record}}
		if at == &c.here || c.pushes {
			next.LeftBehind, next.LeftFrom = left.list(), left.from
		}
		if err := at.save(ctx, c.id, next); err != nil {
			return fmt.Errorf("writing the checkpoint: %w", err)
		}
	}
	return nil
}

func (s *side) save(ctx context.Context, id string, next checkpoint) error {
	if s.known == nil {
		s.known = new(checkpoint)
	}
	for _, earlier := range s.known.Sessions {
		if earlier.SessionID != next.Session && len(next.Sessions) < maxSessions {
			next.Sessions = append(next.Sessions, earlier)
		}
	}
	body, err := json.Marshal(next)
	if err != nil {
		return err
	}
	rev, err := s.writeCheckpoint(ctx, id, s.known.rev, body)
	if err != nil {
		return err
	}
	s.known.Sessions, s.known.rev = next.Sessions, rev
	return nil
}

// localKeeper keeps checkpoints in a collection of this server.
type localKeeper struct {
	collection *syncstore.Collection
	owner      string
}

func (k localKeeper) readCheckpoint(ctx context.Context, id string) (*checkpoint, error) {
	doc, err := k.collection.GetLocal(ctx, k.owner, id)
	if errors.Is(err, syncstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := checkpoint{rev: doc.Rev}
	if json.Unmarshal(doc.Body, &found) != nil {
		found = checkpoint{rev: doc.Rev} // somebody else's: it is written over
	}
	return &found, nil
}

func (k localKeeper) writeCheckpoint(ctx context.Context, id, rev string, body []byte) (string, error) {
	return k.collection.PutLocal(ctx, k.owner, id, rev, body)
}

func (r *remote) readCheckpoint(ctx context.Context, id string) (*checkpoint, error) {
	var found struct {
		Rev string `json:"_rev"`
		checkpoint
	}
	err := r.get(ctx, ask{method: http.MethodGet, path: "_local/" + id}, maxCheckpoint, &found)
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found.checkpoint.rev = found.Rev
	return &found.checkpoint, nil
}

func (r *remote) writeCheckpoint(ctx context.Context, id, rev string, body []byte) (string, error) {
	if rev != "" {
		body = append([]byte(`{"_rev":`+quote(rev)+`,`), body[1:]...)
	}
	var answer struct {
		Rev string `json:"rev"`
	}
	err := r.get(ctx, ask{method: http.MethodPut, path: "_local/" + id, json: body}, maxCheckpoint, &answer)
	return answer.Rev, err
}

func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string can always be marshalled
	return string(quoted)
}

// httpTime is how CouchDB writes times into checkpoints.
func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
