package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// getAttachment answers GET /{db}/{doc}/{attachment}, whole or a range of it.
func (h *Handler) getAttachment(rq *request) error {
	o := syncstore.GetOptions{}
	if text := rq.query.Get("rev"); text != "" {
		var err error
		if o.Rev, err = parseRev(text); err != nil {
			return err
		}
	}
	doc, err := h.read(rq, o)
	if err != nil {
		return err
	}
	if doc.Removed {
		return h.unreadable(rq, syncstore.ErrNotFound)
	}
	a := findAttachment(doc, rq.attName)
	if a == nil {
		return errNoAttachment
	}
	etag := `"` + a.Digest + `"`
	if !rq.noMatch(etag) {
		return rq.notModified(etag)
	}
	whole := span{length: a.Content.Length}
	part, isPart, err := rq.rangeOf(a.Content.Length, etag)
	if err != nil {
		return err
	}
	rq.attachmentHeaders(a, etag)
	status := http.StatusOK
	if isPart {
		status = http.StatusPartialContent
		rq.set("Content-Range", part.header(a.Content.Length))
		whole = part
	}
	return h.sendContent(rq, status, a, whole)
}

func findAttachment(doc *syncstore.Document, name string) *syncstore.Attachment {
	for i := range doc.Attachments {
		if doc.Attachments[i].Name == name {
			return &doc.Attachments[i]
		}
	}
	return nil
}

// attachmentHeaders keep content of users from acting in the site's origin
// (DECISIONS 13).
func (rq *request) attachmentHeaders(a *syncstore.Attachment, etag string) {
	rq.set("Etag", etag)
	rq.set("Accept-Ranges", "bytes")
	rq.set("Content-Type", contentType(a))
	rq.set("Content-Security-Policy", "sandbox")
	if !inline(a.ContentType) {
		rq.set("Content-Disposition", disposition(a.Name))
	}
}

func (h *Handler) sendContent(rq *request, status int, a *syncstore.Attachment, part span) error {
	rq.set("Content-Length", strconv.FormatInt(part.length, 10))
	if rq.r.Method == http.MethodHead || part.length == 0 {
		return rq.send(status, nil)
	}
	content, err := openContent(rq, a)
	if err != nil {
		return err
	}
	defer closeContent(content)
	if _, err := content.Seek(part.from, io.SeekStart); err != nil {
		return fmt.Errorf("seeking in an attachment: %w", err)
	}
	out := &guarded{rq: rq, guard: h.guard(rq), status: status}
	defer out.guard.stop()
	if part.from == 0 && part.length == a.Content.Length {
		_, err = content.WriteTo(out)
	} else {
		_, err = io.CopyN(onlyWriter{out}, content, part.length)
	}
	if err != nil {
		return fmt.Errorf("sending an attachment: %w", err)
	}
	return nil
}

// guarded writes an answer for as long as its guard allows.
type guarded struct {
	rq     *request
	guard  *guard
	status int
}

func (g *guarded) Write(p []byte) (int, error) {
	if err := g.guard.check(); err != nil {
		return 0, err
	}
	if !g.rq.answered {
		g.rq.answered = true
		g.rq.w.WriteHeader(g.status)
	}
	return g.rq.w.Write(p)
}

// putAttachment answers PUT /{db}/{doc}/{attachment}?rev=…; without a revision it
// makes the document.
func (h *Handler) putAttachment(rq *request) error {
	if err := checkAttachmentName(rq.attName); err != nil {
		return err
	}
	doc, err := h.attachmentParent(rq)
	if err != nil {
		return err
	}
	given := rq.r.Header.Get("Content-Type")
	if !syncstore.FitsHeader(given) {
		return badRequest("The Content-Type is malformed.")
	}
	p := h.policy(rq)
	content, err := h.receiveContent(rq, p)
	if err != nil {
		return err
	}
	edit := attachmentsEdit(rq.docID, doc, rq.attName)
	edit.Attachments = append(edit.Attachments, syncstore.AttachmentEdit{
		Name: rq.attName, ContentType: given, Content: content,
	})
	return h.store(rq, edit, http.StatusCreated)
}

// receiveContent stores the body as content.
func (h *Handler) receiveContent(rq *request, p Policy) (syncstore.Content, error) {
	c := claim{length: -1, encodedLength: -1}
	if rq.encoded() {
		if !strings.EqualFold(rq.r.Header.Get("Content-Encoding"), gzipEncoding) {
			return syncstore.Content{}, badContentType("Content-Encoding must be gzip or identity.")
		}
		c.encoding = gzipEncoding
	}
	if sum := rq.r.Header.Get("Content-Md5"); sum != "" {
		c.digest = "md5-" + sum
		if !validDigest(c.digest) {
			return syncstore.Content{}, badRequest("Content-MD5 is not an MD5 in base64.")
		}
	}
	if c.encoding == "" && rq.r.ContentLength > p.Limits.Attachment {
		return syncstore.Content{}, tooLarge(LimitAttachment, "too_large", "The attachment is over "+strconv.FormatInt(p.Limits.Attachment, 10)+" bytes.")
	}
	// One byte more than the limit lets storeContent see that it was passed.
	limited := http.MaxBytesReader(rq.w, rq.r.Body, p.Limits.Attachment+1)
	return storeContent(rq.r.Context(), rq.db, limited, p.Limits.Attachment, c)
}

