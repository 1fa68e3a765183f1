package syncstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at is the n-th version of a client.
func at(client byte, n uint64) Version {
	return Version{Time: 1_700_000_000_000_000_000 + n, Source: SourceID{client}}
}

// pushVersion takes in a write of Couchbase Lite 4. legacy are tree IDs.
func (f *fixture) pushVersion(id, body string, v Vector, legacy ...string) WriteResult {
	f.t.Helper()
	return f.write(Edit{ID: id, Body: []byte(body), Vector: v, History: revs(f.t, legacy...)})
}

func (f *fixture) history(id string) []string {
	f.t.Helper()
	h, err := f.readHead(f.t.Context(), f.scope.head(id))
	require.NoError(f.t, err)
	return revTexts(f.get(id, GetOptions{Rev: h.winner().Rev, History: true}).History)
}

// reference/blip.md 8.1 row 87.
func TestDecision23AVersionedWriteIsTakenOnlyIfItCoversTheCurrentOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := Vector{Current: at('c', 1), Previous: []Version{at('d', 1)}}
	r := f.pushVersion("a", `{"n":1}`, first)
	require.NoError(t, r.Err)
	require.Equal(t, uint64(1), r.Rev.Gen)
	require.Equal(t, first, f.vector("a"), "the server adds no version of its own")
	require.Equal(t, first, f.get("a", GetOptions{History: true}).Vector)

	require.NoError(t, f.pushVersion("a", `{"n":2}`, Vector{Current: at('c', 2)}).Err, "a later version of the same source")
	require.Equal(t, Vector{Current: at('c', 2), Previous: []Version{at('d', 1)}}, f.vector("a"), "what it did not name is kept")

	require.NoError(t, f.pushVersion("a", `{"n":3}`, Vector{Current: at('e', 1), Previous: []Version{at('c', 2)}}).Err)
	third := f.vector("a")
	require.Equal(t, Vector{Current: at('e', 1), Previous: []Version{at('c', 2), at('d', 1)}}, third)

	for name, v := range map[string]Vector{
		"it does not know the current source":   {Current: at('d', 9)},
		"it knows an earlier source only":       {Current: at('d', 9), Previous: []Version{at('c', 2)}},
		"it knows a future of another client":   {Current: at('d', 9), Previous: []Version{at('c', 99)}},
		"it knows an earlier one of the source": {Current: at('d', 9), Previous: []Version{{at('e', 1).Time - 1, SourceID{'e'}}}},
	} {
		require.ErrorIs(t, f.pushVersion("a", `{}`, v).Err, ErrConflict, name)
	}
	for name, v := range map[string]Vector{
		"the same version":                   {Current: at('e', 1)},
		"an earlier version that is covered": {Current: at('c', 1)},
		"one that claims more than it can":   {Current: at('c', 2), Previous: []Version{at('z', 1)}},
	} {
		r := f.pushVersion("a", `{"other":1}`, v)
		require.NoError(t, r.Err, name)
		require.Zero(t, r.Seq, name)
		require.Equal(t, f.history("a")[0], r.Rev.String(), name)
	}
	require.Equal(t, third, f.vector("a"))
	require.Equal(t, `{"n":3}`, string(f.get("a", GetOptions{}).Body))
	require.Len(t, f.history("a"), 3, "other clients see one revision after another")
	f.reopen()
	require.Equal(t, third, f.vector("a"))
}

// reference/blip.md 8.1 rows 57 and 58.
func TestMergedVersionsAreKeptUntilTheNextUpdate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, f.pushVersion("a", `{"n":1}`, Vector{Current: at('c', 1)}).Err)
	merge := Vector{Current: at('d', 5), Merged: []Version{at('c', 1), at('d', 4)}, Previous: []Version{at('e', 1)}}
	require.NoError(t, f.pushVersion("a", `{"n":2}`, merge).Err)
	require.Equal(t, merge, f.vector("a"))

	both := Vector{Current: at('e', 7), Merged: []Version{at('d', 4), at('c', 1)}}
	require.NoError(t, f.pushVersion("a", `{"n":3}`, both).Err, "both resolved the same conflict")
	require.Equal(t, at('e', 7), f.vector("a").Current)
	require.True(t, f.vector("a").Covers(at('d', 5)))

	rev, _ := ParseRev(f.history("a")[0])
	f.put("a", `{"n":4}`, rev)
	require.Empty(t, f.vector("a").Merged)
	for _, v := range []Version{at('c', 1), at('d', 5), at('e', 7)} {
		require.True(t, f.vector("a").Covers(v))
	}
}

