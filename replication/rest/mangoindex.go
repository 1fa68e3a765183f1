package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddysync/caddy-sync/query/mango"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
)

// listIndexes answers GET /{keyspace}/_index. An index is a part of its design document: who may
// not read that is not told of it, nor is it counted.
func (h *Handler) listIndexes(rq *request) error {
	skip, err := indexParameter(rq.query.Get("skip"), 0, 0)
	if err != nil {
		return err
	}
	indexes, err := h.Views.Mango().Visible(rq.r.Context(), rq.coll, rq.viewer())
	if err != nil {
		return err
	}
	total := len(indexes)
	limit, err := indexParameter(rq.query.Get("limit"), 1, total)
	if err != nil {
		return err
	}
	indexes = indexes[min(skip, total):]
	b := strconv.AppendInt(append([]byte(nil), `{"total_rows":`...), int64(total), 10)
	b = append(b, `,"indexes":[`...)
	for i, x := range indexes[:min(limit, len(indexes))] {
		if i > 0 {
			b = append(b, ",\n"...)
		}
		b = x.AppendJSON(b)
	}
	return rq.sendJSON(http.StatusOK, append(b, "]}\n"...))
}

func indexParameter(text string, least, absent int) (int, error) {
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least {
		return 0, &answerError{
			status: http.StatusBadRequest, name: "invalid_list_index_params", reason: "Index parameter ranges: limit >= 1, skip >= 0",
		}
	}
	return n, nil
}

// createIndex answers POST /{keyspace}/_index. What it writes is a design document.
func (h *Handler) createIndex(rq *request) error {
	if !rq.principal.Admin {
		return syncstore.ErrDesignWriter
	}
	body, err := h.readBody(rq, maxOptionsBody)
	if err != nil {
		return fmt.Errorf("reading an index: %w", err)
	}
	defer body.free()
	d, err := mango.ParseDefinition(body.text)
	if err != nil {
		return mangoFailed(err)
	}
	result := "exists"
	err = h.changeDesign(rq, d.Design, func(doc *syncstore.Document) (*syncstore.Edit, error) {
		var before []byte
		if doc != nil {
			before = doc.Body
		}
		changed, added, err := d.AddTo(before)
		if err != nil || !added {
			return nil, err
		}
		result = "created"
		return &syncstore.Edit{Body: changed}, nil
	})
	if err != nil {
		return err
	}
	b := append(append([]byte(`{"result":"`), result...), `","id":`...)
	b = jsondoc.AppendString(append(jsondoc.AppendString(b, d.Design), `,"name":`...), d.Name)
	return rq.sendJSON(http.StatusOK, append(b, "}\n"...))
}

// deleteIndex answers DELETE /{keyspace}/_index/{ddoc}/{type}/{name}.
func (h *Handler) deleteIndex(rq *request) error {
	if !rq.principal.Admin {
		return syncstore.ErrDesignWriter
	}
	indexes, err := h.Views.Mango().Indexes(rq.r.Context(), rq.coll)
	if err != nil {
		return err
	}
	x := mango.Find(indexes, rq.docID, rq.part, rq.item)
	if x == nil {
		return notFound("missing")
	}
	if err := h.dropIndexes(rq, x.Design, x.Name); err != nil {
		return err
	}
	return rq.sendJSON(http.StatusOK, []byte("{\"ok\":true}\n"))
}

// deleteIndexes answers POST /{keyspace}/_index/_bulk_delete: all indexes of design documents.
func (h *Handler) deleteIndexes(rq *request) error {
	if !rq.principal.Admin {
		return syncstore.ErrDesignWriter
	}
	body, err := h.readBody(rq, maxOptionsBody)
	if err != nil {
		return fmt.Errorf("reading the names of design documents: %w", err)
	}
	defer body.free()
	ids, err := mango.ParseBulkDelete(body.text)
	if err != nil {
		return mangoFailed(err)
	}
	var done, failed []byte
	for _, id := range ids {
		if err := h.dropIndexesOf(rq, id); err != nil {
			failed = jsondoc.AppendString(append(separate(failed), `{"id":`...), id)
			failed = append(append(failed, ','), appendErrorMembers(nil, asAnswer(err))...)
			failed = append(failed, '}')
			continue
		}
		done = jsondoc.AppendString(append(separate(done), `{"id":`...), id)
		done = append(done, `,"ok":true}`...)
	}
	b := append(append([]byte(`{"success":[`), done...), `],"fail":[`...)
	return rq.sendJSON(http.StatusOK, append(append(b, failed...), "]}\n"...))
}

func separate(list []byte) []byte {
	if len(list) > 0 {
		list = append(list, ',')
	}
	return list
}

func (h *Handler) dropIndexesOf(rq *request, id string) error {
	indexes, err := h.Views.Mango().Indexes(rq.r.Context(), rq.coll)
	if err != nil {
		return err
	}
	var names []string
	for _, x := range indexes {
		if !x.Special() && x.Design == id {
			names = append(names, x.Name)
		}
	}
	if names == nil {
		return notFound("missing")
	}
	return h.dropIndexes(rq, id, names...)
}

// dropIndexes takes indexes out of a design document, and deletes it if nothing else is in it.
func (h *Handler) dropIndexes(rq *request, id string, names ...string) error {
	return h.changeDesign(rq, id, func(doc *syncstore.Document) (*syncstore.Edit, error) {
		if doc == nil {
			return nil, notFound("missing")
		}
		body, gone, err := mango.RemoveFrom(doc.Body, names...)
		if err != nil {
			return nil, err
		}
		if gone {
			return &syncstore.Edit{Deleted: true}, nil
		}
		return &syncstore.Edit{Body: body}, nil
	})
}

// designTries is how often a change of a design document is tried that others write too.
const designTries = 10

// changeDesign writes what change makes of a design document, nil if there is none; it makes nil of
// what is to stay as it is. When somebody else was quicker, it is asked again.
func (h *Handler) changeDesign(rq *request, id string, change func(*syncstore.Document) (*syncstore.Edit, error)) error {
	for try := 1; ; try++ {
		doc, err := liveDocument(rq.r.Context(), rq.coll, id)
		if err != nil {
			return err
		}
		edit, err := change(doc)
		if err != nil || edit == nil {
			return mangoFailed(err)
		}
		edit.ID = id
		if doc != nil {
			edit.Parent = doc.Rev
			keepAttachments(edit, doc)
		}
		err = h.write(rq, []syncstore.Edit{*edit})[0].Err
		if err == nil || try == designTries || !errors.Is(err, syncstore.ErrConflict) {
			return err
		}
	}
}

// liveDocument reads a document; nil if there is none.
func liveDocument(ctx context.Context, c *syncstore.Collection, id string) (*syncstore.Document, error) {
	doc, err := c.Get(ctx, id, syncstore.GetOptions{})
	if errors.Is(err, syncstore.ErrNotFound) || errors.Is(err, syncstore.ErrDeleted) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", id, err)
	}
	return doc, nil
}

// keepAttachments has an edit keep what the document has attached.
func keepAttachments(edit *syncstore.Edit, doc *syncstore.Document) {
	if edit.Deleted {
		return
	}
	for _, a := range doc.Attachments {
		edit.Attachments = append(edit.Attachments, syncstore.AttachmentEdit{Name: a.Name, ContentType: a.ContentType, Digest: a.Digest, Stub: true})
	}
}
