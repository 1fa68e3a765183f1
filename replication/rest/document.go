package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// getDocument answers GET /{db}/{doc}.
func (h *Handler) getDocument(rq *request) error {
	if rq.query == nil {
		return h.getWinner(rq)
	}
	o, err := parseReadOptions(rq)
	if err != nil {
		return err
	}
	if o.openRevs != "" {
		return h.openRevs(rq, o)
	}
	doc, err := h.read(rq, syncstore.GetOptions{
		Rev: o.rev, Latest: o.latest, History: o.needsHistory(), Conflicts: o.conflicts || o.deletedConflicts,
	})
	if err != nil {
		return err
	}
	o.inlineFrom(doc)
	if o.plain() && !doc.Removed { // it may come back, and then the entity is another one
		etag := string(appendETag(nil, doc.Rev))
		if !rq.noMatch(etag) {
			return rq.notModified(etag)
		}
		rq.set("Etag", etag)
	}
	if o.attachments && prefersMultipart(rq.r.Header["Accept"], "multipart/related") {
		return h.sendRelated(rq, doc, o.shape)
	}
	return h.sendDocument(rq, doc, o)
}

// getWinner is the shortest way for the plain read, which is most reads there are.
func (h *Handler) getWinner(rq *request) error {
	doc, err := h.read(rq, syncstore.GetOptions{})
	if err != nil {
		return err
	}
	etag := string(appendETag(make([]byte, 0, 48), doc.Rev))
	if !rq.noMatch(etag) {
		return rq.notModified(etag)
	}
	rq.set("Etag", etag)
	buf := h.buffer()
	b := appendDocument(*buf, doc, shape{})
	*buf = b
	err = rq.sendJSON(http.StatusOK, b)
	h.release(buf)
	return err
}

func appendETag(b []byte, rev syncstore.Rev) []byte {
	return append(rev.Append(append(b, '"')), '"')
}

func (h *Handler) sendDocument(rq *request, doc *syncstore.Document, o readOptions) error {
	out := h.newStream(rq, http.StatusOK, jsonType)
	defer out.close()
	if o.revsInfo && !doc.Removed {
		info, err := h.revsInfo(rq, doc)
		if err != nil {
			return err
		}
		o.info = info
	}
	if o.attachments {
		out.guard = h.guard(rq)
		defer out.guard.stop()
	}
	if err := h.writeDocument(rq, out, doc, o.shape); err != nil {
		return err
	}
	if _, err := out.Write([]byte{'\n'}); err != nil {
		return err
	}
	return out.finish()
}

// shape says which members a document has in an answer, besides its ID, revision,
// body and the stubs of its attachments.
type shape struct {
	revs             bool
	conflicts        bool
	deletedConflicts bool
	localSeq         bool
	expiry           bool
	seqs             sequences // with localSeq
	// attachments: their content goes with the document, for those attached after
	// generation since.
	attachments bool
	since       uint64
	// follows: content comes in parts of its own, not in base64.
	follows bool
	// info is the value of _revs_info, nil for none.
	info []byte
	// packed: a document that is a part of its own may be compressed.
	packed bool
	ancestry
}

// readOptions are the query parameters of a read.
type readOptions struct {
	shape
	rev       syncstore.Rev
	latest    bool
	revsInfo  bool
	openRevs  string
	attsSince knownRevs
}

func parseReadOptions(rq *request) (readOptions, error) {
	var o readOptions
	var meta, encoding bool
	err := rq.flags(map[string]*bool{
		"revs": &o.revs, "conflicts": &o.conflicts, "deleted_conflicts": &o.deletedConflicts,
		"local_seq": &o.localSeq, "attachments": &o.attachments, "latest": &o.latest, "revs_info": &o.revsInfo,
		"show_exp": &o.expiry,
		"meta":     &meta,
		// Content is stored decoded, so there is never an encoding to tell of.
		"att_encoding_info": &encoding,
	})
	if err != nil {
		return o, err
	}
	if meta {
		o.conflicts, o.deletedConflicts, o.revsInfo = true, true, true
	}
	o.packed = headerHas(rq.r.Header["X-Accept-Part-Encoding"], gzipEncoding)
	if err := o.parseQuery(rq); err != nil {
		return o, err
	}
	if o.localSeq {
		info := rq.coll.Info()
		o.seqs = sequencesOf(&info)
	}
	if text := rq.query.Get("rev"); text != "" {
		if o.rev, err = parseRev(text); err != nil {
			return o, err
		}
	}
	if o.attsSince, err = parseKnownRevs(rq.query.Get("atts_since"), "atts_since", maxNamed); err != nil {
		return o, err
	}
	if o.attsSince != nil {
		o.attachments = true
	}
	o.openRevs = rq.query.Get("open_revs")
	if o.openRevs != "" && !o.rev.IsZero() {
		return o, badRequest("rev and open_revs exclude each other.")
	}
	return o, nil
}

