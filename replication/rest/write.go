package rest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
)

// putDocument answers PUT /{db}/{doc}, with JSON or with multipart/related.
func (h *Handler) putDocument(rq *request) error {
	if boundary, ok := relatedBoundary(rq.r.Header["Content-Type"]); ok {
		return h.putRelated(rq, boundary)
	}
	p := h.policy(rq)
	b, err := h.readBody(rq, p.Limits.Request)
	if err != nil {
		return err
	}
	defer b.free()
	in, err := parseIncoming(b.text, p.Limits.Document)
	if err != nil {
		return err
	}
	in.own(&b)
	return h.put(rq, p, &in, nil)
}

// postDocument answers POST /{db}: a document whose ID may be left to the server.
func (h *Handler) postDocument(rq *request) error {
	p := h.policy(rq)
	b, err := h.readBody(rq, p.Limits.Request)
	if err != nil {
		return err
	}
	defer b.free()
	in, err := parseIncoming(b.text, p.Limits.Document)
	if err != nil {
		return err
	}
	in.own(&b)
	if !in.hasID {
		in.id = newID()
	}
	if in.local() {
		return badRequest("_local documents are written with PUT.")
	}
	rq.docID = in.id
	rq.set("Location", h.PathPrefix+"/"+url.PathEscape(rq.keyspace)+"/"+url.PathEscape(in.id))
	return h.put(rq, p, &in, nil)
}

// deleteDocument answers DELETE /{db}/{doc}?rev=….
func (h *Handler) deleteDocument(rq *request) error {
	// A document that is not there, not any more or not to be read is a 404 whatever the
	// revision.
	if _, err := h.read(rq, syncstore.GetOptions{}); err != nil {
		return err
	}
	rev, err := rq.agreedRev(syncstore.Rev{})
	if err != nil {
		return err
	}
	if rev.IsZero() {
		return errConflict
	}
	edit := syncstore.Edit{ID: rq.docID, Deleted: true, Parent: rev}
	return h.store(rq, edit, http.StatusOK)
}

// own makes the body safe to keep: the store's cache holds on to it, and must not hold
// on to a file that is unmapped, or to a text of which it is a small part.
func (in *incoming) own(b *body) {
	if b.mapped || cap(in.body) > 2*len(in.body)+4096 {
		in.body = bytes.Clone(in.body)
	}
}

// put stores the document of a PUT or POST. sent are the attachments whose content
// came in parts, by name.
func (h *Handler) put(rq *request, p Policy, in *incoming, sent map[string]syncstore.AttachmentEdit) error {
	newEdits, err := newEditsFlag(rq.query.Get("new_edits"))
	if err != nil {
		return err
	}
	if in.hasID && in.id != rq.docID {
		return badRequest("_id is not the document ID of the URL.")
	}
	in.id = rq.docID
	if in.rev, err = rq.agreedRev(in.rev); err != nil {
		return err
	}
	edit, err := h.edit(rq.r.Context(), rq, p.Limits, in, newEdits, sent)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if in.deleted && rq.r.Method == http.MethodPut {
		status = http.StatusOK
	}
	return h.store(rq, edit, status)
}

// store makes one edit and answers with its revision.
func (h *Handler) store(rq *request, edit syncstore.Edit, status int) error {
	if err := h.recheck(rq); err != nil {
		return err
	}
	result := h.write(rq, []syncstore.Edit{edit})[0]
	if result.Err != nil {
		return result.Err
	}
	return h.sendOK(rq, status, edit.ID, result.Rev.String())
}

// write makes edits as whoever asks, and counts those that the policy refused; where it
// failed itself, that is no refusal.
func (h *Handler) write(rq *request, edits []syncstore.Edit) []syncstore.WriteResult {
	results := rq.coll.Write(rq.r.Context(), edits, syncstore.WriteOptions{Viewer: rq.viewer()})
	if h.Rejected == nil {
		return results
	}
	for i := range results {
		err := results[i].Err
		if errors.Is(err, syncstore.ErrRejected) && asAnswer(err).status < http.StatusInternalServerError {
			h.Rejected()
		}
	}
	return results
}

// recheck asks once more whether a principal may come in whose body took long to come: what was revoked
// meanwhile must not write, nor read (DECISIONS 38). Some endpoints need none.
func (h *Handler) recheck(rq *request) error {
	if !rq.slow() || rq.principal == nil {
		return nil
	}
	lease, err := h.take(rq)
	if err != nil {
		return err
	}
	lease.Close()
	return nil
}

