package syncstore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// fewMapper maps some documents at a time, however many there are.
type fewMapper struct {
	wordMapper

	few int
}

func (m *fewMapper) Map(ctx context.Context, docs []*Document) ([][]IndexRow, error) {
	return m.wordMapper.Map(ctx, docs[:min(m.few, len(docs))])
}

func TestAMapperMayMapTheFirstDocumentsOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.words("a", "red green", Rev{})
	b := f.words("b", "green", Rev{})
	f.words("c", "blue", Rev{})
	gone := f.words("d", "black", Rev{})
	m := &fewMapper{few: 2}
	f.updateIndex(m)
	require.Equal(t, f.naive(), f.indexed(nil, IndexRange{}))
	f.words("e", "white", Rev{})
	f.remove("d", gone)
	f.words("b", "green white", b)
	m.few = 1
	f.updateIndex(m)
	require.Equal(t, f.naive(), f.indexed(nil, IndexRange{}))
	seq, rows, err := f.Index(testIndex).Covers(t.Context())
	require.NoError(t, err)
	require.Equal(t, f.Info().Seq, seq)
	require.Len(t, f.naive(), int(rows))
	f.words("f", "white", Rev{})
	m.few = 0
	require.ErrorIs(t, f.Index(testIndex).Update(t.Context(), m, f.Info().Seq), errNothingMapped)
}
