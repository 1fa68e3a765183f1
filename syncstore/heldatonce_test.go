package syncstore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A page of a user's feed looks into hundreds of documents, where they have conflicts, and a listing into those of the
// user's channels. They may be of 20 MiB each.
func TestFeedsAndListingsOfUsersHoldFewLargeDocumentsAtOnce(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	const n, size = 5 * readsAtOnce, 20_000
	for i := range n {
		id := fmt.Sprint("doc", i)
		f.pushed(id, fmt.Sprintf(`{"channels":["red"],"text":"%0*d"}`, size, 0), "1-b")
		f.pushed(id, `{"channels":["red"]}`, "1-a")
	}
	for i := range 2100 { // so many that the listing goes by the channel
		f.put(fmt.Sprint("a", i), `{}`, Rev{})
	}
	f.give("alice", "red")
	f.reopen()
	meter := &readMeter{Engine: f.store.engine}
	f.store.engine = meter
	f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})
	require.Len(t, f.feedOf("alice", Cursor{}, FeedOptions{}), n)
	require.Less(t, meter.most, (readsAtOnce+1)*(size+1000))
	require.Greater(t, meter.most, size)
	meter.most = 0
	given := 0
	require.NoError(t, f.AllDocs(t.Context(), AllDocsOptions{Viewer: &Viewer{Name: "alice"}, Limit: 1}, func(*Document) error { given++; return nil }))
	require.Equal(t, 1, given)
	require.Less(t, meter.most, (readsAtOnce+1)*(size+1000))
	require.Greater(t, meter.most, size)
}