func TestAMergedVersionThatIsOutdatedDoesNotHideTheNewer(t *testing.T) {
	t.Parallel()
	ours := Vector{Current: at('c', 9), Previous: []Version{at('d', 7)}}
	joined := Vector{Current: at('e', 1), Merged: []Version{at('c', 9), at('d', 2)}}.Join(ours)
	require.Equal(t, Vector{Current: at('e', 1), Previous: []Version{at('c', 9), at('d', 7)}}, joined)
	again := Vector{Current: at('e', 1), Previous: []Version{at('c', 9), at('d', 2)}}.Join(ours)
	require.Equal(t, joined, again)
	own := Vector{Current: at('c', 12), Merged: []Version{at('c', 1), at('d', 7)}}
	require.Equal(t, own, own.Join(ours), "the current version covers an older one of its own")
}

func TestVectorsFromOutsideAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	v := Vector{Current: at(0, 5000)}
	v.Current.Source = SourceID{1, 1}
	for n := range uint64(200) {
		v.Merged = append(v.Merged, Version{at(0, n).Time, SourceID{2, byte(n)}})
		v.Previous = append(v.Previous, Version{at(0, n+1000).Time, SourceID{3, byte(n)}})
	}
	require.NoError(t, f.pushVersion("a", `{}`, v).Err)
	require.Empty(t, f.vector("a").Merged)
	require.Len(t, f.vector("a").Previous, maxPrevious)
	require.True(t, f.vector("a").Covers(v.Previous[199]), "the newest stay")
}

