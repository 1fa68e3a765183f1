package syncstore

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Documents with many rows in indexes are purged at once while others write: what that takes out of the indexes counts
// in the groups.
func TestPurgesOfManyRowsInIndexesFailNobody(t *testing.T) {
	t.Parallel()
	c := openOnBadger(t)
	const docs = 16
	for n := range docs {
		require.NoError(t, c.Write(t.Context(), []Edit{{ID: fmt.Sprint(n)}}, WriteOptions{})[0].Err)
	}
	require.NoError(t, c.Index(testIndex).Update(t.Context(), longMapper{rows: 400, size: 1000}, c.Info().Seq))
	p := purger{collection: c, what: Purging{ID: "0"}}
	set, err := p.prepare(t.Context())
	require.NoError(t, err)
	bytes, keys := set.weight()
	require.Greater(t, bytes, 400*1000)
	require.Greater(t, keys, 400)

	var group sync.WaitGroup
	errs := make([]error, 2*docs)
	for n := range docs {
		group.Go(func() { _, errs[n] = c.Purge(t.Context(), []Purging{{ID: fmt.Sprint(n)}}) })
		group.Go(func() {
			errs[docs+n] = c.Write(t.Context(), []Edit{{ID: fmt.Sprint("other", n)}}, WriteOptions{})[0].Err
		})
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	_, rows, err := c.Index(testIndex).Covers(t.Context())
	require.NoError(t, err)
	require.Zero(t, rows)
}
