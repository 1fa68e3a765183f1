package mango

import (
	"context"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/jsondoc"
	"go.uber.org/zap"
)

// mapper makes the rows of an index: one of each document in which all fields are. It is a
// syncstore.Mapper.
type mapper struct {
	index  *Index
	fields *query.Fields
	keys   keys
	logger *zap.Logger
}

func (m *Mango) mapper(c *syncstore.Collection, x *Index) *mapper {
	return &mapper{
		index: x, fields: query.NewFields(paths(x.Fields)), keys: m.keysOf(x),
		logger: m.logger.With(zap.String("keyspace", c.Keyspace()), zap.String("index", x.Design+"/"+x.Name)),
	}
}

// Map implements syncstore.Mapper.
func (m *mapper) Map(ctx context.Context, docs []*syncstore.Document) ([][]syncstore.IndexRow, error) {
	all := make([][]syncstore.IndexRow, len(docs))
	for i, doc := range docs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if sort := m.sort(doc); sort != nil {
			all[i] = []syncstore.IndexRow{{Sort: sort}}
		}
	}
	return all, nil
}

// sort is where a document is in the index, nil if it is not in it.
func (m *mapper) sort(doc *syncstore.Document) []byte {
	if syncstore.IsDesign(doc.ID) {
		return nil
	}
	asked := selectable(doc, m.fields, m.index.Partial)
	values := m.fields.Values(asked)
	for _, value := range values {
		if value == nil {
			return nil
		}
	}
	if m.index.Partial != nil {
		ok, err := m.index.Partial.Match(asked)
		if err != nil {
			m.logger.Warn("the partial filter failed; the document is not in the index", zap.String("document", doc.ID), zap.Error(err))
		}
		if err != nil || !ok {
			return nil
		}
	}
	return m.keys.row(values)
}

// selectable is a document as a selector sees it, and what looks for fields.
func selectable(doc *syncstore.Document, fields *query.Fields, selector *query.Selector) *query.Document {
	d := &query.Document{ID: doc.ID, Deleted: doc.Deleted, Body: doc.Body}
	uses := func(name string) bool {
		return fields != nil && fields.Uses(name) || selector != nil && selector.Uses(name)
	}
	if uses("_rev") {
		d.Rev = doc.Rev.String()
	}
	if len(doc.Attachments) > 0 && uses("_attachments") {
		d.Attachments = attachmentsOf(doc)
	}
	return d
}

// attachmentsOf are the stubs of a document's attachments, a JSON object.
func attachmentsOf(doc *syncstore.Document) (stubs []byte) {
	_ = jsondoc.Members([]byte(doc.FunctionJSON()), func(name string, value []byte) error {
		if name == "_attachments" {
			stubs = value
		}
		return nil
	})
	return stubs
}
