package peer

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// relaying is the taker that hands revisions on to another server, as they are. Large
// attachments go from one to the other as a stream.
type relaying struct {
	giving
}

func newRelaying(s *session) *relaying {
	return &relaying{giving{session: s, at: s.target, who: ErrTarget}}
}

// errNotCompressed: the source has content compressed, and did not give it so.
var errNotCompressed = fmt.Errorf("%w gave no compressed content", ErrRemote)

func (r *relaying) add(ctx context.Context, doc *received) error {
	if doc.removed {
		return nil // nothing was sent of it
	}
	r.read(1)
	if doc.streams() {
		if err := r.flush(ctx); err != nil {
			return err
		}
		return r.alone(ctx, doc)
	}
	data := make([][]byte, len(doc.attachments))
	for i := range doc.attachments {
		var err error
		if data[i], err = r.content(ctx, doc, &doc.attachments[i]); err != nil {
			return r.settled(ctx, doc, err)
		}
	}
	text := appendRelayed(nil, doc, func(b []byte, i int) []byte { return appendInline(b, &doc.attachments[i], data[i]) })
	r.docs = append(r.docs, given{doc.id, doc.rev.String(), text})
	if r.bytes += len(text); r.bytes >= giveBytes || len(r.docs) >= giveAtOnce {
		return r.flush(ctx)
	}
	return nil
}

// streams reports whether content goes behind the document, since it is large, or compressed:
// its digest is held against the compressed form then.
func (d *received) streams() bool {
	size := int64(0)
	for i := range d.attachments {
		a := &d.attachments[i]
		if a.data != nil {
			continue
		}
		if a.gzipped {
			return true
		}
		size += max(a.length, 0)
	}
	return size > inlineBytes
}

// content is a small attachment, as a JSON string of base64.
func (r *relaying) content(ctx context.Context, doc *received, a *receivedAttachment) ([]byte, error) {
	if a.data != nil {
		return a.data, nil
	}
	source, err := r.open(ctx, doc, a, false)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(io.LimitReader(source, inlineBytes+1)); err != nil {
		return nil, fmt.Errorf("%w broke off an attachment: %w", ErrRemote, err)
	}
	if a.length >= 0 && int64(text.Len()) != a.length || text.Len() > inlineBytes {
		return nil, errContent
	}
	return append(base64.StdEncoding.AppendEncode([]byte{'"'}, text.Bytes()), '"'), nil
}

// open gets the content of an attachment, compressed or not.
func (r *relaying) open(ctx context.Context, doc *received, a *receivedAttachment, compressed bool) (io.ReadCloser, error) {
	answer, err := r.to.do(ctx, ask{
		method: http.MethodGet, path: attachmentPath(doc.id, a.name), accept: "*/*",
		query: url.Values{"rev": {doc.rev.String()}}, compressed: compressed,
	})
	if err != nil {
		return nil, err
	}
	if compressed && answer.Header.Get("Content-Encoding") != "gzip" {
		return nil, errors.Join(errNotCompressed, answer.Body.Close())
	}
	return answer.Body, nil
}

// alone hands a document on with its attachments in parts behind it.
func (r *relaying) alone(ctx context.Context, doc *received) error {
	err := r.putStreams(ctx, doc, true)
	if errors.Is(err, errNotCompressed) {
		err = r.putStreams(ctx, doc, false)
	}
	return r.settled(ctx, doc, err)
}

// settled says what becomes of a document that could not be handed on.
func (r *relaying) settled(ctx context.Context, doc *received, err error) error {
	if errors.Is(err, errContent) {
		return r.refused(doc.id, doc.rev.String(), err)
	}
	return r.answered(ctx, doc.id, doc.rev.String(), err)
}

// putStreams sends it. What the source does wrong meanwhile is the error, not what that does to the
// request.
func (r *relaying) putStreams(ctx context.Context, doc *received, compressed bool) error {
	boundary := newBoundary()
	text := appendRelayed(firstHead(boundary), doc, func(b []byte, i int) []byte {
		a := &doc.attachments[i]
		if a.data != nil {
			return appendInline(b, a, a.data)
		}
		return appendFollowing(b, a, compressed && a.gzipped)
	})
	parts := []part{{text: text}}
	var fault sourceFault
	for i := range doc.attachments {
		a := &doc.attachments[i]
		if a.data != nil {
			continue
		}
		gzipped := compressed && a.gzipped
		length := a.length
		if gzipped {
			length = a.encodedLength
		}
		parts = append(parts, part{text: partHead(boundary, a.name, a.contentType, length)}, part{open: func() (io.ReadCloser, error) {
			source, err := r.open(ctx, doc, a, gzipped)
			if err != nil {
				fault.note(err)
				return nil, err
			}
			return faultyBody{source, &fault, contentError}, nil
		}})
	}
	err := r.putParts(ctx, doc.id, boundary, parts)
	if own := fault.noted(); own != nil {
		return own
	}
	return err
}

// appendRelayed appends a document as it came, each attachment as told.
func appendRelayed(b []byte, doc *received, attachment func(b []byte, i int) []byte) []byte {
	b = appendHead(b, doc.id, doc.rev, doc.deleted, doc.history)
	if doc.expiry != nil {
		b = append(append(b, `,"_exp":`...), doc.expiry...)
	}
	for i := range doc.attachments {
		if i == 0 {
			b = append(b, `,"_attachments":{`...)
		} else {
			b = append(b, ',')
		}
		b = append(jsondoc.AppendString(b, doc.attachments[i].name), ':')
		b = append(attachment(b, i), '}')
		if i == len(doc.attachments)-1 {
			b = append(b, '}')
		}
	}
	return appendMembers(b, doc.body)
}

func appendDescription(b []byte, a *receivedAttachment) []byte {
	b = jsondoc.AppendString(append(b, `{"content_type":`...), a.contentType)
	return strconv.AppendUint(append(b, `,"revpos":`...), a.revPos, 10)
}

func appendInline(b []byte, a *receivedAttachment, data []byte) []byte {
	b = appendDescription(b, a)
	if a.digest != "" {
		b = jsondoc.AppendString(append(b, `,"digest":`...), a.digest)
	}
	return append(append(b, `,"data":`...), data...)
}

func appendFollowing(b []byte, a *receivedAttachment, compressed bool) []byte {
	b = append(appendDescription(b, a), `,"follows":true`...)
	if a.digest != "" && compressed == a.gzipped {
		b = jsondoc.AppendString(append(b, `,"digest":`...), a.digest)
	}
	if a.length >= 0 {
		b = strconv.AppendInt(append(b, `,"length":`...), a.length, 10)
	}
	if compressed {
		b = append(b, `,"encoding":"gzip"`...)
		if a.encodedLength >= 0 {
			b = strconv.AppendInt(append(b, `,"encoded_length":`...), a.encodedLength, 10)
		}
	}
	return b
}