// deleteAttachment answers DELETE /{db}/{doc}/{attachment}?rev=….
func (h *Handler) deleteAttachment(rq *request) error {
	doc, err := h.attachmentParent(rq)
	if err != nil {
		return err
	}
	if doc == nil {
		return h.unreadable(rq, syncstore.ErrNotFound)
	}
	if findAttachment(doc, rq.attName) == nil {
		return errNoAttachment
	}
	return h.store(rq, attachmentsEdit(rq.docID, doc, rq.attName), http.StatusOK)
}

// attachmentParent reads the revision that a change of an attachment extends: nil for
// a document that is not there, or is a tombstone, when no revision is named.
func (h *Handler) attachmentParent(rq *request) (*syncstore.Document, error) {
	rev, err := rq.agreedRev(syncstore.Rev{})
	if err != nil {
		return nil, err
	}
	doc, err := rq.coll.Get(rq.r.Context(), rq.docID, syncstore.GetOptions{Rev: rev, Viewer: rq.viewer()})
	switch {
	case rev.IsZero() && (errors.Is(err, syncstore.ErrNotFound) || errors.Is(err, syncstore.ErrDeleted)):
		return nil, nil
	case errors.Is(err, syncstore.ErrNotFound):
		return nil, errConflict
	case err != nil:
		return nil, err
	case rev.IsZero(), doc.Removed:
		return nil, errConflict
	}
	return doc, nil
}

// attachmentsEdit is an edit of doc that keeps its body and its attachments but one.
func attachmentsEdit(id string, doc *syncstore.Document, except string) syncstore.Edit {
	edit := syncstore.Edit{ID: id}
	if doc == nil {
		return edit
	}
	edit.Parent, edit.Body, edit.Expires = doc.Rev, doc.Body, doc.Expires
	for i := range doc.Attachments {
		a := &doc.Attachments[i]
		if a.Name == except {
			continue
		}
		edit.Attachments = append(edit.Attachments, syncstore.AttachmentEdit{
			Name: a.Name, ContentType: a.ContentType, Digest: a.Digest, Stub: true, RevPos: a.RevPos,
		})
	}
	return edit
}

// span is a part of content.
type span struct{ from, length int64 }

func (s span) header(size int64) string {
	b := append(make([]byte, 0, 64), "bytes "...)
	b = strconv.AppendInt(b, s.from, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, s.from+s.length-1, 10)
	b = append(b, '/')
	return string(strconv.AppendInt(b, size, 10))
}

// rangeOf reads a Range header of one range (RFC 9110 section 14). What it does not
// understand, several ranges among it, is answered with the whole.
func (rq *request) rangeOf(size int64, etag string) (span, bool, error) {
	header := rq.r.Header.Get("Range")
	if header == "" || (rq.r.Method != http.MethodGet && rq.r.Method != http.MethodHead) {
		return span{}, false, nil
	}
	if condition := rq.r.Header.Get("If-Range"); condition != "" && condition != etag {
		return span{}, false, nil
	}
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return span{}, false, nil
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return span{}, false, nil
	}
	if first == "" {
		return suffixRange(last, size)
	}
	from, ok := position(first)
	to := size - 1
	if last != "" && ok {
		var given int64
		given, ok = position(last)
		ok = ok && given >= from
		to = min(given, to)
	}
	switch {
	case !ok:
		return span{}, false, nil
	case from >= size:
		return span{}, false, badRange(size)
	}
	return span{from: from, length: to - from + 1}, true, nil
}

func position(text string) (int64, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err == nil
}

func suffixRange(text string, size int64) (span, bool, error) {
	n, ok := position(text)
	switch {
	case !ok:
		return span{}, false, nil
	case n == 0 || size == 0:
		return span{}, false, badRange(size)
	}
	n = min(n, size)
	return span{from: size - n, length: n}, true, nil
}

func badRange(size int64) *answerError {
	return &answerError{
		status: http.StatusRequestedRangeNotSatisfiable, name: "requested_range_not_satisfiable",
		reason: "The range lies outside of the attachment.", contentRange: "bytes */" + strconv.FormatInt(size, 10),
	}
}
