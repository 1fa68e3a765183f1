package rest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// rawMetadata is what _raw says of a document beside its body; the names are Sync Gateway's
// where it has the same thing.
type rawMetadata struct {
	Sync    rawSync    `json:"_sync"`
	Version rawVersion `json:"_vv"`
}

type rawSync struct {
	Rev      string    `json:"rev"`
	Deleted  bool      `json:"deleted"`
	Sequence uint64    `json:"sequence"`
	Created  uint64    `json:"created_sequence"`
	Creator  string    `json:"creator,omitempty"`
	History  rawTree   `json:"history"`
	Leaves   []rawLeaf `json:"leaves"`
	// Channels are those of the winner, ChannelSet when the document was in which.
	Channels    []string                 `json:"channels"`
	ChannelSet  []rawSpan                `json:"channel_set"`
	Attachments map[string]rawAttachment `json:"attachments,omitempty"` // of the winner
}

// rawTree is the tree of revisions; a parent is a place in revs, -1 if it is not known.
type rawTree struct {
	Revs    []string `json:"revs"`
	Parents []int    `json:"parents"`
	Deleted []int    `json:"deleted"`
	// Bodies are the places of those whose bodies are still there.
	Bodies []int `json:"bodies"`
}

type rawLeaf struct {
	Rev      string     `json:"rev"`
	Deleted  bool       `json:"deleted,omitempty"`
	Sequence uint64     `json:"sequence"`
	Author   string     `json:"author,omitempty"`
	Expires  *time.Time `json:"exp,omitempty"`
	Channels []string   `json:"channels"`
	Access   []rawGrant `json:"access"`
}

type rawGrant struct {
	Principal string `json:"principal"`
	Channel   string `json:"channel"`
	// Since is left out where the leaf is not the winner: it grants nothing.
	Since uint64 `json:"since,omitempty"`
}

type rawSpan struct {
	Name  string `json:"name"`
	Start uint64 `json:"start"`
	End   uint64 `json:"end,omitempty"`
}

type rawAttachment struct {
	ContentType string `json:"content_type"`
	Digest      string `json:"digest"`
	Length      int64  `json:"length"`
	RevPos      uint64 `json:"revpos"`
	SHA256      string `json:"sha256"`
}

type rawVersion struct {
	Current string `json:"cv"`
	Vector  string `json:"vector"`
}

// inspect reads all about the document of the path, for an administrator.
func (h *Handler) inspect(rq *request) (*syncstore.Inspection, error) {
	a, err := h.administration(rq)
	if err != nil {
		return nil, err
	}
	found, err := rq.coll.Inspect(rq.r.Context(), rq.docID)
	if err != nil {
		return nil, fmt.Errorf("reading a document with its metadata: %w", err)
	}
	a.Note(auth.DocumentInspected, rq.keyspace)
	return found, nil
}

// raw answers GET /{keyspace}/_raw/{doc}: the winner's body, and all that is kept beside it.
// With include_doc=false the body stays out. Tombstones are documents here.
func (h *Handler) raw(rq *request) error {
	switch text := rq.query.Get("include_doc"); text {
	case "", "true", "false":
	default:
		return badRequest("The query parameter include_doc must be true or false.")
	}
	found, err := h.inspect(rq)
	if err != nil {
		return err
	}
	metadata, err := json.Marshal(rawOf(found))
	if err != nil {
		return fmt.Errorf("describing a document: %w", err)
	}
	b := jsondoc.AppendString([]byte(`{"_id":`), found.ID)
	b = jsondoc.AppendString(append(b, `,"_rev":`...), found.Leaves[0].Rev.String())
	if found.Leaves[0].Deleted {
		b = append(b, `,"_deleted":true`...)
	}
	b = append(append(b, `,"_xattrs":`...), metadata...)
	body := found.Body
	if rq.query.Get("include_doc") == "false" {
		body = []byte("{}")
	}
	return rq.sendJSON(http.StatusOK, append(appendMembers(b, body), '\n'))
}

func rawOf(i *syncstore.Inspection) rawMetadata {
	winner := &i.Leaves[0]
	m := rawMetadata{
		Sync: rawSync{
			Rev: winner.Rev.String(), Deleted: winner.Deleted, Sequence: i.Seq, Created: i.Created, Creator: i.Creator,
			History: rawTreeOf(i.Tree), Channels: orEmpty(winner.Channels), ChannelSet: []rawSpan{}, Attachments: rawAttachments(winner.Attachments),
		},
		Version: rawVersion{Vector: string(i.Vector.Append(nil))},
	}
	if !i.Vector.Current.IsZero() {
		m.Version.Current = i.Vector.Current.String()
	}
	for n := range i.Leaves {
		m.Sync.Leaves = append(m.Sync.Leaves, rawLeafOf(&i.Leaves[n]))
	}
	for _, s := range i.Spans {
		m.Sync.ChannelSet = append(m.Sync.ChannelSet, rawSpan{s.Channel, s.From, s.To})
	}
	return m
}

func rawTreeOf(tree []syncstore.InspectedRevision) rawTree {
	t := rawTree{Deleted: []int{}, Bodies: []int{}}
	for n := range tree {
		t.Revs = append(t.Revs, tree[n].Rev.String())
		t.Parents = append(t.Parents, tree[n].Parent)
		if tree[n].Deleted {
			t.Deleted = append(t.Deleted, n)
		}
		if tree[n].Body {
			t.Bodies = append(t.Bodies, n)
		}
	}
	return t
}

func rawLeafOf(l *syncstore.InspectedLeaf) rawLeaf {
	raw := rawLeaf{
		Rev: l.Rev.String(), Deleted: l.Deleted, Sequence: l.Seq, Author: l.Author, Channels: orEmpty(l.Channels), Access: []rawGrant{},
	}
	if !l.Expires.IsZero() {
		raw.Expires = &l.Expires
	}
	for _, g := range l.Grants {
		raw.Access = append(raw.Access, rawGrant{g.Principal, g.Channel, g.Since})
	}
	return raw
}

func rawAttachments(list []syncstore.Attachment) map[string]rawAttachment {
	named := make(map[string]rawAttachment, len(list))
	for n := range list {
		a := &list[n]
		named[a.Name] = rawAttachment{
			ContentType: a.ContentType, Digest: a.Digest, Length: a.Content.Length, RevPos: a.RevPos, SHA256: hex.EncodeToString(a.Content.SHA256[:]),
		}
	}
	return named
}

// orEmpty makes a JSON array of nothing.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
