package syncstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Where a page takes several turns, what its reader was shown in one of them it may lose before the
// next: it is told of that, although it did not have it when it asked.
func TestAPageOfSeveralTurnsTellsTheLossOfWhatItShowed(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.store.viewers.idle = pageCost + 1
	f.give("alice", "a")
	f.in("d", Rev{}, "a")
	for range 10 {
		f.give("alice", "a", "x")
		f.give("alice", "a")
	}
	var rows []string
	_, err := f.Changes(t.Context(), ChangesOptions{
		FeedOptions: FeedOptions{Viewer: &Viewer{Name: "alice"}, Revocations: true},
	}, func(c *Change) error {
		if rows = append(rows, string(c.ID)); len(rows) == 1 {
			f.give("alice")
		}
		if c.Revoked {
			rows[len(rows)-1] += " is lost"
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"d", "d is lost"}, rows)
}
