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
	// maxCheckpoint bounds the document that another server gives as one.
	maxCheckpoint = 1 << 20
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
	text, err := json.Marshal([]any{
		checkpointVersion, o.Direction, local.Database.UUID(), local.Collection.Keyspace(), viewer,
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
	id            string
	local, remote *checkpoint
	localAt       Local
	owner         string
	to            *remote
}

// load reads both and returns where to go on.
func (c *checkpoints) load(ctx context.Context) (json.RawMessage, error) {
	var err error
	if c.local, err = c.readLocal(ctx); err != nil {
		return nil, err
	}
	if c.remote, err = c.readRemote(ctx); err != nil {
		return nil, err
	}
	return common(c.local, c.remote), nil
}

func (c *checkpoints) readLocal(ctx context.Context) (*checkpoint, error) {
	doc, err := c.localAt.Collection.GetLocal(ctx, c.owner, c.id)
	if errors.Is(err, syncstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	found := checkpoint{rev: doc.Rev}
	if json.Unmarshal(doc.Body, &found) != nil {
		found = checkpoint{rev: doc.Rev} // somebody else's: it is written over
	}
	return &found, nil
}

func (c *checkpoints) readRemote(ctx context.Context) (*checkpoint, error) {
	var found struct {
		Rev string `json:"_rev"`
		checkpoint
	}
	err := c.to.get(ctx, ask{method: http.MethodGet, path: "_local/" + c.id}, maxCheckpoint, &found)
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	found.checkpoint.rev = found.Rev
	return &found.checkpoint, nil
}

// save writes the session's state to both sides.
func (c *checkpoints) save(ctx context.Context, record SessionRecord) error {
	body := func(before *checkpoint) ([]byte, error) {
		next := checkpoint{Version: checkpointVersion, Session: record.SessionID, LastSeq: record.RecordedSeq, Sessions: []SessionRecord{record}}
		if before != nil {
			for _, earlier := range before.Sessions {
				if earlier.SessionID != record.SessionID && len(next.Sessions) < maxSessions {
					next.Sessions = append(next.Sessions, earlier)
				}
			}
			before.Sessions = next.Sessions
		}
		return json.Marshal(next)
	}
	if c.local == nil {
		c.local = new(checkpoint)
	}
	if c.remote == nil {
		c.remote = new(checkpoint)
	}
	text, err := body(c.remote)
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	if err := c.writeRemote(ctx, text); err != nil {
		return err
	}
	if text, err = body(c.local); err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	rev, err := c.localAt.Collection.PutLocal(ctx, c.owner, c.id, c.local.rev, text)
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	c.local.rev = rev
	return nil
}

func (c *checkpoints) writeRemote(ctx context.Context, text []byte) error {
	if c.remote.rev != "" {
		text = append([]byte(`{"_rev":`+quote(c.remote.rev)+`,`), text[1:]...)
	}
	var answer struct {
		Rev string `json:"rev"`
	}
	err := c.to.get(ctx, ask{method: http.MethodPut, path: "_local/" + c.id, json: text}, maxCheckpoint, &answer)
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	c.remote.rev = answer.Rev
	return nil
}

func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string can always be marshalled
	return string(quoted)
}

// httpTime is how CouchDB writes times into checkpoints.
func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