func TestDecision23ADeletionThatLetsALeafSurfaceIsAVersionOfOurs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{"w":"b"}`, "1-b")
	f.pushed("a", `{"w":"a"}`, "1-a")
	before := f.vector("a")
	v := Vector{Current: at('c', 1), Previous: []Version{before.Current}}
	r := f.write(Edit{ID: "a", Deleted: true, Vector: v})
	require.NoError(t, r.Err)
	require.Equal(t, []string{"1-a", r.Rev.String() + "!"}, f.leaves("a"))
	after := f.vector("a")
	require.Equal(t, before.Current.Source, after.Current.Source)
	require.Greater(t, after.Current.Time, before.Current.Time)
	require.True(t, after.Covers(at('c', 1)))

	again := f.write(Edit{ID: "a", Deleted: true, Vector: v})
	require.NoError(t, again.Err)
	require.Zero(t, again.Seq)
	require.Equal(t, after, f.vector("a"))
}

func TestDecision24VersionsFromTheFutureComeBackLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := uint64(f.clock.Now().UnixNano())
	soon, late := now+uint64(59*time.Second), now+uint64(61*time.Second)
	for i, v := range []Vector{
		{Current: Version{late, SourceID{1}}},
		{Current: Version{now, SourceID{2}}, Merged: []Version{{late, SourceID{1}}, {now, SourceID{3}}}},
		{Current: Version{now, SourceID{2}}, Previous: []Version{{late, SourceID{1}}}},
	} {
		require.ErrorIs(t, f.pushVersion(numbered(i), `{}`, v).Err, ErrClockAhead)
	}
	require.Zero(t, f.db.Info().Seq)
	require.NoError(t, f.pushVersion("a", `{}`, Vector{Current: Version{soon, SourceID{1}}}).Err)
	v := Vector{Current: Version{late, SourceID{1}}}
	f.clock.advance(2 * time.Second)
	require.NoError(t, f.pushVersion("b", `{}`, v).Err)

	f.clock.advance(-30 * time.Second)
	r := f.pushVersion("b", `{}`, v)
	require.NoError(t, r.Err)
	require.Zero(t, r.Seq, "what is here already is not from the future")
	require.NoError(t, f.pushVersion("b", `{}`, Vector{Current: at('c', 1), Previous: []Version{v.Current}}).Err)
	huge := VersionOfRev(Rev{MaxGeneration, "ff"})
	require.NoError(t, f.pushVersion("c", `{}`, Vector{Current: at('c', 1), Previous: []Version{huge}}).Err,
		"an encoded tree ID is no time")
}

func TestOurVersionsExceedWhatIsSaidOfOurSource(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("x", `{}`, Rev{})
	ours := f.vector("x").Current
	said := Version{ours.Time + uint64(50*time.Second), ours.Source}
	r := f.pushVersion("a", `{}`, Vector{Current: at('c', 1), Previous: []Version{said}})
	require.NoError(t, r.Err)
	f.put("a", `{"n":2}`, r.Rev)
	next := f.vector("a")
	require.Equal(t, ours.Source, next.Current.Source)
	require.Greater(t, next.Current.Time, said.Time)
	require.True(t, next.Covers(said))

	f.clock.advance(-20 * time.Second) // now 70 s behind what was said
	r = f.write(Edit{ID: "a", Body: []byte(`{"n":3}`), Parent: mustRev(t, f.history("a")[0])})
	require.NoError(t, r.Err)
	require.NotEqual(t, ours.Source, f.vector("a").Current.Source)
	require.True(t, f.vector("a").Covers(next.Current))
}

func mustRev(t *testing.T, text string) Rev {
	t.Helper()
	rev, err := ParseRev(text)
	require.NoError(t, err)
	return rev
}

// reference/blip.md 8.1 rows 89, 90 and 94: clients that hold revisions from before they had
// versions.
func TestTreeIDsThatAClientNamesAreAncestors(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		here    []string // as pushed, nil: nothing
		vector  Vector
		legacy  []string
		history []string // nil: a conflict
	}{
		"on the winner":                   {[]string{"1-a"}, Vector{Current: at('c', 1)}, []string{"1-a"}, []string{"1-a"}},
		"with versions of others between": {[]string{"1-a"}, Vector{Current: at('c', 1), Previous: []Version{at('d', 1)}}, []string{"1-a"}, []string{"1-a"}},
		"with a revision that is not here": {
			[]string{"1-a"}, Vector{Current: at('c', 1)}, []string{"3-c", "2-b", "1-a"}, []string{"3-c", "2-b", "1-a"},
		},
		"with more of the past":                {[]string{"2-b"}, Vector{Current: at('c', 1)}, []string{"2-b", "1-a"}, []string{"2-b", "1-a"}},
		"with a gap after the winner":          {[]string{"1-a"}, Vector{Current: at('c', 1)}, []string{"3-c", "1-a"}, []string{"1-a"}},
		"with a gap in the past":               {[]string{"3-c"}, Vector{Current: at('c', 1)}, []string{"3-c", "1-a"}, []string{"3-c"}},
		"a past that contradicts what is here": {[]string{"2-b", "1-a"}, Vector{Current: at('c', 1)}, []string{"2-b", "1-x"}, []string{"2-b", "1-a"}},
		"a new document":                       {nil, Vector{Current: at('c', 1)}, []string{"2-b", "1-a"}, []string{"2-b", "1-a"}},
		"a new document, with a gap":           {nil, Vector{Current: at('c', 1)}, []string{"5-e", "4-d", "2-b"}, []string{"5-e", "4-d"}},
		"an encoded one among the previous":    {[]string{"2-b"}, Vector{Current: at('c', 1), Previous: []Version{VersionOfRev(Rev{2, "b"})}}, nil, []string{"2-b"}},
		"an ancestor only":                     {[]string{"2-b", "1-a"}, Vector{Current: at('c', 1)}, []string{"1-a"}, nil},
		"another branch":                       {[]string{"2-b", "1-a"}, Vector{Current: at('c', 1)}, []string{"3-z", "2-z", "1-a"}, nil},
		"a higher encoded one":                 {[]string{"2-b"}, Vector{Current: at('c', 1), Previous: []Version{VersionOfRev(Rev{3, "b"})}}, nil, nil},
		"nothing in common":                    {[]string{"2-b"}, Vector{Current: at('c', 1)}, nil, nil},
	} {
		f := newFixture(t)
		if x.here != nil {
			f.pushed("a", `{}`, x.here...)
		}
		r := f.pushVersion("a", `{"n":1}`, x.vector, x.legacy...)
		if x.history == nil {
			require.ErrorIs(t, r.Err, ErrConflict, name)
			continue
		}
		require.NoError(t, r.Err, name)
		require.Equal(t, append([]string{r.Rev.String()}, x.history...), f.history("a"), name)
		require.Equal(t, []string{r.Rev.String()}, f.leaves("a"), name)
		require.Equal(t, x.vector.Current, f.vector("a").Current, name)
		for v := range x.vector.all() {
			require.True(t, f.vector("a").Covers(v), name)
		}
	}
}

// reference/blip.md 8.1 row 89: the versions conflict, but the tree ID that both came from is
// the winner; and three tree IDs on a document that a version made.
func TestTreeIDsOfAVersionedDocument(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.pushVersion("a", `{"n":1}`, Vector{Current: at('c', 1)})
	require.NoError(t, made.Err)
	require.ErrorIs(t, f.pushVersion("a", `{}`, Vector{Current: at('d', 1)}, "3-c", "2-b", "1-a").Err, ErrConflict)
	r := f.pushVersion("a", `{"n":2}`, Vector{Current: at('d', 1)}, made.Rev.String())
	require.NoError(t, r.Err)
	require.Equal(t, Vector{Current: at('d', 1), Previous: []Version{at('c', 1)}}, f.vector("a"))

	for n := range uint64(5) {
		next := f.pushVersion("a", fmt.Sprintf(`{"n":%d}`, n+3), Vector{Current: at('d', n+2)}, made.Rev.String())
		require.NoError(t, next.Err)
		require.Equal(t, r.Rev.Gen+1, next.Rev.Gen)
		r = next
	}
}

func TestAVectorThatContradictsItselfIsNotStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.ErrorIs(t, f.pushVersion("a", `{}`, Vector{Current: at('c', 1), Previous: []Version{at('c', 1)}}).Err, ErrBadVersion)
}

func TestTreeIDsAreChecked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, rev := range []Rev{{0, "a"}, {MaxGeneration + 1, "a"}, {1, "a,b"}} {
		r := f.write(Edit{ID: "a", Vector: Vector{Current: at('c', 1)}, History: []Rev{rev}})
		require.ErrorIs(t, r.Err, ErrBadRevision)
	}
	r := f.write(Edit{ID: "a", Vector: Vector{Current: at('c', 1)}, History: []Rev{{MaxGeneration, "a"}}})
	require.ErrorIs(t, r.Err, ErrBadRevision, "no generation is left")
}

// A tree ID that is a leaf of another branch is not made an ancestor of the winner's child.
func TestAnAncestorFromAnotherBranchIsLeftOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{}`, "2-b", "1-a")
	f.write(Edit{ID: "a", Deleted: true, History: revs(t, "3-x", "2-x", "1-a")})
	r := f.pushVersion("a", `{"n":1}`, Vector{Current: at('c', 1)}, "4-y", "3-x", "2-b", "1-a")
	require.NoError(t, r.Err)
	require.Equal(t, []string{r.Rev.String(), "3-x!"}, f.leaves("a"))
	require.Equal(t, []string{r.Rev.String(), "2-b", "1-a"}, f.history("a"))
}

