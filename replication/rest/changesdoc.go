package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore"
)

// docOptions say whether rows come with their documents, and what is in these.
type docOptions struct {
	include     bool // include_docs
	conflicts   bool
	attachments bool // content in base64 instead of stubs
}

func parseDocOptions(p params) (docOptions, error) {
	var o docOptions
	var encoding bool // there is never an encoding to tell of: content is stored decoded
	err := p.flags(map[string]*bool{
		"include_docs": &o.include, "conflicts": &o.conflicts, "attachments": &o.attachments, "att_encoding_info": &encoding,
	})
	return o, err
}

// docSource is what documents of rows are read from.
type docSource interface {
	SeesAll(ctx context.Context, v *syncstore.Viewer) (bool, error)
	Get(ctx context.Context, id string, o syncstore.GetOptions) (*syncstore.Document, error)
	OpenContent(ctx context.Context, content syncstore.Content) (syncstore.ContentReader, error)
}

// docWriter puts documents into the rows of an answer.
type docWriter struct {
	source docSource
	viewer *syncstore.Viewer
	out    *feedWriter
	o      docOptions
	// oneLine: a document must not have line breaks. Those in a body are white space
	// between tokens; inside a string JSON has none.
	oneLine bool
}

// write appends a revision of a document, or null if it is gone. The row said which
// revision it is about; a later one has a row of its own.
func (w *docWriter) write(ctx context.Context, id, rev string) error {
	parsed, err := syncstore.ParseRev(rev)
	if err != nil {
		return fmt.Errorf("row with a bad revision: %w", err)
	}
	doc, err := w.source.Get(ctx, id, syncstore.GetOptions{Rev: parsed, Conflicts: w.o.conflicts, Viewer: w.viewer})
	if errors.Is(err, syncstore.ErrNotFound) || errors.Is(err, syncstore.ErrDeleted) || w.out.h.passesOver(w.out.rq, err) {
		w.out.keep(append(w.out.held(), "null"...))
		return nil
	}
	if err != nil {
		return err
	}
	return w.append(ctx, doc)
}

// append appends a document that has been read.
func (w *docWriter) append(ctx context.Context, doc *syncstore.Document) error {
	s := shape{conflicts: w.o.conflicts, attachments: w.o.attachments}
	begin := len(w.out.held())
	if !s.attachments || len(doc.Attachments) == 0 {
		s.attachments = false
		w.out.keep(appendDocument(w.out.held(), doc, s))
	} else {
		w.out.keep(append(appendHead(w.out.held(), doc, s), `,"_attachments":{`...))
		if err := w.appendAttachments(ctx, doc.Attachments); err != nil {
			return err
		}
		begin = len(w.out.held()) // what was before may have been sent
		w.out.keep(appendMembers(w.out.held(), doc.Body))
	}
	if w.oneLine {
		flatten(w.out.held()[begin:])
	}
	return nil
}

// appendMembers appends the members of body, a JSON object, to an object that has some,
// and closes it.
func appendMembers(b, body []byte) []byte {
	for i := 1; i < len(body); i++ {
		switch body[i] {
		case ' ', '\t', '\r', '\n':
		case '}':
			return append(b, '}')
		default:
			b = append(b, ',')
			return append(b, body[1:]...)
		}
	}
	return append(b, '}')
}

// flatten makes spaces of the line breaks in JSON text.
func flatten(text []byte) {
	for i, c := range text {
		if c == '\n' || c == '\r' {
			text[i] = ' '
		}
	}
}

func appendRevs(b []byte, member string, revs []syncstore.Rev) []byte {
	if len(revs) == 0 {
		return b
	}
	b = append(b, member...)
	for i, rev := range revs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = rev.Append(b)
		b = append(b, '"')
	}
	return append(b, ']')
}

// appendAttachments appends attachments with their content, and what ends them.
func (w *docWriter) appendAttachments(ctx context.Context, attachments []syncstore.Attachment) error {
	for i := range attachments {
		b := w.out.held()
		if i > 0 {
			b = append(b, ',')
		}
		w.out.keep(append(appendAttachmentHead(b, &attachments[i], attachments[i].Digest), `,"data":"`...))
		if err := w.appendContent(ctx, attachments[i].Content); err != nil {
			return fmt.Errorf("reading attachment content: %w", err)
		}
		w.out.keep(append(w.out.held(), `"}`...))
	}
	w.out.keep(append(w.out.held(), '}'))
	return nil
}

// appendContent appends content in base64. It goes out piece by piece.
func (w *docWriter) appendContent(ctx context.Context, content syncstore.Content) error {
	reader, err := w.source.OpenContent(ctx, content)
	if err != nil {
		return err
	}
	encoder := base64.NewEncoder(base64.StdEncoding, w.out)
	_, err = reader.WriteTo(encoder)
	return errors.Join(err, encoder.Close(), reader.Close())
}
