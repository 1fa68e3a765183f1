package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore"
)

const (
	// giveAtOnce and giveBytes bound one _bulk_docs.
	giveAtOnce = 100
	giveBytes  = 2 << 20
	// inlineBytes is up to how many bytes of attachments a document goes with others.
	inlineBytes = 64 << 10
)

// giving gathers documents and sends them together.
type giving struct {
	*session
	at    *remote // where they go
	who   error   // what that is called
	docs  []given
	bytes int
}

// given is a document that is being sent.
type given struct {
	id, rev string
	text    []byte
}

// add takes a document in. Large attachments go with their document alone, as a stream.
func (g *giving) add(ctx context.Context, doc *syncstore.Document, ancestors []syncstore.Rev) error {
	known := heldBy(doc, ancestors)
	size := int64(0)
	for i := range doc.Attachments {
		if a := &doc.Attachments[i]; !known(a) {
			size += a.Content.Length
		}
	}
	if size > inlineBytes || len(doc.Attachments) > 0 && len(ancestors) > 0 {
		// One that has stubs goes alone too: if they are refused it is sent anew in whole.
		if err := g.flush(ctx); err != nil {
			return err
		}
		return g.alone(ctx, doc, known)
	}
	data, err := g.content(ctx, doc)
	if err != nil {
		return g.unreadable(ctx, doc, err)
	}
	text := appendSent(nil, doc, known, inline, data)
	g.docs = append(g.docs, given{doc.ID, doc.Rev.String(), text})
	if g.bytes += len(text); g.bytes >= giveBytes || len(g.docs) >= giveAtOnce {
		return g.flush(ctx)
	}
	return nil
}

// heldBy reports which attachments the other server has: those that an ancestor had which it
// names.
func heldBy(doc *syncstore.Document, ancestors []syncstore.Rev) func(*syncstore.Attachment) bool {
	newest := uint64(0)
	for _, rev := range ancestors {
		if slices.Contains(doc.History, rev) {
			newest = max(newest, rev.Gen)
		}
	}
	return func(a *syncstore.Attachment) bool { return a.RevPos <= newest }
}

// nothingHeld says that an attachment is not there.
func nothingHeld(*syncstore.Attachment) bool { return false }

// content reads small attachments.
func (g *giving) content(ctx context.Context, doc *syncstore.Document) ([][]byte, error) {
	var data [][]byte
	for i := range doc.Attachments {
		reader, err := g.local.Database.OpenContent(ctx, doc.Attachments[i].Content)
		if err != nil {
			return nil, readingError(err)
		}
		text, err := io.ReadAll(reader)
		if err = errors.Join(err, reader.Close()); err != nil {
			return nil, readingError(err)
		}
		data = append(data, text)
	}
	return data, nil
}

func readingError(err error) error { return fmt.Errorf("reading an attachment: %w", err) }

// unreadable says what becomes of a document of which an attachment cannot be read here: it must not stop the
// others, unless it is the store that cannot be read.
func (g *giving) unreadable(ctx context.Context, doc *syncstore.Document, err error) error {
	if ctx.Err() != nil || errors.Is(err, syncstore.ErrUnavailable) || errors.Is(err, syncstore.ErrNoDatabase) {
		return err
	}
	return g.refused(doc.ID, doc.Rev.String(), err)
}

// flush sends what was gathered.
func (g *giving) flush(ctx context.Context) error {
	docs := g.docs
	g.docs, g.bytes = nil, 0
	return g.bulk(ctx, docs)
}

// bulk sends documents with one request; where that is too large for the other server, with
// several.
func (g *giving) bulk(ctx context.Context, docs []given) error {
	if len(docs) == 0 {
		return nil
	}
	body := []byte(`{"new_edits":false,"docs":[`)
	for i := range docs {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, docs[i].text...)
	}
	body = append(body, "]}"...)
	rows, err := g.post(ctx, body)
	switch {
	case isStatus(err, http.StatusRequestEntityTooLarge) && len(docs) > 1:
		half := len(docs) / 2
		if err := g.bulk(ctx, docs[:half]); err != nil {
			return err
		}
		return g.bulk(ctx, docs[half:])
	case isStatus(err, http.StatusRequestEntityTooLarge):
		g.failed(docs[0].id, docs[0].rev, err)
		return nil
	case isStatus(err, http.StatusBadRequest) && len(docs) > 1:
		return g.apart(ctx, docs)
	case isStatus(err, http.StatusBadRequest):
		return g.refused(docs[0].id, docs[0].rev, err)
	case err != nil:
		return err
	}
	return g.judged(docs, rows)
}

