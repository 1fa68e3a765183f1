package syncstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pageMapper notes how many documents each page has.
type pageMapper struct {
	wordMapper
	mu    sync.Mutex
	pages []int
}

func (m *pageMapper) Map(ctx context.Context, docs []*Document) ([][]IndexRow, error) {
	m.mu.Lock()
	m.pages = append(m.pages, len(docs))
	m.mu.Unlock()
	return m.wordMapper.Map(ctx, docs)
}

func TestAnIndexIsBuiltInSmallStepsWhileOthersWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	edits := make([]Edit, 1000)
	for i := range edits {
		edits[i] = Edit{ID: fmt.Sprintf("d%04d", i), Body: []byte(`{"w":"x"}`)}
	}
	for _, result := range f.Write(t.Context(), edits, WriteOptions{}) {
		require.NoError(t, result.Err)
	}
	quiet := &pageMapper{}
	f.updateIndex(quiet)
	require.Equal(t, indexPage, slices.Max(quiet.pages))

	written := 0
	busy := &pageMapper{}
	busy.during = func() {
		written++
		f.put(fmt.Sprintf("new%d", written), `{"w":"y"}`, Rev{})
	}
	require.NoError(t, f.Index(IndexID{9}).Update(t.Context(), busy, 240))
	for _, docs := range busy.pages[1:] {
		require.LessOrEqual(t, docs, indexPageBusy)
	}
	require.Greater(t, len(busy.pages), 10, "%v", busy.pages)
}

func TestWhoWritesAllTheTimeKeepsNoIndexFromBeingBuilt(t *testing.T) {
	t.Parallel()
	const many = indexFollows + 1
	page := time.Millisecond
	require.Equal(t, indexRest*page, restAfter(page, 0, many))
	require.Equal(t, indexRest*page, restAfter(page, indexPatience-1, many))
	require.Equal(t, indexRest/4*page, restAfter(page, 2*indexPatience, many))
	require.Equal(t, indexLeastRest*page, restAfter(page, time.Hour*24*365, many))
	require.Equal(t, indexLeastRest*page, restAfter(page, 0, indexFollows), "one that follows")
}
