package view

import (
	"fmt"
	"testing"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// A map function may emit the whole document for each of its elements.
func TestTheRowsOfManyDocumentsAreNotInMemoryAtOnce(t *testing.T) {
	t.Parallel()
	m := newViewModel(t)
	m.design.Views["v"] = design.View{Map: `doc => { emit(0, "x".repeat(1 << 19)); emit(1, "x".repeat(1 << 19)) }`}
	mapper, err := m.views.mapper(m.collection, m.design, "v")
	require.NoError(t, err)
	const docs = 80
	var edits []syncstore.Edit
	for i := range docs {
		edits = append(edits, syncstore.Edit{ID: fmt.Sprint(i), Body: []byte(`{}`)})
	}
	for _, result := range m.collection.Write(t.Context(), edits, syncstore.WriteOptions{}) {
		require.NoError(t, result.Err)
	}
	var all []*syncstore.Document
	require.NoError(t, m.collection.AllDocs(t.Context(), syncstore.AllDocsOptions{}, func(doc *syncstore.Document) error {
		all = append(all, doc)
		return nil
	}))
	rows, err := mapper.Map(t.Context(), all)
	require.NoError(t, err)
	size := 0
	for _, ofOne := range rows {
		size += rowBytes(ofOne)
	}
	require.Less(t, size, docs*2<<19)
	v, err := m.views.Open(m.collection, m.design, "v")
	require.NoError(t, err)
	var got collected
	require.NoError(t, v.Query(t.Context(), Options{Limit: -1}, &got))
	require.Len(t, got.rows, 2*docs)
}
