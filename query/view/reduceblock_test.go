package view

import (
	"fmt"
	"testing"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// keptOfBlocks is how many blocks keep what a view's rows come to.
func keptOfBlocks(t *testing.T, v *View) (kept int) {
	t.Helper()
	require.NoError(t, v.index.View(t.Context(), nil, func(index *syncstore.IndexView) error {
		pieces, err := index.Pieces(syncstore.IndexRange{})
		require.NoError(t, err)
		require.Greater(t, len(pieces), 1)
		for i := range pieces {
			if partials, ok := pieces[i].Block.Kept(blockKey{v.builtIn, GroupNone}); ok && len(partials.([]partial)) > 0 {
				kept++
			}
		}
		return nil
	}))
	return kept
}

func TestLargeSumsAreNotKeptWithTheirBlocks(t *testing.T) {
	t.Parallel()
	m := newViewModel(t)
	const text = `function (doc) { const names = {}; for (let i = 0; i < %d; i++) names[doc._id + "-" + i] = 1; emit(doc._id, names) }`
	m.design.Views["small"] = design.View{Map: fmt.Sprintf(text, 2), Reduce: "_sum"}
	m.design.Views["large"] = design.View{Map: fmt.Sprintf(text, 300), Reduce: "_sum"}
	var edits []syncstore.Edit
	for i := range 20 {
		edits = append(edits, syncstore.Edit{ID: fmt.Sprint(i), Body: []byte(`{}`)})
	}
	for _, result := range m.collection.Write(t.Context(), edits, syncstore.WriteOptions{}) {
		require.NoError(t, result.Err)
	}
	for name, keeps := range map[string]bool{"small": true, "large": false} {
		v, err := m.views.Open(m.collection, m.design, name)
		require.NoError(t, err)
		var first, again collected
		require.NoError(t, v.Query(t.Context(), Options{Limit: -1}, &first))
		require.NoError(t, v.Query(t.Context(), Options{Limit: -1}, &again))
		require.Equal(t, first.rows, again.rows)
		require.Equal(t, keeps, keptOfBlocks(t, v) > 0, name)
	}
}
