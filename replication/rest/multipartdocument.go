package rest

import (
	"compress/gzip"
	"strings"
	"sync"

	"github.com/caddysync/caddy-sync/syncstore"
	kgzip "github.com/klauspost/compress/gzip"
)

// packAt is from how many bytes the JSON of a part is compressed.
const packAt = 512

var partPackers = sync.Pool{New: func() any {
	w, _ := kgzip.NewWriterLevel(nil, gzip.BestSpeed) // an error only of a level that does not exist
	return w
}}

// writeJSONPart writes the part that is the document: its headers, and the JSON, compressed
// if that was asked for by X-Accept-Part-Encoding, as Couchbase Lite 1 does. Content is not
// compressed.
func (h *Handler) writeJSONPart(rq *request, out *stream, doc *syncstore.Document, s shape) error {
	const begin = "Content-Type: application/json\r\n\r\n"
	if s.follows && !allFollow(doc, &s) {
		*out.buf = append(*out.buf, begin...)
		return h.writeDocument(rq, out, doc, s)
	}
	if !s.packed {
		*out.buf = appendDocument(append(*out.buf, begin...), doc, s)
		return out.drain()
	}
	buf := h.buffer()
	defer h.release(buf)
	*buf = appendDocument(*buf, doc, s)
	if len(*buf) < packAt {
		*out.buf = append(append(*out.buf, begin...), *buf...)
		return out.drain()
	}
	*out.buf = append(*out.buf, "Content-Encoding: gzip\r\n"+begin...)
	w := partPackers.Get().(*kgzip.Writer)
	defer partPackers.Put(w)
	w.Reset(out)
	if _, err := w.Write(*buf); err != nil {
		return err
	}
	return w.Close()
}

// nameable reports whether the file name of a part can say to which attachment it belongs.
// Names are not escaped there: Couchbase Lite 1 does not undo it. What has another name
// goes with the document, in base64. Line breaks, which an app of Couchbase Lite can put into a
// name, would end the header and begin another one.
func nameable(a *syncstore.Attachment) bool {
	return !strings.ContainsFunc(a.Name, func(c rune) bool { return c < ' ' || c == 0x7f || c == '"' || c == '\\' })
}

// allFollow reports whether all content that goes with the document can be in parts of its own.
func allFollow(doc *syncstore.Document, s *shape) bool {
	for i := range doc.Attachments {
		if a := &doc.Attachments[i]; s.sends(a) && !nameable(a) {
			return false
		}
	}
	return true
}

// contentDigest is the digest that stands beside content: if its writer named another, that
// of compressed content, which is stored decoded (DECISIONS 22), it is the one of what is
// sent. Couchbase Lite 1 refuses content that has another.
func contentDigest(a *syncstore.Attachment) string {
	switch {
	case a.Content.HasDigest(a.Digest):
		return a.Digest
	case strings.HasPrefix(a.Digest, "sha1-"):
		return a.Content.SHA1Digest()
	}
	return a.Content.MD5Digest()
}
