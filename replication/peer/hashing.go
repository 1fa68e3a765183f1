package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// hashing is the taker that keeps of each document what it is compared by.
type hashing struct{ docs map[string]*hashed }

// hashed is a revision, without its body.
type hashed struct {
	deleted     bool
	body        [sha256.Size]byte
	history     []syncstore.Rev
	attachments []receivedAttachment // by name, without content
}

func hashKey(id string, rev syncstore.Rev) string { return rev.String() + " " + id }

func (h *hashing) of(id string, rev syncstore.Rev) *hashed { return h.docs[hashKey(id, rev)] }

func (h *hashing) flush(context.Context) error { return nil }

func (h *hashing) add(_ context.Context, doc *received) error {
	body, err := canonical(doc.body)
	if err != nil {
		return fmt.Errorf("%w gave a document that cannot be read: %w", ErrRemote, err)
	}
	one := &hashed{deleted: doc.deleted, body: sha256.Sum256(body), history: slices.Clone(doc.history)}
	for _, a := range doc.attachments {
		a.data = nil
		a.name, a.contentType, a.digest = strings.Clone(a.name), strings.Clone(a.contentType), strings.Clone(a.digest)
		one.attachments = append(one.attachments, a)
	}
	slices.SortFunc(one.attachments, func(a, b receivedAttachment) int { return strings.Compare(a.name, b.name) })
	h.docs[hashKey(doc.id, doc.rev)] = one
	return nil
}

// canonical is a body with the members of its objects in order and without white space. Numbers
// stay as they are written.
func canonical(body []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// total is the hash of everything that is compared but the ancestry, which a target may cut.
func (h *hashed) total(id string, rev syncstore.Rev) (sum [sha256.Size]byte) {
	to := sha256.New()
	field := func(text string) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		_, _ = to.Write(append(length[:], text...)) // a hash never fails
	}
	field(id)
	field(rev.String())
	field(fmt.Sprint(h.deleted))
	field(string(h.body[:]))
	for i := range h.attachments {
		a := &h.attachments[i]
		field(a.name)
		field(a.contentType)
		field(a.digest)
	}
	to.Sum(sum[:0])
	return sum
}

// differs says in what the same revision is another at the target, "" if in nothing. nil is one that a
// side does not give.
func (h *hashed) differs(at *hashed, rev syncstore.Rev) string {
	of := " of revision " + rev.String()
	switch {
	case h == nil:
		return "revision " + rev.String() + " cannot be read at the source"
	case at == nil:
		return "revision " + rev.String() + " cannot be read at the target"
	case h.deleted != at.deleted:
		return "the deletion" + of + " is not there"
	case h.body != at.body:
		return "the body" + of + " is another"
	}
	for i := range min(len(h.history), len(at.history)) {
		if h.history[i] != at.history[i] {
			return "the ancestry" + of + " is another"
		}
	}
	same := slices.EqualFunc(h.attachments, at.attachments, func(a, b receivedAttachment) bool {
		// Where the source names the digest of a compressed form that it did not give, the length has
		// to do.
		digest := a.digest == b.digest || a.digest == "" || a.gzipped && a.length == b.length
		return a.name == b.name && a.contentType == b.contentType && digest
	})
	if !same {
		return "the attachments" + of + " are others"
	}
	return ""
}