// post sends a body for _bulk_docs, and reads what is answered of its documents.
func (g *giving) post(ctx context.Context, body []byte) (rows []answerRow, err error) {
	a := ask{method: http.MethodPost, path: "_bulk_docs", json: body}
	answer, err := g.at.do(ctx, a)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	defer drain(answer.Body)
	whole := &cappedReader{source: answer.Body, left: maxPage}
	err = readList(whole, a.what(), "", maxPage, func(decoder *json.Decoder) error {
		if len(rows) == rowsAtOnce {
			return errTooLong // far fewer were sent
		}
		var row answerRow
		err := decoder.Decode(&row)
		rows = append(rows, row)
		return err
	})
	return rows, err
}

// apart sends documents one by one of which one is not understood: it would keep the others
// back. If none is, it may be the request that is not, and they are tried again before they are given up.
func (g *giving) apart(ctx context.Context, docs []given) error {
	var bad []given
	var last error
	for i := range docs {
		err := g.bulk(ctx, docs[i:i+1])
		if isStatus(err, http.StatusBadRequest) {
			bad, last = append(bad, docs[i]), err
		} else if err != nil {
			return err
		}
	}
	if len(bad) == len(docs) {
		return last
	}
	for _, doc := range bad {
		g.failed(doc.id, doc.rev, last)
	}
	return nil
}

// alone sends a document with its attachments in parts behind it.
func (g *giving) alone(ctx context.Context, doc *syncstore.Document, known func(*syncstore.Attachment) bool) error {
	var fault sourceFault
	err := g.put(ctx, doc, known, &fault)
	if isStatus(err, http.StatusPreconditionFailed, http.StatusNotFound) {
		err = g.put(ctx, doc, nothingHeld, &fault) // it has not what its ancestor should have
	}
	if own := fault.noted(); own != nil {
		return g.unreadable(ctx, doc, own)
	}
	return g.answered(ctx, doc.ID, doc.Rev.String(), err)
}

// answered says what becomes of a document that was sent alone.
func (g *giving) answered(ctx context.Context, id, rev string, err error) error {
	answer, refused := errors.AsType[*StatusError](err)
	switch {
	case err == nil:
		g.taken(id, rev)
		g.wrote(1)
		return nil
	case refused && (answer.Status == http.StatusUnauthorized || passing(answer.Status, answer.Name)):
		return err
	case refused && answer.Status >= http.StatusInternalServerError:
		return g.refused(id, rev, err)
	case refused:
		return g.declined(ctx, id, rev, err)
	}
	return err
}

func (g *giving) put(ctx context.Context, doc *syncstore.Document, known func(*syncstore.Attachment) bool, fault *sourceFault) error {
	boundary := newBoundary()
	parts := []part{{text: appendSent(firstHead(boundary), doc, known, follow, nil)}}
	for i := range doc.Attachments {
		a := &doc.Attachments[i]
		if known(a) {
			continue
		}
		parts = append(parts, part{text: partHead(boundary, a.Name, a.ContentType, a.Content.Length)}, part{open: func() (io.ReadCloser, error) {
			content, err := g.local.Database.OpenContent(ctx, a.Content)
			if err != nil {
				fault.note(readingError(err))
				return nil, err
			}
			return faultyBody{content, fault, readingError}, nil
		}})
	}
	return g.putParts(ctx, doc.ID, boundary, parts)
}

// putParts sends a document of several parts.
func (g *giving) putParts(ctx context.Context, id, boundary string, parts []part) error {
	parts = append(parts, part{text: fmt.Appendf(nil, "\r\n--%s--", boundary)})
	a := ask{method: http.MethodPut, path: segment(id), query: url.Values{"new_edits": {"false"}}}
	a.stream = func() (io.ReadCloser, string) {
		return &partReader{parts: slices.Clone(parts)}, `multipart/related; boundary="` + boundary + `"`
	}
	return g.at.get(ctx, a, maxCheckpoint, new(json.RawMessage))
}
