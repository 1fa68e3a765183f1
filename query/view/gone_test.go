package view

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// dropping drops the index when it gets its first row.
type dropping struct {
	collected

	drop func()
}

func (d *dropping) Row(row *Row) error {
	if d.drop != nil {
		d.drop()
		d.drop = nil
	}
	return d.collected.Row(row)
}

func TestAQueryWhoseIndexIsDroppedDoesNotEndAsIfItHadAllRows(t *testing.T) {
	t.Parallel()
	m := newViewModel(t)
	m.design.Views["v"] = design.View{Map: `doc => emit(1)`}
	var edits []syncstore.Edit
	for i := range 2*pieceRows + 1 {
		edits = append(edits, syncstore.Edit{ID: fmt.Sprint(i), Body: []byte(`{}`)})
	}
	for _, result := range m.collection.Write(t.Context(), edits, syncstore.WriteOptions{}) {
		require.NoError(t, result.Err)
	}
	v, err := m.views.Open(m.collection, m.design, "v")
	require.NoError(t, err)
	got := dropping{drop: func() { require.NoError(t, v.index.Drop(t.Context())) }}
	err = v.Query(t.Context(), Options{Limit: -1}, &got)
	require.ErrorIs(t, err, syncstore.ErrIndexDropped)
}

// interposed does something once before a view of the engine.
type interposed struct {
	engine.Engine

	before atomic.Pointer[func()]
}

func (e *interposed) View(ctx context.Context, fn func(engine.Reader) error) error {
	if before := e.before.Swap(nil); before != nil {
		(*before)()
	}
	return e.Engine.View(ctx, fn)
}

func TestAQueryWhoseIndexIsEmptiedAfterItWasBuiltDoesNotAnswerThatThereIsNothing(t *testing.T) {
	t.Parallel()
	eng := &interposed{Engine: memory.New()}
	m := viewModelOn(t, eng, 3)
	m.design.Views["v"] = design.View{Map: `doc => { for (let i = 0; i < doc.n; i++) emit(i) }`}
	for id, body := range map[string]string{"stays": `{"n":1}`, "many": `{"n":600}`} {
		require.NoError(t, m.collection.Write(t.Context(), []syncstore.Edit{{ID: id, Body: []byte(body)}}, syncstore.WriteOptions{})[0].Err)
	}
	v, err := m.views.Open(m.collection, m.design, "v")
	require.NoError(t, err)
	_, err = v.update(t.Context())
	require.NoError(t, err)
	purge := func() {
		_, err := m.collection.Purge(t.Context(), []syncstore.Purging{{ID: "many"}})
		require.NoError(t, err)
	}
	eng.before.Store(&purge)
	require.ErrorIs(t, v.Query(t.Context(), Options{Limit: -1}, &collected{}), syncstore.ErrIndexDropped)
	var got collected
	require.NoError(t, v.Query(t.Context(), Options{Limit: -1}, &got))
	require.Equal(t, []string{"stays 0 null"}, got.rows)
}
