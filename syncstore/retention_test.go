package syncstore

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const day = 24 * time.Hour

func (f *fixture) retain() {
	f.t.Helper()
	require.NoError(f.t, f.db.retainNow(f.t.Context()))
}

func TestTombstonesArePurgedWhenTheyAreOldEnough(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []string{"early", "again", "live"} {
		rev := f.put(id, `{}`, Rev{})
		if id != "live" {
			f.remove(id, rev)
		}
	}
	f.db.SetRetention(Retention{Tombstones: 30 * day})
	f.retain()
	require.EqualValues(t, 2, f.db.Info().DeletedDocs, "from now on its time runs")
	f.clock.advance(20 * day)
	late := f.put("late", `{}`, Rev{})
	f.remove("late", late)
	f.retain()
	f.put("again", `{"back":true}`, Rev{})
	f.clock.advance(11 * day)
	f.reopen() // what was noted is still there
	f.retain()
	require.EqualValues(t, 2, f.db.Info().DeletedDocs, "without a retention nothing goes")
	f.db.SetRetention(Retention{Tombstones: 30 * day})
	f.retain()
	_, err := f.Inspect(t.Context(), "early")
	require.ErrorIs(t, err, ErrNotFound)
	require.Equal(t, `{"back":true}`, string(f.get("again", GetOptions{}).Body), "what is there again stays")
	require.Equal(t, `{}`, string(f.get("live", GetOptions{}).Body))
	_, err = f.Inspect(t.Context(), "late")
	require.NoError(t, err, "it is not old enough")
	require.EqualValues(t, 1, f.store.Stats().TombstonesPurged)
	f.clock.advance(20 * day)
	f.retain()
	_, err = f.Inspect(t.Context(), "late")
	require.ErrorIs(t, err, ErrNotFound)
	require.Zero(t, f.db.Info().DeletedDocs)
	require.Nil(t, f.db.Retaining())
}

// Or one bit that a disk lost would have a store grow for years.
func TestADamagedTombstoneDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []string{"before", "damaged", "later"} {
		f.remove(id, f.put(id, `{}`, Rev{}))
	}
	f.damage("damaged")
	f.db.SetRetention(Retention{Tombstones: day})
	f.retain()
	f.clock.advance(2 * day)
	f.retain()
	require.EqualValues(t, 2, f.store.Stats().TombstonesPurged)
	_, err := f.Inspect(t.Context(), "later")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestManyTombstonesArePurgedInSteps(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other, err := f.db.OpenCollection(t.Context(), "_default", "items")
	require.NoError(t, err)
	for _, c := range []*Collection{f.Collection, other} {
		var edits []Edit
		for i := range 3*retainPage + 7 {
			edits = append(edits, Edit{ID: string(rune('a'+i/26%26)) + string(rune('a'+i%26)) + string(rune('a'+i/676)), Deleted: i%3 > 0, Body: []byte(`{}`)})
		}
		for _, w := range c.Write(t.Context(), edits, WriteOptions{}) {
			require.NoError(t, w.Err)
		}
	}
	before := f.db.Info()
	f.db.SetRetention(Retention{Tombstones: day})
	f.retain()
	f.clock.advance(2 * day)
	f.retain()
	after := f.db.Info()
	require.Zero(t, after.DeletedDocs)
	require.Equal(t, before.Docs, after.Docs)
	require.Equal(t, before.DeletedDocs, f.store.Stats().TombstonesPurged)
	_, err = f.Changes(t.Context(), ChangesOptions{Since: At(before.Seq)}, func(c *Change) error {
		require.Fail(t, "a feed is told of a purge", "%s", c.ID)
		return nil
	})
	require.NoError(t, err)
}

