package view

import (
	"fmt"
	"testing"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/query/mango"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// An index that the upkeep builds, and nobody waits for, is told of while it is built.
func TestIndexesThatAreBuiltAreTasks(t *testing.T) {
	t.Parallel()
	m := newViewModel(t)
	m.slowly(t, 30)
	require.Empty(t, m.views.Tasks(t.Context()))
	now := m.views.keepUp(t.Context(), m.collection, upkept{})
	require.NotZero(t, now.seqs)
	tasks := m.views.Tasks(t.Context())
	require.Len(t, tasks, 1)
	require.Equal(t, "_design/slow", tasks[0].DesignDoc)
	require.Equal(t, "indexer", tasks[0].Type)
	require.Equal(t, "db", tasks[0].Database)
	require.EqualValues(t, 31, tasks[0].TotalChanges)
	require.Less(t, tasks[0].ChangesDone, tasks[0].TotalChanges)
	require.NotZero(t, tasks[0].StartedOn)
	m.views.keepUp(t.Context(), m.collection, upkept{})
	require.Equal(t, tasks[0].StartedOn, m.views.Tasks(t.Context())[0].StartedOn, "it goes on")
	v, err := m.views.Open(m.collection, m.design, "slow")
	require.NoError(t, err)
	require.NoError(t, v.Query(t.Context(), Options{Limit: -1}, &collected{}))
	require.Empty(t, m.views.Tasks(t.Context()), "it is done")
}

// The sequences of a store's second database begin high; what there is to do does not.
func TestTasksCountFromTheBeginningOfTheirDatabase(t *testing.T) {
	t.Parallel()
	store, err := syncstore.Open(t.Context(), memory.New(), syncstore.Options{IndexBlock: 3})
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	for _, name := range []string{"first", "second"} {
		m := viewModelIn(t, store, name)
		m.slowly(t, 30)
		m.views.keepUp(t.Context(), m.collection, upkept{})
		tasks := m.views.Tasks(t.Context())
		require.Len(t, tasks, 1)
		require.EqualValues(t, 31, tasks[0].TotalChanges, name)
		require.Less(t, tasks[0].ChangesDone, tasks[0].TotalChanges, name)
		require.Equal(t, int(100*tasks[0].ChangesDone/31), tasks[0].Progress, name)
	}
}

// Indexes of fields are tasks too, whether a query waits for them or the upkeep builds them.
func TestIndexesOfFieldsAreTasks(t *testing.T) {
	t.Parallel()
	for by, build := range map[string]func(*viewModel){
		"a query": func(m *viewModel) {
			r, err := mango.ParseRequest([]byte(`{"selector":{"a":1}}`))
			require.NoError(t, err)
			q, err := m.views.Mango().Prepare(t.Context(), m.collection, r, nil)
			require.NoError(t, err)
			_, err = q.Run(t.Context(), mango.Limits{}, func(*syncstore.Document) error { return nil })
			require.NoError(t, err)
		},
		"the upkeep": func(m *viewModel) { m.views.keepUp(t.Context(), m.collection, upkept{}) },
	} {
		m := newViewModel(t)
		index := []byte(`{"language":"query","views":{"a":{"map":{"fields":{"a":"asc"}}}}}`)
		for _, result := range m.collection.Write(t.Context(), []syncstore.Edit{{ID: "_design/fields", Body: index}}, syncstore.WriteOptions{}) {
			require.NoError(t, result.Err)
		}
		build(m)
		var designs []string
		m.views.tasks.mu.Lock()
		for _, begun := range m.views.tasks.all {
			designs = append(designs, begun.design)
		}
		m.views.tasks.mu.Unlock()
		require.Contains(t, designs, "_design/fields", by)
	}
}

// slowly stores documents, and a design document whose map function takes its time.
func (m *viewModel) slowly(t *testing.T, docs int) {
	t.Helper()
	edits := make([]syncstore.Edit, 0, docs+1)
	for i := range docs {
		edits = append(edits, syncstore.Edit{ID: fmt.Sprintf("d%03d", i), Body: []byte(`{}`)})
	}
	const text = `function (doc) { for (let i = 0; i < 200000; i++) {} emit(1) }`
	m.design.Views["slow"] = design.View{Map: text}
	edits = append(edits, syncstore.Edit{ID: "_design/slow", Body: fmt.Appendf(nil, `{"views":{"v":{"map":%q}}}`, text)})
	for _, result := range m.collection.Write(t.Context(), edits, syncstore.WriteOptions{}) {
		require.NoError(t, result.Err)
	}
}
