package syncstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (f *fixture) vector(id string) Vector {
	f.t.Helper()
	h, err := f.readHead(f.t.Context(), f.scope.head(id))
	require.NoError(f.t, err)
	return h.Vector
}

func TestDecision23TheVectorDescribesTheWinner(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{}`, "2-b", "1-a")
	first := f.vector("a")
	require.False(t, first.Current.IsZero())

	seq := f.db.Info().Seq
	f.pushed("a", `{}`, "2-a", "1-a")
	require.Equal(t, first, f.vector("a"), "a losing leaf does not touch the vector")
	require.Greater(t, f.db.Info().Seq, seq, "but moves the sequence")

	f.pushed("a", `{}`, "3-c", "2-a", "1-a")
	second := f.vector("a")
	require.NotEqual(t, first.Current, second.Current, "another leaf wins: a new version")
	require.True(t, second.Covers(first.Current))

	f.remove("a", Rev{3, "c"})
	third := f.vector("a")
	require.NotEqual(t, second.Current, third.Current, "a losing leaf surfaces by a deletion: a new version")
	require.True(t, third.Covers(second.Current))
	require.Equal(t, "2-b", f.leaves("a")[0])
}

func TestDecision24TheClockNeverRunsBackwards(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.put("a", `{}`, Rev{})
	first := f.vector("a").Current
	f.clock.advance(-30 * time.Second)
	a = f.put("a", `{"n":2}`, a)
	second := f.vector("a").Current
	require.Greater(t, second.Time, first.Time)
	require.Equal(t, first.Source, second.Source)

	f.reopen()
	a = f.put("a", `{"n":3}`, a)
	third := f.vector("a").Current
	require.Greater(t, third.Time, second.Time, "across a restart")
	require.Equal(t, first.Source, third.Source)

	f.clock.advance(-61 * time.Second)
	a = f.put("a", `{"n":4}`, a)
	fourth := f.vector("a")
	require.NotEqual(t, first.Source, fourth.Current.Source, "far behind: a new source")
	require.Less(t, fourth.Current.Time, third.Time, "whose clock starts afresh")
	require.True(t, fourth.Covers(third))
	f.reopen()
	f.put("a", `{"n":5}`, a)
	require.Equal(t, fourth.Current.Source, f.vector("a").Current.Source, "the new source is kept")
}

func TestDecision24ASourceBelongsToOneDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other, err := f.store.CreateDatabase(t.Context(), "other")
	require.NoError(t, err)
	require.NotEqual(t, f.db.clock.state().Source, other.clock.state().Source)
	require.NotEqual(t, SourceID{}, other.clock.state().Source)
}

func TestVectorsCoverWhatTheirWritersHadSeen(t *testing.T) {
	t.Parallel()
	s := func(b byte) SourceID { return SourceID{b} }
	v := Vector{Current: Version{10, s(1)}}
	v = v.Next(Version{5, s(2)})
	v = v.Next(Version{20, s(1)})
	require.Equal(t, Version{20, s(1)}, v.Current)
	require.Equal(t, []Version{{5, s(2)}}, v.Previous, "a source is there once")
	require.True(t, v.Covers(Version{5, s(2)}))
	require.True(t, v.Covers(Version{10, s(1)}))
	require.False(t, v.Covers(Version{6, s(2)}))
	require.False(t, v.Covers(Version{1, s(3)}))
	merged := Vector{Current: Version{9, s(1)}, Merged: []Version{{9, s(1)}, {8, s(2)}}}.Next(Version{11, s(3)})
	require.Equal(t, []Version{{9, s(1)}, {8, s(2)}}, merged.Previous)
	for n := range 100 {
		v = v.Next(Version{uint64(100 + n), s(byte(10 + n))})
	}
	require.Len(t, v.Previous, maxPrevious)
	require.True(t, v.Covers(Version{198, s(108)}), "the oldest go")
	require.Equal(t, "a@AQAAAAAAAAAAAAAAAAAAAA", Version{10, s(1)}.String())
}