// reference/blip.md 8.1 row 93.
func TestAnEncodedTreeIDThatIsHereIsKnown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{}`, "2-b", "1-a")
	seq := f.db.Info().Seq
	for _, rev := range []Rev{{2, "b"}, {1, "a"}} {
		r := f.pushVersion("a", `{"other":1}`, Vector{Current: VersionOfRev(rev)})
		require.NoError(t, r.Err)
		require.Zero(t, r.Seq)
	}
	require.ErrorIs(t, f.pushVersion("a", `{}`, Vector{Current: VersionOfRev(Rev{2, "c"})}).Err, ErrConflict)
	require.ErrorIs(t, f.pushVersion("a", `{}`, Vector{Current: VersionOfRev(Rev{9, "c"})}).Err, ErrConflict)
	require.Equal(t, seq, f.db.Info().Seq)

	r := f.write(Edit{ID: "b", History: revs(t, "5-e"), NoConflicts: true, EncodeVersion: true})
	require.NoError(t, r.Err)
	later := Vector{Current: VersionOfRev(Rev{5, "a"}), Previous: []Version{at('c', 1)}}
	require.ErrorIs(t, f.pushVersion("b", `{}`, later, "5-e").Err, ErrConflict, "times of a source must rise")
}

// reference/blip.md 8.1 row 88.
func TestARevisionFromBeforeVersionsHasAnEncodedVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	push := func(deleted bool, history ...string) WriteResult {
		return f.write(Edit{
			ID: "a", History: revs(t, history...), Deleted: deleted, NoConflicts: true, EncodeVersion: true,
		})
	}
	require.NoError(t, push(false, "2-bb", "1-aa").Err)
	require.Equal(t, Vector{Current: VersionOfRev(Rev{2, "bb"})}, f.vector("a"))
	f.put("a", `{"n":3}`, Rev{2, "bb"})
	ours := f.vector("a")
	require.True(t, ours.Covers(VersionOfRev(Rev{2, "bb"})))
	require.NoError(t, push(false, "4-dd", f.history("a")[0]).Err)
	require.Equal(t, Vector{Current: VersionOfRev(Rev{4, "dd"}), Previous: []Version{ours.Current}}, f.vector("a"))

	require.NoError(t, push(true, "5-ee", "4-dd").Err)
	gone := f.vector("a")
	require.NoError(t, push(false, "1-ff").Err, "it comes back")
	require.Equal(t, ours.Current.Source, f.vector("a").Current.Source, "an encoded version must not be older than one of before")
	require.True(t, f.vector("a").Covers(gone.Current))
	require.Zero(t, push(false, "1-ff").Seq)
}
