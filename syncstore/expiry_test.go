package syncstore

import (
	"testing"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
)

// A commit for each would be a sync of the disk for each: what is written with an end faster than that would end ever later.
func TestDocumentsThatExpireAtTheSameTimeExpireTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other, err := f.db.OpenCollection(t.Context(), "_default", "items")
	require.NoError(t, err)
	expires := f.clock.Now().Add(time.Hour)
	const docs = 300
	for _, c := range []*Collection{f.Collection, other} {
		var edits []Edit
		for n := range docs {
			edits = append(edits, Edit{ID: numbered(n), Expires: expires})
		}
		for _, w := range c.Write(t.Context(), edits, WriteOptions{}) {
			require.NoError(t, w.Err)
		}
	}
	f.clock.advance(2 * time.Hour)
	before := f.engine.Stats().Commits
	require.Equal(t, 2*docs, f.sweepNow())
	require.Less(t, f.engine.Stats().Commits-before, uint64(30))
	require.EqualValues(t, 2*docs, f.db.Info().DeletedDocs)
	require.Zero(t, f.sweepNow(), "nothing is due any more")
}

// What is the matter with one document does not keep those beside it.
func TestADocumentThatCannotExpireDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	expires := f.clock.Now().Add(time.Hour)
	for _, id := range []string{"a", "damaged", "z"} {
		require.NoError(t, f.write(Edit{ID: id, Expires: expires}).Err)
	}
	last := Rev{Gen: MaxGeneration, Digest: "aa"}
	require.NoError(t, f.write(Edit{ID: "last generation", History: []Rev{last}, Expires: expires}).Err)
	f.damage("damaged")
	f.clock.advance(2 * time.Hour)
	require.Equal(t, 3, f.sweepNow())
	for _, id := range []string{"a", "z"} {
		_, err := f.Get(t.Context(), id, GetOptions{})
		require.ErrorIs(t, err, ErrDeleted)
	}
	require.Equal(t, last, f.get("last generation", GetOptions{}).Rev)
	require.NoError(t, f.engine.View(t.Context(), func(r engine.Reader) error {
		keys, _, err := f.store.dueKeys(t.Context(), engine.Range{Start: f.scope.whole().prefix(kindDue, 0), End: f.scope.due(expires.Unix()+1, nil), Limit: 10}, nil)
		require.Len(t, keys, 1, "that of the damaged one")
		return err
	}))
}
