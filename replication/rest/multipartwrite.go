package rest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore"
)

// boundary separates the parts of a multipart body that is being written (RFC 2046
// section 5.1). It is random, so that no content can hold it.
type boundary struct{ text string }

func newBoundary() boundary {
	var random [16]byte
	_, _ = rand.Read(random[:]) // crypto/rand never fails
	return boundary{text: hex.EncodeToString(random[:])}
}

func (m boundary) contentType(mediaType string) string {
	return mediaType + `; boundary="` + m.text + `"`
}

// appendBoundary begins a part; its headers follow.
func (m boundary) appendBoundary(b []byte) []byte {
	b = append(b, "\r\n--"...)
	b = append(b, m.text...)
	return append(b, '\r', '\n')
}

func (m boundary) appendEnd(b []byte) []byte {
	b = append(b, "\r\n--"...)
	b = append(b, m.text...)
	return append(b, "--\r\n"...)
}

// sendRelated answers with one document and the content of its attachments as
// multipart/related.
func (h *Handler) sendRelated(rq *request, doc *syncstore.Document, s shape) error {
	s.follows = true
	parts := newBoundary()
	out := h.newStream(rq, http.StatusOK, parts.contentType("multipart/related"))
	defer out.close()
	out.guard = h.guard(rq)
	defer out.guard.stop()
	if err := h.writeRelated(rq, out, parts, doc, s); err != nil {
		return err
	}
	return out.finish()
}

// writeDocumentPart writes a document as a part of a multipart/mixed: alone, or with
// its attachments as a multipart/related inside. header has more headers of the part.
func (h *Handler) writeDocumentPart(
	rq *request, out *stream, mixed boundary, doc *syncstore.Document, s shape, header []byte,
) error {
	*out.buf = mixed.appendBoundary(*out.buf)
	*out.buf = append(*out.buf, header...)
	if !sendsAny(doc, &s) {
		return h.writeJSONPart(rq, out, doc, s)
	}
	inner := newBoundary()
	*out.buf = append(*out.buf, "Content-Type: "+inner.contentType("multipart/related")+"\r\n\r\n"...)
	return h.writeRelated(rq, out, inner, doc, s)
}

func sendsAny(doc *syncstore.Document, s *shape) bool {
	for i := range doc.Attachments {
		if s.sends(&doc.Attachments[i]) {
			return true
		}
	}
	return false
}

func (h *Handler) writeRelated(rq *request, out *stream, parts boundary, doc *syncstore.Document, s shape) error {
	*out.buf = parts.appendBoundary(*out.buf)
	if err := h.writeJSONPart(rq, out, doc, s); err != nil {
		return err
	}
	for i := range doc.Attachments {
		a := &doc.Attachments[i]
		if !s.sends(a) || !nameable(a) {
			continue
		}
		b := parts.appendBoundary(*out.buf)
		b = append(b, `Content-Disposition: attachment; filename="`+a.Name+"\"\r\nContent-Type: "+contentType(a)+"\r\nContent-Length: "...)
		b = strconv.AppendInt(b, a.Content.Length, 10)
		*out.buf = append(b, "\r\n\r\n"...)
		if err := h.writeContent(rq, out, a); err != nil {
			return err
		}
	}
	*out.buf = parts.appendEnd(*out.buf)
	return out.drain()
}

// disposition is the Content-Disposition of an attachment (RFC 6266, with the name
// encoded by RFC 2231 where it must be).
func disposition(name string) string {
	if text := mime.FormatMediaType("attachment", map[string]string{"filename": name}); text != "" {
		return text
	}
	return "attachment"
}

// writeContent writes the content of an attachment as it is.
func (h *Handler) writeContent(rq *request, out *stream, a *syncstore.Attachment) error {
	content, err := openContent(rq, a)
	if err != nil {
		return err
	}
	defer closeContent(content)
	if _, err := content.WriteTo(out); err != nil {
		return fmt.Errorf("sending the content of an attachment: %w", err)
	}
	return nil
}

// writeBase64 writes the content of an attachment in base64.
func (h *Handler) writeBase64(rq *request, out *stream, a *syncstore.Attachment) error {
	content, err := openContent(rq, a)
	if err != nil {
		return err
	}
	defer closeContent(content)
	piece := make([]byte, min(a.Content.Length, 48<<10)/3*3+3)
	for {
		n, err := io.ReadFull(content, piece)
		*out.buf = base64.StdEncoding.AppendEncode(*out.buf, piece[:n])
		if drained := out.drain(); drained != nil {
			return drained
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return nil
		default:
			return fmt.Errorf("reading the content of an attachment: %w", err)
		}
	}
}

// openContent opens the content of an attachment that a document names: if it is not
// there, that is a fault of the store and not a 404.
func openContent(rq *request, a *syncstore.Attachment) (syncstore.ContentReader, error) {
	content, err := rq.db.OpenContent(rq.r.Context(), a.Content)
	if errors.Is(err, syncstore.ErrNotFound) {
		return nil, fmt.Errorf("opening the content of an attachment: %w: %s", syncstore.ErrDamaged, err.Error())
	}
	if err != nil {
		return nil, fmt.Errorf("opening the content of an attachment: %w", err)
	}
	return content, nil
}

func closeContent(c io.Closer) { _ = c.Close() } // a reader; nothing can be lost
