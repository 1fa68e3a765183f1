package rest

import (
	"context"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/stretchr/testify/require"
)

// busyDocuments change while they are looked up.
type busyDocuments struct {
	collectionChanges
	change func()
}

func (b *busyDocuments) GetRevs(
	ctx context.Context, id string, revs []syncstore.Rev, o syncstore.GetOptions,
) ([]syncstore.RevResult, error) {
	b.change()
	return b.collectionChanges.GetRevs(ctx, id, revs, o)
}

// The client takes the sequence of a row as its cursor, so that a row must not come from
// after a change of another document that was not seen.
func TestLookUpReturnsRowsOfOneMoment(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		changes int
		ok      bool
	}{"once": {1, true}, "all the time": {1000, false}} {
		db := feedDatabase(t)
		revs := writeDocs(t, db, "a", "b")
		left := test.changes
		source := &busyDocuments{collectionChanges{db.Default(), db}, func() {
			if left--; left >= 0 {
				revs[0] = writeEdits(t, db, syncstore.Edit{ID: "a", Parent: revs[0]})[0]
			}
		}}
		rows, last, ok, err := lookUp(t.Context(), source, nil, map[string]struct{}{"a": {}, "b": {}, "none": {}})
		require.NoError(t, err)
		require.Equal(t, test.ok, ok, name)
		if ok {
			require.Equal(t, uint64(3), last)
			require.Len(t, rows, 2)
			require.Equal(t, "b", string(rows[0].ID))
			require.Equal(t, uint64(3), rows[1].Seq)
		}
	}
}

func TestBusyDocumentsAreReadFromTheFeed(t *testing.T) {
	t.Parallel()
	db := feedDatabase(t)
	revs := writeDocs(t, db, "a", "b", "c")
	open, ctx := prepareFeed(t, db, `doc_ids=["a","b"]`)
	open.feed.source = &busyDocuments{collectionChanges{db.Default(), db}, func() {
		revs[0] = writeEdits(t, db, syncstore.Edit{ID: "a", Parent: revs[0]})[0]
	}}
	open.run(ctx)
	require.NoError(t, open.err)
	page := parsePage(t, open.all())
	require.Equal(t, []string{"b", "a"}, page.ids())
	require.Equal(t, string(page.Results[1].Seq), string(page.LastSeq[1:len(page.LastSeq)-1]))
}
