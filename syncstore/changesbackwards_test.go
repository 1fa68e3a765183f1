package syncstore

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A viewer's feed that is read backwards page by page is the feed, with all that was given and lost in between.
func TestAViewersFeedBackwardsIsTheFeedBackwards(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	const n = 3 * viewedPage / 2
	write := func(tag string, parents []Rev, channels ...string) (all []Rev) {
		edits := make([]Edit, n)
		for i := range edits {
			edits[i] = Edit{ID: tag + numbered(i), Body: bodyIn(t, channels...)}
			if parents != nil {
				edits[i].Parent = parents[i]
			}
		}
		for _, r := range f.Write(t.Context(), edits, WriteOptions{}) {
			require.NoError(t, r.Err)
			all = append(all, r.Rev)
		}
		return all
	}
	write("given", nil, "b")
	f.give("alice", "a", "c")
	left := write("left", nil, "a")
	write("lost", nil, "c")
	had := At(f.db.Info().Seq)
	write("left", left, "x")
	f.give("alice", "a", "b")
	write("new", nil, "a")
	o := ChangesOptions{FeedOptions: FeedOptions{Viewer: &Viewer{Name: "alice"}, Revocations: true}}
	for _, since := range []Cursor{{}, had, At(math.MaxUint64)} {
		o.Since = since
		read := func(descending bool) (rows []string, last Cursor) {
			o.Descending = descending
			last, err := f.Changes(t.Context(), o, func(c *Change) error {
				row := c.Cursor().String() + " " + string(c.ID)
				if c.Revoked || c.Removed != nil {
					row += " gone"
				}
				rows = append(rows, row)
				return nil
			})
			require.NoError(t, err)
			return rows, last
		}
		want, end := read(false)
		got, last := read(true)
		slices.Reverse(got)
		require.Equal(t, want, got)
		require.Equal(t, end, last)
		require.NotEmpty(t, got)
	}
}

// What changes while a feed is read backwards is told once at most, and comes after the position returned.
func TestAFeedThatIsReadBackwardsHoldsAPageOnly(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a")
	const n = 3 * viewedPage
	revs := make([]Rev, n)
	for i := range n {
		revs[i] = f.in(numbered(i), Rev{}, "a")
	}
	o := ChangesOptions{FeedOptions: FeedOptions{Viewer: &Viewer{Name: "alice"}}, Descending: true}
	seen := map[string]bool{}
	last, err := f.Changes(t.Context(), o, func(c *Change) error {
		if len(seen) == 0 {
			f.in(numbered(1), revs[1], "a") // of a page that is not read yet
			f.in(numbered(n-2), revs[n-2], "a")
		}
		require.False(t, seen[string(c.ID)])
		seen[string(c.ID)] = true
		return nil
	})
	require.NoError(t, err)
	require.Len(t, seen, n-1, "all but the one that comes next")
	require.False(t, seen[numbered(1)])
	o.Since, o.Descending = last, false
	var next []string
	_, err = f.Changes(t.Context(), o, func(c *Change) error {
		next = append(next, string(c.ID))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{numbered(1), numbered(n - 2)}, next)
}
