package peer

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// placing says how the content of a document's attachments goes.
type placing int

const (
	inline placing = iota // in base64, inside the document
	follow                // in parts behind it
)

// appendSent appends a document as _bulk_docs and multipart bodies take it. Attachments that
// the target has already, which known says, are stubs; data is the content of the others if
// it goes inline, by its place.
func appendSent(b []byte, doc *syncstore.Document, known func(*syncstore.Attachment) bool, place placing, data [][]byte) []byte {
	b = appendHead(b, doc.ID, doc.Rev, doc.Deleted, doc.History)
	if len(doc.Attachments) > 0 {
		b = append(b, `,"_attachments":{`...)
		for i := range doc.Attachments {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendAttachment(b, &doc.Attachments[i], known, place, data, i)
		}
		b = append(b, '}')
	}
	return appendMembers(b, doc.Body)
}

// appendHead appends what every document begins with.
func appendHead(b []byte, id string, rev syncstore.Rev, deleted bool, history []syncstore.Rev) []byte {
	b = jsondoc.AppendString(append(b, `{"_id":`...), id)
	b = append(rev.Append(append(b, `,"_rev":"`...)), '"')
	if deleted {
		b = append(b, `,"_deleted":true`...)
	}
	b = strconv.AppendUint(append(b, `,"_revisions":{"start":`...), rev.Gen, 10)
	b = append(b, `,"ids":[`...)
	for i, rev := range history {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), rev.Digest...), '"') // it has nothing that JSON escapes
	}
	return append(b, "]}"...)
}

func appendAttachment(b []byte, a *syncstore.Attachment, known func(*syncstore.Attachment) bool, place placing, data [][]byte, i int) []byte {
	b = append(jsondoc.AppendString(b, a.Name), `:{"content_type":`...)
	b = jsondoc.AppendString(b, a.ContentType)
	b = strconv.AppendUint(append(b, `,"revpos":`...), a.RevPos, 10)
	if known(a) {
		b = jsondoc.AppendString(append(b, `,"digest":`...), a.Digest)
		return append(b, `,"stub":true}`...)
	}
	b = jsondoc.AppendString(append(b, `,"digest":`...), contentDigest(a))
	if place == inline {
		b = append(b, `,"data":"`...)
		b = base64.StdEncoding.AppendEncode(b, data[i])
		return append(b, `"}`...)
	}
	b = strconv.AppendInt(append(b, `,"length":`...), a.Content.Length, 10)
	return append(b, `,"follows":true}`...)
}

// appendMembers ends the object with the members of the body.
func appendMembers(b, body []byte) []byte {
	for i := 1; i < len(body); i++ {
		switch body[i] {
		case ' ', '\t', '\r', '\n':
			continue
		case '}':
			return append(b, '}')
		}
		return append(append(b, ','), body[1:]...)
	}
	return append(b, '}')
}

// contentDigest is the digest that stands beside content: of what is sent, if the writer named
// that of a compressed form.
func contentDigest(a *syncstore.Attachment) string {
	if a.Content.HasDigest(a.Digest) {
		return a.Digest
	}
	return a.Content.MD5Digest()
}

// part is a part of a multipart body: its text, or content that is read when it is its turn.
type part struct {
	text []byte
	open func() (io.ReadCloser, error)
}

// partReader reads parts one after the other. Whoever sends it may close it while it is read.
type partReader struct {
	mu      sync.Mutex
	closed  bool
	parts   []part
	text    []byte
	current io.ReadCloser
}

// Close gives up what is open. An answer that comes before the end leaves the rest unread.
func (p *partReader) Close() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.current != nil {
		err = p.current.Close()
		p.current = nil
	}
	return err
}

func (p *partReader) Read(to []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.closed:
			return 0, os.ErrClosed
		case len(p.text) > 0:
			n := copy(to, p.text)
			p.text = p.text[n:]
			return n, nil
		case p.current != nil:
			n, err := p.current.Read(to)
			if err == io.EOF { //nolint:errorlint // wrapped, it means that content is cut short
				err = p.current.Close()
				p.current = nil
			}
			if n > 0 || err != nil {
				return n, err
			}
		case len(p.parts) == 0:
			return 0, io.EOF
		default:
			if err := p.next(); err != nil {
				return 0, err
			}
		}
	}
}

func (p *partReader) next() (err error) {
	now := p.parts[0]
	p.parts = p.parts[1:]
	if p.text = now.text; now.open != nil {
		p.current, err = now.open()
	}
	return err
}

// newBoundary makes what stands between the parts of a body.
func newBoundary() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // crypto/rand never fails
	return hex.EncodeToString(random[:])
}

// firstHead is what stands before the document.
func firstHead(boundary string) []byte {
	return fmt.Appendf(nil, "--%s\r\nContent-Type: application/json\r\n\r\n", boundary)
}

// partHead is what stands before the content of an attachment. Names that a quoted string
// cannot hold as they are, are left out: the order of the parts says which it is.
func partHead(boundary, name, contentType string, length int64) []byte {
	b := fmt.Appendf(nil, "\r\n--%s\r\n", boundary)
	if !strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c >= 0x7f || c == '"' || c == '\\' }) {
		b = fmt.Appendf(b, "Content-Disposition: attachment; filename=\"%s\"\r\n", name)
	}
	if contentType != "" {
		b = fmt.Appendf(b, "Content-Type: %s\r\n", contentType)
	}
	if length >= 0 {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", length)
	}
	return append(b, "\r\n"...)
}