// plain reports whether the answer depends on nothing but the revision, so that its ID
// can be an entity tag.
func (o *readOptions) plain() bool {
	return !o.revs && !o.conflicts && !o.deletedConflicts && !o.localSeq && !o.expiry && !o.attachments && !o.revsInfo
}

func (o *readOptions) needsHistory() bool { return o.revs || o.revsInfo || o.attsSince != nil }

// inlineFrom finds the generation after which the client lacks attachments: that of
// the newest revision in atts_since that the document descends from.
func (o *readOptions) inlineFrom(doc *syncstore.Document) {
	o.since = o.attsSince.newestOf(doc.History)
}

// parseRevList reads a JSON array of at most so many revisions; nil for "".
func parseRevList(text, parameter string, most int) ([]syncstore.Rev, error) {
	if text == "" {
		return nil, nil
	}
	revs := []syncstore.Rev{}
	err := jsondoc.Elements([]byte(text), func(value []byte) error {
		if len(revs) >= most {
			return tooManyNamed()
		}
		rev, err := revMember(value)
		revs = append(revs, rev)
		return err
	})
	if refused, ok := errors.AsType[*answerError](err); ok {
		return nil, refused
	}
	if err != nil {
		return nil, badRequest(parameter + " must be a JSON array of revisions.")
	}
	return revs, nil
}

// appendDocument appends a document as a JSON object; content of attachments is left
// out (stub) or said to follow.
func appendDocument(b []byte, doc *syncstore.Document, s shape) []byte {
	b = appendHead(b, doc, s)
	if len(doc.Attachments) > 0 {
		b = appendStubs(append(b, `,"_attachments":`...), doc, s)
	}
	return appendMembers(b, doc.Body)
}

// appendStubs appends the attachments of a document as a JSON object.
func appendStubs(b []byte, doc *syncstore.Document, s shape) []byte {
	b = append(b, '{')
	for i := range doc.Attachments {
		if i > 0 {
			b = append(b, ',')
		}
		a := &doc.Attachments[i]
		if s.sends(a) {
			b = append(appendAttachmentLength(appendAttachmentHead(b, a, contentDigest(a)), a), `,"follows":true}`...)
		} else {
			b = append(appendAttachmentLength(appendAttachmentHead(b, a, a.Digest), a), `,"stub":true}`...)
		}
	}
	return append(b, '}')
}

// sends reports whether the content of a goes with the document.
func (s *shape) sends(a *syncstore.Attachment) bool { return s.attachments && a.RevPos > s.since }

