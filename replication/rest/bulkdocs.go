package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
	"golang.org/x/sync/errgroup"
)

const (
	// batchBytes and batchDocs bound what of a spooled body is stored at a time.
	batchBytes = 1 << 20
	batchDocs  = 512
	// uploadsAtOnce is how many inline attachments of a batch are stored at a time, so
	// that they share syncs to disk.
	uploadsAtOnce = 8
)

// bulk is a _bulk_docs body taken apart.
type bulk struct {
	docs     [][]byte
	newEdits bool
}

// parseBulk finds the documents of a _bulk_docs body and its new_edits, wherever in
// the body that stands. Everything but the documents themselves is checked.
func parseBulk(text []byte, limit int) (bulk, error) {
	b := bulk{newEdits: true}
	found := false
	err := jsondoc.Members(text, func(name string, value []byte) error {
		switch name {
		case "docs":
			found = true
			if value[0] != '[' {
				return badRequest("docs must be an array of documents.")
			}
			return jsondoc.Elements(value, func(doc []byte) error {
				if len(b.docs) == limit {
					return tooLarge(LimitBulkDocs, "too_large", "There are more than "+strconv.Itoa(limit)+" documents in the body.")
				}
				if doc[0] != '{' {
					return badRequest("docs[" + strconv.Itoa(len(b.docs)) + "] must be a document, which is a JSON object.")
				}
				b.docs = append(b.docs, doc)
				return nil
			})
		case "new_edits":
			var err error
			b.newEdits, err = newEditsFlag(string(value))
			return err
		}
		return jsondoc.Check(value)
	})
	if err != nil {
		return bulk{}, err
	}
	if !found {
		return bulk{}, badRequest("docs is missing.")
	}
	return b, nil
}

// parseBulkDoc reads one document of a bulk body, whose own body may have so many bytes.
func parseBulkDoc(text []byte, newEdits bool, most int64) (incoming, error) {
	in, err := parseIncoming(text, most)
	switch {
	case err != nil:
		return in, err
	case !newEdits && in.rev.IsZero() && !in.local():
		return in, badRequest("With new_edits=false each document needs _rev or _revisions.")
	case !newEdits && !in.hasID:
		return in, illegalID("With new_edits=false each document needs an _id.")
	}
	for i := range in.attachments {
		if in.attachments[i].follows {
			return in, badRequest("Attachments cannot follow a _bulk_docs body.")
		}
	}
	if !in.hasID {
		in.id = newID()
	}
	return in, nil
}

// bulkDocs answers POST /{db}/_bulk_docs. The whole body is checked before the first
// document is stored, so that a malformed one stores nothing (DECISIONS 28); a large
// one is then stored and answered in batches.
func (h *Handler) bulkDocs(rq *request) error {
	p := h.policy(rq)
	read, err := h.readBody(rq, p.Limits.Request)
	if err != nil {
		return err
	}
	defer read.free()
	all, err := parseBulk(read.text, p.Limits.BulkDocs)
	if err != nil {
		return err
	}
	w := &bulkWriter{h: h, rq: rq, policy: p, newEdits: all.newEdits, whole: !read.mapped}
	if read.mapped {
		for _, text := range all.docs {
			if _, err := parseBulkDoc(text, all.newEdits, p.Limits.Document); err != nil {
				return err
			}
		}
	}
	w.out = h.newStream(rq, http.StatusCreated, jsonType)
	defer w.out.close()
	w.out.guard = h.guard(rq)
	defer w.out.guard.stop()
	return w.run(all.docs)
}

// bulkWriter stores the documents of a body and writes a row for each.
type bulkWriter struct {
	h        *Handler
	rq       *request
	policy   Policy
	newEdits bool
	// whole: all documents make one batch, so that none is stored if one is bad.
	whole bool
	out   *stream
	// rows counts the documents, answers those with a row.
	rows, answers int
	// failed is the first failure of the server itself, stored tells of any success.
	failed error
	stored bool
}

func (w *bulkWriter) run(docs [][]byte) error {
	*w.out.buf = append(*w.out.buf, '[')
	for len(docs) > 0 {
		n := len(docs)
		if !w.whole {
			n = batch(docs)
		}
		if err := w.store(docs[:n]); err != nil {
			return err
		}
		docs = docs[n:]
	}
	if w.failed != nil && !w.stored && !w.rq.answered {
		return w.failed // not one was stored: let the client see the status
	}
	*w.out.buf = append(*w.out.buf, ']', '\n')
	return w.out.finish()
}

func batch(docs [][]byte) int {
	size := 0
	for i, doc := range docs {
		size += len(doc)
		if i > 0 && (size > batchBytes || i == batchDocs) {
			return i
		}
	}
	return len(docs)
}

