package syncstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A document with conflicts that is purged before a live feed has told of it is not told of, and the feed goes on.
func TestALiveFeedGoesOnWhenADocumentWithConflictsIsPurged(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.give("alice", "a")
	feed := f.Follow(Cursor{}, FeedOptions{Viewer: &Viewer{Name: "alice"}})
	defer feed.Close()
	f.pushed("d", `{"channels":["a"]}`, "1-a")
	require.Equal(t, []string{"d"}, ids(f.next(feed)))
	told := func() { // the rows of a commit are what a feed that is not behind goes by
		require.Eventually(t, func() bool { return f.db.broadcast.end().since == f.db.Info().Seq }, waitFor, tick)
	}
	told()
	for again := true; again; again = feed.Behind() {
		f.read(feed, 0)
	}
	f.pushed("d", `{"channels":["a"]}`, "1-b")
	told()
	_, err := f.Purge(t.Context(), []Purging{{ID: "d"}})
	require.NoError(t, err)
	require.Empty(t, f.read(feed, 0))
	f.in("last", Rev{}, "a")
	require.Equal(t, []string{"last"}, ids(f.next(feed)))
}