// appendHead begins a document. Of one that the reader cannot see any more nothing is told
// but its ID and revision, and its ancestry if it was asked for.
func appendHead(b []byte, doc *syncstore.Document, s shape) []byte {
	b = append(b, `{"_id":`...)
	b = jsondoc.AppendString(b, doc.ID)
	b = append(b, `,"_rev":"`...)
	b = doc.Rev.Append(b)
	b = append(b, '"')
	if doc.Removed {
		b = append(b, `,"_removed":true`...)
		s = shape{revs: s.revs}
	} else if doc.Deleted {
		b = append(b, `,"_deleted":true`...)
	}
	if s.expiry && !doc.Expires.IsZero() {
		b = append(b, `,"_exp":"`...)
		b = append(doc.Expires.UTC().AppendFormat(b, time.RFC3339), '"')
	}
	if s.localSeq {
		b = append(b, `,"_local_seq":`...)
		b = s.seqs.appendJSON(b, syncstore.At(doc.Seq))
	}
	if s.revs && len(doc.History) > 0 {
		b = append(b, `,"_revisions":{"start":`...)
		b = strconv.AppendUint(b, doc.History[0].Gen, 10)
		b = append(b, `,"ids":[`...)
		for i, rev := range s.cut(doc.History) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, '"')
			b = append(b, rev.Digest...)
			b = append(b, '"')
		}
		b = append(b, "]}"...)
	}
	if s.info != nil {
		b = append(b, `,"_revs_info":`...)
		b = append(b, s.info...)
	}
	if s.conflicts {
		b = appendRevs(b, `,"_conflicts":[`, doc.Conflicts)
	}
	if s.deletedConflicts {
		b = appendRevs(b, `,"_deleted_conflicts":[`, doc.DeletedConflicts)
	}
	return b
}

// appendAttachmentHead appends "name":{… without how the content comes, and its length,
// which does not stand beside the content itself.
func appendAttachmentHead(b []byte, a *syncstore.Attachment, digest string) []byte {
	b = jsondoc.AppendString(b, a.Name)
	b = append(b, `:{"content_type":`...)
	b = jsondoc.AppendString(b, contentType(a))
	b = append(b, `,"revpos":`...)
	b = strconv.AppendUint(b, a.RevPos, 10)
	b = append(b, `,"digest":`...)
	return jsondoc.AppendString(b, digest)
}

func appendAttachmentLength(b []byte, a *syncstore.Attachment) []byte {
	b = append(b, `,"length":`...)
	return strconv.AppendInt(b, a.Content.Length, 10)
}

func contentType(a *syncstore.Attachment) string {
	if a.ContentType == "" {
		return "application/octet-stream"
	}
	return a.ContentType
}

// writeDocument writes a document with the content of its attachments in base64.
func (h *Handler) writeDocument(rq *request, out *stream, doc *syncstore.Document, s shape) error {
	if !s.attachments || s.follows && allFollow(doc, &s) || len(doc.Attachments) == 0 {
		*out.buf = appendDocument(*out.buf, doc, s)
		return out.drain()
	}
	*out.buf = append(appendHead(*out.buf, doc, s), `,"_attachments":{`...)
	for i := range doc.Attachments {
		a := &doc.Attachments[i]
		if i > 0 {
			*out.buf = append(*out.buf, ',')
		}
		switch {
		case !s.sends(a):
			*out.buf = append(appendAttachmentLength(appendAttachmentHead(*out.buf, a, a.Digest), a), `,"stub":true}`...)
			continue
		case s.follows && nameable(a):
			*out.buf = append(appendAttachmentLength(appendAttachmentHead(*out.buf, a, contentDigest(a)), a), `,"follows":true}`...)
			continue
		}
		*out.buf = append(appendAttachmentHead(*out.buf, a, a.Digest), `,"data":"`...)
		if err := h.writeBase64(rq, out, a); err != nil {
			return err
		}
		*out.buf = append(*out.buf, `"}`...)
	}
	*out.buf = append(*out.buf, '}')
	*out.buf = appendMembers(*out.buf, doc.Body)
	return out.drain()
}

// revsInfo says of each ancestor whether its body is still there.
func (h *Handler) revsInfo(rq *request, doc *syncstore.Document) ([]byte, error) {
	results, err := rq.coll.GetRevs(rq.r.Context(), doc.ID, doc.History, syncstore.GetOptions{Bare: true, Viewer: rq.viewer()})
	if err != nil {
		return nil, fmt.Errorf("reading the ancestors: %w", err)
	}
	b := []byte{'['}
	for i, result := range results {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"rev":"`...)
		b = result.Rev.Append(b)
		switch {
		case result.Doc == nil, result.Doc.Removed:
			b = append(b, `","status":"missing"}`...)
		case result.Doc.Deleted:
			b = append(b, `","status":"deleted"}`...)
		default:
			b = append(b, `","status":"available"}`...)
		}
	}
	return append(b, ']'), nil
}
