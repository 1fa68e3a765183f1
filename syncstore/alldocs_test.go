package syncstore

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A listing of somebody who sees little of a large collection is read from the channels, and
// says what a listing by ID says.
func TestAllDocsOfAViewerWhoSeesLittle(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "mine", "also")
	var edits []Edit
	var mine []string
	for n := range 3000 {
		channels := "theirs"
		id := fmt.Sprintf("d%04d", n)
		if n%100 == 7 {
			channels = "mine"
			mine = append(mine, id)
		}
		if n%300 == 7 {
			channels = `mine","also`
		}
		edits = append(edits, Edit{ID: id, Body: fmt.Appendf(nil, `{"channels":["%s"]}`, channels)})
	}
	for _, r := range f.Write(t.Context(), edits, WriteOptions{}) {
		require.NoError(t, r.Err)
	}
	gone := mine[len(mine)-1]
	f.remove(gone, f.get(gone, GetOptions{}).Rev)
	mine = mine[:len(mine)-1]
	list := func(o AllDocsOptions) (ids []string) {
		o.Viewer = &Viewer{Name: "alice"}
		require.NoError(t, f.AllDocs(t.Context(), o, func(d *Document) error {
			ids = append(ids, d.ID)
			return nil
		}))
		return ids
	}
	backwards := slices.Clone(mine)
	slices.Reverse(backwards)
	require.Equal(t, mine, list(AllDocsOptions{}))
	require.Equal(t, backwards, list(AllDocsOptions{Descending: true}))
	require.Equal(t, mine[3:28], list(AllDocsOptions{Skip: 3, Limit: 25}))
	require.Equal(t, mine[1:27], list(AllDocsOptions{Start: mine[1], End: mine[27], ExcludeEnd: true}))
	require.Equal(t, backwards[1:28], list(AllDocsOptions{Descending: true, Start: backwards[1], End: backwards[27]}))
}