func newEditsFlag(text string) (bool, error) {
	switch text {
	case "", "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, badRequest("new_edits must be true or false.")
}

// agreedRev is the revision that a write extends: from the query, If-Match or the
// body, which must agree. Zero if none has one.
func (rq *request) agreedRev(body syncstore.Rev) (syncstore.Rev, error) {
	agreed := body
	agree := func(text string) error {
		rev, err := parseRev(text)
		if err != nil {
			return err
		}
		if !agreed.IsZero() && agreed != rev {
			return badRequest("The revisions of the query, the If-Match header and the body differ.")
		}
		agreed = rev
		return nil
	}
	if text := rq.query.Get("rev"); text != "" {
		if err := agree(text); err != nil {
			return agreed, err
		}
	}
	if header := rq.r.Header["If-Match"]; len(header) > 0 && header[0] != "" {
		if err := agree(taggedRev(header[0])); err != nil {
			return agreed, err
		}
	}
	return agreed, nil
}

// taggedRev is the revision that an entity tag names, with quotes or without. What compresses an answer on its
// way, Caddy's encode or a proxy, makes another tag of it: a weak one, or one that ends with the encoding
// (RFC 9110 section 8.8.3.3). Caddy undoes that for If-None-Match alone.
func taggedRev(etag string) string {
	text := strings.Trim(strings.TrimPrefix(strings.TrimSpace(etag), "W/"), `"`)
	for _, encoding := range [...]string{"-gzip", "-zstd", "-br"} {
		if rev, ok := strings.CutSuffix(text, encoding); ok {
			return rev
		}
	}
	return text
}

// tooLong is the answer to a document whose body is longer than it may be.
func tooLong(limits Limits) *answerError {
	return tooLarge(LimitDocument, "document_too_large", "The document is over "+strconv.FormatInt(limits.Document, 10)+" bytes.")
}

// edit turns an incoming document into an edit of the store; the content of inline
// attachments is stored on the way.
func (h *Handler) edit(
	ctx context.Context, rq *request, limits Limits, in *incoming, newEdits bool, sent map[string]syncstore.AttachmentEdit,
) (syncstore.Edit, error) {
	edit := syncstore.Edit{ID: in.id, Body: in.body, Deleted: in.deleted, Expires: in.expires}
	if in.long {
		return edit, tooLong(limits)
	}
	switch {
	case newEdits:
		edit.Parent = in.rev
	case in.rev.IsZero():
		return edit, badRequest("With new_edits=false a document needs _rev or _revisions.")
	case in.history == nil:
		edit.History = []syncstore.Rev{in.rev}
	case in.history[0] != in.rev:
		return edit, badRequest("The revision is not the first of _revisions.")
	default:
		edit.History = in.history
	}
	for i := range in.attachments {
		a, err := h.attachmentEdit(ctx, rq, limits, &in.attachments[i], sent)
		if err != nil {
			return edit, err
		}
		edit.Attachments = append(edit.Attachments, a)
	}
	return edit, nil
}

func (h *Handler) attachmentEdit(
	ctx context.Context, rq *request, limits Limits, a *incomingAttachment, sent map[string]syncstore.AttachmentEdit,
) (syncstore.AttachmentEdit, error) {
	e := syncstore.AttachmentEdit{Name: a.name, ContentType: a.contentType, Digest: a.digest, RevPos: a.revPos}
	switch {
	case a.follows:
		part, ok := sent[a.name]
		if !ok {
			return e, badRequest("The content of the attachment " + strconv.Quote(a.name) + " did not follow.")
		}
		return part, nil
	case a.stub:
		e.Stub = true
		return e, nil
	}
	var err error
	e.Content, e.Digest, err = h.storeInline(ctx, rq.db, limits.Attachment, a)
	return e, err
}

// newID makes a document ID: the time first, so that new documents lie side by side in
// the store, then 80 random bits.
func newID() string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16)
	_, _ = rand.Read(id[6:]) // crypto/rand never fails
	return hex.EncodeToString(id[:])
}

// relatedBoundary returns the boundary if the content type is multipart/related.
func relatedBoundary(header []string) (string, bool) {
	if len(header) == 0 || !strings.HasPrefix(strings.ToLower(header[0]), "multipart/") {
		return "", false
	}
	mediaType, params, err := mime.ParseMediaType(header[0])
	if err != nil || mediaType != "multipart/related" {
		return "", false
	}
	return params["boundary"], true
}
