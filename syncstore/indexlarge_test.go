package syncstore

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wholeMapper makes rows that have much in them, as a map function that emits the document many times.
type wholeMapper struct{ rows, size int }

func (m wholeMapper) Map(_ context.Context, docs []*Document) ([][]IndexRow, error) {
	all := make([][]IndexRow, len(docs))
	for i := range docs {
		for n := range m.rows {
			all[i] = append(all[i], IndexRow{Sort: fmt.Appendf(nil, "%06d\x00", n), Key: fmt.Append(nil, n), Value: bytes.Repeat([]byte("x"), m.size)})
		}
	}
	return all, nil
}

func openOnBadger(t *testing.T) *Collection {
	t.Helper()
	store, err := Open(t.Context(), openBadger(t, t.TempDir()), Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	db, err := store.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
	return db.Default()
}

// A document whose rows are more than a transaction of Badger may have stops no index.
func TestIndexTakesDocumentsOfLargeRows(t *testing.T) {
	t.Parallel()
	c := openOnBadger(t)
	require.NoError(t, c.Write(t.Context(), []Edit{{ID: "a"}}, WriteOptions{})[0].Err)
	m := wholeMapper{rows: 100, size: 60 << 10}
	require.NoError(t, c.Index(testIndex).Update(t.Context(), m, c.Info().Seq))
	_, rows, err := c.Index(testIndex).Covers(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, m.rows, rows)

	purged, err := c.Purge(t.Context(), []Purging{{ID: "a"}})
	require.NoError(t, err)
	require.Len(t, purged[0], 1)
	_, rows, err = c.Index(testIndex).Covers(t.Context())
	require.NoError(t, err)
	require.Zero(t, rows)
}

// longMapper makes rows whose keys are long.
type longMapper struct{ rows, size int }

func (m longMapper) Map(_ context.Context, docs []*Document) ([][]IndexRow, error) {
	all := make([][]IndexRow, len(docs))
	for i := range docs {
		for n := range m.rows {
			all[i] = append(all[i], IndexRow{Sort: append(fmt.Appendf(nil, "%06d", n), append(bytes.Repeat([]byte("x"), m.size), 0)...)})
		}
	}
	return all, nil
}

// A document that has more in all indexes together than a transaction of Badger may delete can be purged.
func TestADocumentOfManyRowsInManyIndexesCanBePurged(t *testing.T) {
	t.Parallel()
	c := openOnBadger(t)
	require.NoError(t, c.Write(t.Context(), []Edit{{ID: "a"}}, WriteOptions{})[0].Err)
	m := longMapper{rows: maxUnindexed, size: 1 << 10}
	for n := range byte(10) {
		require.NoError(t, c.Index(IndexID{n}).Update(t.Context(), m, c.Info().Seq))
	}
	purged, err := c.Purge(t.Context(), []Purging{{ID: "a"}})
	require.NoError(t, err)
	require.Len(t, purged[0], 1)
	for n := range byte(10) {
		i := c.Index(IndexID{n})
		require.NoError(t, i.Update(t.Context(), m, c.Info().Seq))
		_, rows, err := i.Covers(t.Context())
		require.NoError(t, err)
		require.Zero(t, rows)
	}
}

// While the rows of a document that are more than a set may have are replaced, old and new ones are beside each
// other. Neither are for those who could see the document only before, or only since.
func TestOldRowsOfALargeDocumentAreNotForItsNewChannels(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{1, 3000} {
		e, f := openHooked(t)
		f.SetPolicy(Policy{Evaluator: sizedPolicy{}, Version: "1"})
		f.give("before", "blue")
		f.give("since", "red")
		f.give("always", "green")
		rev := f.sized("d", sizedBody{[]string{"blue", "green"}, 3000, "old"}, Rev{})
		f.updateIndex(sizedMapper{})
		f.sized("d", sizedBody{[]string{"red", "green"}, rows, "new"}, rev)
		between := 0
		hook := func() {
			everybody, always := f.valuesSeen(nil), f.valuesSeen(&Viewer{Name: "always"})
			assert.Equal(t, everybody, always, "who sees the document as it was and as it is")
			if everybody["new"] != rows || len(everybody) != 1 {
				between++
				assert.Zero(t, f.valuesSeen(&Viewer{Name: "before"})["new"])
				assert.Zero(t, f.valuesSeen(&Viewer{Name: "since"})["old"])
			}
		}
		e.after.Store(&hook)
		f.updateIndex(sizedMapper{})
		e.after.Store(nil)
		require.Positive(t, between)
		require.Equal(t, map[string]int{"new": rows}, f.valuesSeen(&Viewer{Name: "since"}))
		require.Empty(t, f.valuesSeen(&Viewer{Name: "before"}))
		_, stored, err := f.Index(testIndex).Covers(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, rows, stored)
	}
}
