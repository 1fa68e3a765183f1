package syncstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func (f *fixture) read(feed *Feed, limit int) (rows []feedRow) {
	f.t.Helper()
	_, err := feed.Read(f.t.Context(), limit, func(c *Change) error {
		rows = append(rows, copyRow(c))
		return nil
	})
	require.NoError(f.t, err)
	return rows
}

// next waits until there is something to read.
func (f *fixture) next(feed *Feed) []feedRow {
	f.t.Helper()
	for {
		<-feed.Ready()
		if rows := f.read(feed, 0); len(rows) > 0 {
			return rows
		}
	}
}

func ids(rows []feedRow) (ids []string) {
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestChangesHaveOneRowADocumentInOrderOfSequence(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.put("a", `{}`, Rev{})
	f.put("b", `{}`, Rev{})
	f.put("c", `{}`, Rev{})
	f.put("a", `{"n":2}`, a)

	rows, last := f.changes(ChangesOptions{})
	require.Equal(t, []string{"b", "c", "a"}, ids(rows))
	require.Equal(t, uint64(4), last)
	rows, last = f.changes(ChangesOptions{Limit: 2})
	require.Equal(t, []string{"b", "c"}, ids(rows))
	require.Equal(t, uint64(3), last, "the page ends at its last row")
	rows, last = f.changes(ChangesOptions{Since: At(3), Limit: 1})
	require.Equal(t, []string{"a"}, ids(rows))
	require.Equal(t, uint64(4), last)
	rows, _ = f.changes(ChangesOptions{Descending: true, Limit: 2})
	require.Equal(t, []string{"a", "c"}, ids(rows))
	rows, last = f.changes(ChangesOptions{Since: At(4)})
	require.Empty(t, rows)
	require.Equal(t, uint64(4), last)
	failed := errors.New("stop")
	_, err := f.Changes(t.Context(), ChangesOptions{}, func(*Change) error { return failed })
	require.ErrorIs(t, err, failed)
}

func TestDecision35SinceAboveTheSequenceIsRead0(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{}`, Rev{})
	for _, since := range []uint64{2, 1 << 40, 1<<64 - 1} {
		rows, last := f.changes(ChangesOptions{Since: At(since)})
		require.Equal(t, []string{"a"}, ids(rows))
		require.Equal(t, uint64(1), last)
		feed := f.Follow(At(since), FeedOptions{})
		require.Equal(t, []string{"a"}, ids(f.read(feed, 0)))
		feed.Close()
	}
}

func TestDecision35SequencesOfANewDatabaseBeginApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.Zero(t, f.db.Info().Seq)
	second, err := f.store.CreateDatabase(t.Context(), "second")
	require.NoError(t, err)
	require.Equal(t, uint64(2)<<32, second.Info().Seq)
	require.NoError(t, f.store.DeleteDatabase(t.Context(), "second"))
	again, err := f.store.CreateDatabase(t.Context(), "second")
	require.NoError(t, err)
	require.Equal(t, uint64(3)<<32, again.Info().Seq)
}

func TestAFeedFollowsWithoutGapsOrRepeats(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const writers, each = 8, 60
	feeds := make([]*Feed, 4)
	for i := range feeds {
		feeds[i] = f.Follow(At(0), FeedOptions{})
		defer feeds[i].Close()
	}
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := range each {
				r := f.Write(context.Background(), []Edit{{ID: fmt.Sprintf("%d-%d", w, n)}}, WriteOptions{})
				if r[0].Err != nil {
					t.Error(r[0].Err)
				}
			}
		})
	}
	var reading sync.WaitGroup
	for i, feed := range feeds {
		reading.Go(func() {
			next := uint64(1)
			for next <= writers*each {
				<-feed.Ready()
				_, err := feed.Read(context.Background(), []int{0, 1, 7, 1000}[i], func(c *Change) error {
					if c.Seq != next {
						return fmt.Errorf("got %d, want %d", c.Seq, next)
					}
					next++
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writing.Wait()
	reading.Wait()
}

func TestASlowFeedReadsTheIndex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	feed := f.Follow(At(0), FeedOptions{})
	defer feed.Close()
	for n := range 3 * keptBatches {
		f.put(numbered(n), `{}`, Rev{})
	}
	var rows []feedRow
	for len(rows) < 3*keptBatches {
		<-feed.Ready()
		rows = append(rows, f.read(feed, 0)...)
	}
	require.Equal(t, uint64(3*keptBatches), feed.Cursor().Seq)
	for n := range rows {
		require.Equal(t, uint64(n+1), rows[n].Seq)
	}
	select {
	case <-feed.Ready():
		require.Empty(t, f.read(feed, 0))
	default:
	}
}

// reference/blip.md 8.1 row 30: a commit wakes a feed that waits, and no ticker has to.
func TestAFeedWaitsUntilSomethingHappens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{}`, Rev{})
	feed := f.Follow(At(1), FeedOptions{})
	defer feed.Close()
	require.Empty(t, f.read(feed, 0))
	f.put("b", `{}`, Rev{})
	require.Equal(t, []string{"b"}, ids(f.next(feed)))

	failed := errors.New("client went away")
	f.put("c", `{}`, Rev{})
	var err error
	for err == nil {
		<-feed.Ready()
		_, err = feed.Read(t.Context(), 0, func(*Change) error { return failed })
	}
	require.ErrorIs(t, err, failed)
	require.Equal(t, []string{"c"}, ids(f.read(feed, 0)), "what the client did not get is given again")
}

func TestDeletingADatabaseEndsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rev := f.put("a", `{}`, Rev{})
	content := f.upload([]byte("x"))
	require.NoError(t, f.write(Edit{ID: "b", Attachments: []AttachmentEdit{{Name: "x", Content: content}}}).Err)
	_, err := f.PutLocal(t.Context(), "u", "l", "", []byte(`{}`))
	require.NoError(t, err)
	old := f.Collection
	require.NoError(t, f.store.DeleteDatabase(t.Context(), "db"))
	<-old.db.Done()
	require.ErrorIs(t, f.write(Edit{ID: "a", Parent: rev}).Err, ErrNoDatabase)
	_, err = f.store.Database("db")
	require.ErrorIs(t, err, ErrNoDatabase)
	require.ErrorIs(t, f.store.DeleteDatabase(t.Context(), "db"), ErrNoDatabase)

	again, err := f.store.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
	_, err = again.Default().Get(t.Context(), "a", GetOptions{})
	require.ErrorIs(t, err, ErrNotFound)
	require.NotEqual(t, old.db.UUID(), again.UUID())

	require.NoError(t, f.store.Close())
	f.open()
	require.Eventually(t, func() bool {
		total := 0
		for _, kind := range databaseKinds {
			total += f.keys(kind)
		}
		return total == 0
	}, waitFor, tick, "the storage of the deleted database is cleared, at the next start if it was interrupted")
}

func TestDatabaseNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, name := range []string{"", "A", "1a", "_users", "/b", "a.b", "ä", "a b", string(make([]byte, 300))} {
		_, err := f.store.CreateDatabase(t.Context(), name)
		require.ErrorIs(t, err, ErrBadDatabaseName, "%q", name)
	}
	_, err := f.store.CreateDatabase(t.Context(), "db")
	require.ErrorIs(t, err, ErrDatabaseExists)
	_, err = f.store.CreateDatabase(t.Context(), "a0_$()+-/b")
	require.NoError(t, err)
	require.Equal(t, []string{"a0_$()+-/b", "db"}, f.store.Databases())
	f.reopen()
	require.Equal(t, []string{"a0_$()+-/b", "db"}, f.store.Databases())
}

func TestAFeedOpenedBeforeACommitIsCountedDoesNotBeginAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := f.db.counters.Load()
	f.put("a", `{}`, Rev{})
	f.db.counters.Store(before) // what a reader sees between the commit and its count
	feed := f.Follow(At(1), FeedOptions{})
	defer feed.Close()
	require.Equal(t, uint64(1), feed.Cursor().Seq)
}