// store parses and stores a batch and writes its rows.
func (w *bulkWriter) store(texts [][]byte) error {
	incoming := make([]incoming, len(texts))
	for i, text := range texts {
		var err error
		if incoming[i], err = parseBulkDoc(text, w.newEdits, w.policy.Limits.Document); err != nil {
			return err
		}
		// The cache keeps bodies, one by one.
		incoming[i].body = bytes.Clone(incoming[i].body)
	}
	if err := w.guardOrRecheck(); err != nil {
		return err
	}
	results := w.prepare(incoming)
	if err := w.rq.r.Context().Err(); err != nil {
		return fmt.Errorf("storing a batch: %w", err)
	}
	w.write(results)
	for i := range results {
		w.row(&results[i])
		if err := w.out.drain(); err != nil {
			return err
		}
	}
	return nil
}

func (w *bulkWriter) guardOrRecheck() error {
	if err := w.out.guard.check(); err != nil {
		return err
	}
	if w.rows > 0 {
		return nil // the guard has been watching
	}
	return w.h.recheck(w.rq)
}

// bulkResult is a document of a batch on its way to its row.
type bulkResult struct {
	id   string
	rev  string
	edit syncstore.Edit
	// local: it is a _local document, which goes its own way.
	local *incoming
	err   error
}

// prepare makes edits of the documents; inline attachments are stored, a few at once.
func (w *bulkWriter) prepare(docs []incoming) []bulkResult {
	results := make([]bulkResult, len(docs))
	group, ctx := errgroup.WithContext(w.rq.r.Context())
	group.SetLimit(uploadsAtOnce)
	for i := range docs {
		in, result := &docs[i], &results[i]
		result.id, result.rev = in.id, in.rev.String()
		if in.local() {
			result.local, result.rev = in, in.revText
			continue
		}
		if len(in.attachments) == 0 {
			result.edit, result.err = w.h.edit(ctx, w.rq, w.policy.Limits, in, w.newEdits, nil)
			continue
		}
		group.Go(func() error {
			result.edit, result.err = w.h.edit(ctx, w.rq, w.policy.Limits, in, w.newEdits, nil)
			return nil
		})
	}
	_ = group.Wait() // each error stands in its result
	return results
}

// write stores those of the batch that are sound.
func (w *bulkWriter) write(results []bulkResult) {
	edits := make([]syncstore.Edit, 0, len(results))
	owners := make([]*bulkResult, 0, len(results))
	ctx := w.rq.r.Context()
	for i := range results {
		result := &results[i]
		switch {
		case result.err != nil:
		case result.local != nil:
			result.rev, result.err = w.writeLocal(ctx, result.local)
		default:
			edits = append(edits, result.edit)
			owners = append(owners, result)
		}
	}
	if len(edits) == 0 {
		return
	}
	for i, done := range w.h.write(w.rq, edits) {
		owners[i].err = done.Err
		if done.Err == nil {
			owners[i].rev = done.Rev.String()
		}
	}
}

func (w *bulkWriter) writeLocal(ctx context.Context, in *incoming) (string, error) {
	id := strings.TrimPrefix(in.id, localPrefix)
	owner := localOwner(w.rq.principal)
	if in.long {
		return in.revText, tooLong(w.policy.Limits)
	}
	if in.deleted {
		return deletedLocalRev, w.rq.coll.DeleteLocal(ctx, owner, id, in.revText)
	}
	return w.rq.coll.PutLocal(ctx, owner, id, in.revText, in.body)
}

// row writes what became of a document. With new_edits=false only failures have one,
// as in CouchDB.
func (w *bulkWriter) row(result *bulkResult) {
	w.rows++
	if result.err == nil {
		w.stored = true
		if !w.newEdits {
			return
		}
	}
	b := *w.out.buf
	if w.answers > 0 {
		b = append(b, ',')
	}
	w.answers++
	if result.err == nil {
		b = append(b, `{"ok":true,"id":`...)
		b = jsondoc.AppendString(b, result.id)
		b = append(b, `,"rev":`...)
		b = jsondoc.AppendString(b, result.rev)
		*w.out.buf = append(b, '}')
		return
	}
	answer := asAnswer(result.err)
	w.h.Usage.note(answer.limit)
	if answer.status >= http.StatusInternalServerError && w.failed == nil && !errors.Is(result.err, syncstore.ErrRejected) {
		w.failed = result.err
		w.h.logFailure(w.rq, answer, result.err)
	}
	b = append(b, `{"id":`...)
	b = jsondoc.AppendString(b, result.id)
	if !w.newEdits && result.rev != "" {
		b = append(b, `,"rev":`...)
		b = jsondoc.AppendString(b, result.rev)
	}
	b = append(b, ',')
	*w.out.buf = append(appendStatus(appendErrorMembers(b, answer), answer), '}')
}
