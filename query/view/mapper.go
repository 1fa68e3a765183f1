package view

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// mapper is a syncstore.Mapper by a map function.
type mapper struct {
	function  *design.Map
	options   design.ViewOptions
	collation *query.Collation
	patience  *patience
	logger    *zap.Logger
}

func (v *Views) mapper(c *syncstore.Collection, d *design.Document, name string) (*mapper, error) {
	function, err := v.functions.Map(d, name)
	if err != nil {
		return nil, err
	}
	return &mapper{
		function: function, options: d.Options, collation: v.collation,
		patience: d.Kept("patience with "+name, func() any { return &patience{most: v.maxTimeouts} }).(*patience), //nolint:forcetypeassert // see above
		logger:   v.logger.WithLazy(zap.String("collection", c.Name()), zap.String("view", d.ID+"/"+name)),
	}, nil
}

const (
	// workerDocs is how many documents are worth a goroutine of their own.
	workerDocs = 50
	// mappedBytes is what rows may have before no further document is mapped with those before: a
	// function may emit the whole document for each of its elements.
	mappedBytes = 8 << 20
)

// Map implements syncstore.Mapper. A document with which the function fails has no rows, and is
// named in the log. A function that runs out of its time or memory again and again ends the building, which goes on behind
// these documents when the function is run again: there may be as many anywhere.
func (m *mapper) Map(ctx context.Context, docs []*syncstore.Document) ([][]syncstore.IndexRow, error) {
	all := make([][]syncstore.IndexRow, len(docs))
	workers := min(runtime.GOMAXPROCS(0), (len(docs)+workerDocs-1)/workerDocs)
	var taken, size atomic.Int64
	failed := make([]bool, len(docs))
	group, ctx := errgroup.WithContext(ctx)
	for range workers {
		group.Go(func() error {
			for size.Load() < mappedBytes {
				n := taken.Add(1) - 1
				if n >= int64(len(docs)) {
					return nil
				}
				var err error
				if all[n], err = m.patiently(ctx, docs[n]); err != nil {
					failed[n] = true
					return err
				}
				size.Add(int64(rowBytes(all[n])))
			}
			return nil
		})
	}
	err := group.Wait()
	mapped := min(int(taken.Load()), len(docs))
	if first := slices.Index(failed, true); first >= 0 {
		mapped = first
	}
	return all[:mapped], err
}

// patiently maps a document, unless the function is not run now.
func (m *mapper) patiently(ctx context.Context, doc *syncstore.Document) ([]syncstore.IndexRow, error) {
	if err := m.patience.over(); err != nil {
		return nil, err
	}
	return m.document(ctx, doc)
}

// rowBytes is how long rows are.
func rowBytes(rows []syncstore.IndexRow) (n int) {
	for i := range rows {
		n += len(rows[i].Sort) + len(rows[i].Key) + len(rows[i].Value)
	}
	return n
}

func (m *mapper) document(ctx context.Context, doc *syncstore.Document) ([]syncstore.IndexRow, error) {
	if syncstore.IsDesign(doc.ID) && !m.options.IncludeDesign {
		return nil, nil
	}
	text := doc.FunctionJSON()
	if m.options.LocalSeq {
		text = `{"_local_seq":` + strconv.FormatUint(doc.Seq, 10) + "," + text[1:]
	}
	emitted, log, err := m.function.Rows(ctx, text)
	m.patience.tried(err)
	for _, line := range log {
		m.logger.Debug("the map function says", zap.String("text", line), zap.String("document", doc.ID))
	}
	if err != nil {
		if failed, ok := errors.AsType[*design.Error](err); ok {
			m.logger.Warn("the map function failed; the document is not in the view", zap.String("document", doc.ID), zap.Error(failed))
			return nil, nil
		}
		return nil, err
	}
	return m.rows(doc.ID, emitted), nil
}

// sort is where a key belongs. Of one that is too long for a row it may be a beginning that is too long
// as well, behind or before the same rows.
func (m *mapper) sort(key []byte) []byte {
	if m.options.Collation == design.Raw {
		return query.AppendRawSortKey(nil, key)
	}
	const most = syncstore.MaxSort + 1
	sort, _ := m.collation.AppendSortKeyUpTo(make([]byte, 0, min(16+2*len(key), most)), key, most)
	return sort
}

// rows sorts what was emitted: by key, and for the same key by value, as CouchDB has it.
func (m *mapper) rows(id string, emitted []design.Emitted) []syncstore.IndexRow {
	rows := make([]syncstore.IndexRow, 0, len(emitted))
	size := 0
	for _, e := range emitted {
		row := syncstore.IndexRow{Key: []byte(e.Key), Value: []byte(e.Value)}
		if row.Sort = m.sort(row.Key); len(row.Sort) > syncstore.MaxSort {
			m.logger.Warn("a key is too long; the row is not in the view", zap.String("document", id), zap.Int("bytes", len(row.Key)))
			continue
		}
		if size += len(row.Sort); size > syncstore.MaxSorts {
			m.logger.Warn("the keys of a document are too much; the document is not in the view", zap.String("document", id), zap.Int("rows", len(emitted)))
			return nil
		}
		rows = append(rows, row)
	}
	if len(rows) > 1 {
		slices.SortStableFunc(rows, func(a, b syncstore.IndexRow) int {
			if order := bytes.Compare(a.Sort, b.Sort); order != 0 {
				return order
			}
			return cmp.Or(m.collation.Compare(a.Value, b.Value), bytes.Compare(a.Value, b.Value))
		})
	}
	return rows
}