// TestATombstoneThatSomethingIsDroppedOfIsPurgedAllTheSame has an old body dropped between the reading of a
// tombstone and its purge: what was passed over would stay for ever.
func TestATombstoneThatSomethingIsDroppedOfIsPurgedAllTheSame(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.remove("a", f.put("a", `{}`, Rev{}))
	committer := f.store.committer
	waiting := func(queue *[]*commitRequest) func() bool {
		return func() bool {
			committer.mu.Lock()
			defer committer.mu.Unlock()
			return len(*queue) == 1
		}
	}
	under, goOn := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		committer.commit(&changeSet{apply: func(*overlay) error {
			close(under)
			<-goOn
			return nil
		}})
	})
	<-under
	group.Go(func() {
		assert.NoError(t, f.purgeDeleted(t.Context(), []string{"a"}, f.Info().Seq, &retaining{}))
	})
	require.Eventually(t, waiting(&committer.background), waitFor, tick)
	group.Go(func() {
		committer.commit(&changeSet{db: f.db, key: string(f.scope.head("a")), base: committer.committed.Load()})
	})
	require.Eventually(t, waiting(&committer.foreground), waitFor, tick)
	close(goOn)
	group.Wait()
	_, err := f.Inspect(t.Context(), "a")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestAClockThatIsSetBackPurgesNothingEarly(t *testing.T) {
	t.Parallel()
	var s retentionState
	at := time.Unix(1_800_000_000, 0)
	upTo, _ := s.mark(at.Add(100*day), 30*day, 5)
	require.Zero(t, upTo)
	upTo, changed := s.mark(at, 30*day, 9)
	require.True(t, changed)
	require.Zero(t, upTo)
	require.Equal(t, []retentionMark{{at.Unix(), 9}}, s.Marks)
	for i := range 5000 {
		s.mark(at.Add(time.Duration(i)*day/4), 365*day, uint64(10+i))
		require.LessOrEqual(t, len(s.Marks), maxRetainMarks)
	}
	upTo, _ = s.mark(at.Add(1250*day), 365*day, 6000)
	require.InDelta(t, 10+(1250-365)*4, upTo, 10)
	require.LessOrEqual(t, upTo, uint64(10+(1250-365)*4))
}

func TestLocalDocumentsGoThatNobodyWrites(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other, err := f.db.OpenCollection(t.Context(), "_default", "items")
	require.NoError(t, err)
	put := func(c *Collection, id, rev string) string {
		t.Helper()
		next, err := c.PutLocal(t.Context(), "alice", id, rev, []byte(`{}`))
		require.NoError(t, err)
		return next
	}
	put(f.Collection, "gone", "")
	put(other, "gone", "")
	rev := put(f.Collection, "used", "")
	f.db.SetRetention(Retention{LocalDocuments: 90 * day})
	f.clock.advance(60 * day)
	put(f.Collection, "used", rev)
	f.retain()
	_, err = f.GetLocal(t.Context(), "alice", "gone")
	require.NoError(t, err)
	f.clock.advance(31 * day)
	f.retain()
	for _, c := range []*Collection{f.Collection, other} {
		_, err = c.GetLocal(t.Context(), "alice", "gone")
		require.ErrorIs(t, err, ErrNotFound)
	}
	_, err = f.GetLocal(t.Context(), "alice", "used")
	require.NoError(t, err)
	require.EqualValues(t, 2, f.store.Stats().LocalsDropped)
}

func TestOldRevisionsAreKeptForAsLongAsTheDatabaseSays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.db.SetRetention(Retention{OldBodies: time.Hour})
	first := f.put("a", `{"n":1}`, Rev{})
	f.put("a", `{"n":2}`, first)
	f.clock.advance(59 * time.Minute)
	_, err := f.store.sweepDue(t.Context())
	require.NoError(t, err)
	require.Equal(t, `{"n":1}`, string(f.get("a", GetOptions{Rev: first}).Body))
	f.clock.advance(2 * time.Minute)
	_, err = f.store.sweepDue(t.Context())
	require.NoError(t, err)
	_, err = f.Get(t.Context(), "a", GetOptions{Rev: first})
	require.ErrorIs(t, err, ErrNotFound)
	require.EqualValues(t, 1, f.store.Stats().BodiesDropped)
}
