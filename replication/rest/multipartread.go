package rest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
)

// putRelated answers a PUT of a document with the content of its attachments in the
// parts after it (RFC 2387). Content is stored while it comes, in constant memory; what
// a refused request has stored is collected later.
func (h *Handler) putRelated(rq *request, boundary string) error {
	if boundary == "" {
		return badRequest("Content-Type: multipart/related has no boundary.")
	}
	p := h.policy(rq)
	source, err := rq.bodyReader(p.Limits.Request)
	if err != nil {
		return err
	}
	parts := multipart.NewReader(source, boundary)
	first, err := parts.NextRawPart()
	if err != nil {
		return multipartError(err)
	}
	b, err := h.readPart(first, p.Limits.Request)
	if err != nil {
		return err
	}
	defer b.free()
	in, err := parseIncoming(b.text, p.Limits.Document)
	if err != nil {
		return err
	}
	in.own(&b)
	sent, err := h.readParts(rq, p, parts, &in)
	if err != nil {
		return err
	}
	return h.put(rq, p, &in, sent)
}

// readPart reads the document's part.
func (h *Handler) readPart(part *multipart.Part, limit int64) (body, error) {
	limit = min(limit, maxPartText)
	capped := &cappedReader{source: part, limit: limit, left: limit}
	if strings.EqualFold(part.Header.Get("Content-Encoding"), gzipEncoding) { // by Couchbase Lite 1 for iOS
		unzipped, err := gzip.NewReader(part)
		if err != nil {
			return body{}, multipartError(err)
		}
		capped.source = unzipped
	}
	b, err := h.gather(capped)
	if err != nil {
		return body{}, multipartError(err)
	}
	return b, nil
}

// maxPartText bounds the JSON part of a multipart body.
const maxPartText = 64 << 20

// readParts stores the parts after the document's. A part belongs to the attachment
// that its file name names, otherwise to the next in order of the document.
func (h *Handler) readParts(
	rq *request, p Policy, parts *multipart.Reader, in *incoming,
) (map[string]syncstore.AttachmentEdit, error) {
	var pending []*incomingAttachment
	for i := range in.attachments {
		if in.attachments[i].follows {
			pending = append(pending, &in.attachments[i])
		}
	}
	sent := make(map[string]syncstore.AttachmentEdit, len(pending))
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // wrapped, it means that the last boundary is missing
			break
		}
		if err != nil {
			return nil, multipartError(err)
		}
		if len(pending) == 0 {
			return nil, badRequest("The multipart body has more parts than the document has attachments that follow.")
		}
		at := partOwner(fileName(part), pending)
		a := pending[at]
		pending = append(pending[:at], pending[at+1:]...)
		e, err := h.storePart(rq, p, part, a)
		if err != nil {
			return nil, err
		}
		sent[a.name] = e
	}
	if len(pending) > 0 {
		return nil, badRequest("The content of the attachment " + strconv.Quote(pending[0].name) + " did not follow.")
	}
	return sent, nil
}

// fileName is the file name of a part, whole: part.FileName leaves out what is before a slash. Couchbase Lite 1
// neither quotes nor encodes it.
func fileName(part *multipart.Part) string {
	header := part.Header.Get("Content-Disposition")
	if _, params, err := mime.ParseMediaType(header); err == nil && params["filename"] != "" {
		return params["filename"]
	}
	_, name, _ := strings.Cut(header, "filename=")
	return strings.Trim(name, `" `)
}

func partOwner(name string, pending []*incomingAttachment) int {
	for i, a := range pending {
		if name != "" && a.name == name {
			return i
		}
	}
	return 0
}

func (h *Handler) storePart(
	rq *request, p Policy, part *multipart.Part, a *incomingAttachment,
) (syncstore.AttachmentEdit, error) {
	e := syncstore.AttachmentEdit{Name: a.name, ContentType: a.contentType, Digest: a.digest, RevPos: a.revPos}
	if e.ContentType == "" && syncstore.FitsHeader(part.Header.Get("Content-Type")) {
		e.ContentType = part.Header.Get("Content-Type")
	}
	c := claim{digest: a.digest, length: a.length, encodedLength: a.encodedLength, encoding: a.encoding}
	content, err := storeContent(rq.r.Context(), rq.db, part, p.Limits.Attachment, c)
	if err != nil {
		return e, multipartError(err)
	}
	e.Content = content
	return e, nil
}

// multipartError tells a body that is malformed from what else can fail. The multipart
// package has no error of its own for it.
func multipartError(err error) error {
	answer := asAnswer(err)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return bodyError(err)
	case answer.status < 500 || answer.name != "internal_server_error":
		return err
	case isMultipartSyntax(err):
		return badRequest("The multipart body is malformed.")
	}
	return fmt.Errorf("reading a multipart body: %w", err)
}

// isMultipartSyntax recognises the errors of mime/multipart and net/textproto, which
// carry a fixed prefix or are of textproto's type.
func isMultipartSyntax(err error) bool {
	text := []byte(err.Error())
	return bytes.Contains(text, []byte("multipart: ")) || bytes.Contains(text, []byte("malformed MIME header"))
}
