package syncstore

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEditsExtendTheLeaf(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.put("a", `{"n":1}`, Rev{})
	require.Equal(t, uint64(1), first.Gen)
	second := f.put("a", `{"n":2}`, first)
	require.Equal(t, uint64(2), second.Gen)

	doc := f.get("a", GetOptions{History: true})
	require.Equal(t, `{"n":2}`, string(doc.Body))
	require.Equal(t, []Rev{second, first}, doc.History)
	require.Equal(t, `{"n":1}`, string(f.get("a", GetOptions{Rev: first}).Body), "the old body is kept for a while")
	require.Equal(t, Info{
		Name: "db", UUID: f.db.UUID(), Docs: 1, Seq: 2, Created: f.db.Info().Created,
	}, f.db.Info())
}

func TestEditsThatDoNotExtendALeafConflict(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.put("a", `{}`, Rev{})
	second := f.put("a", `{"n":2}`, first)
	for name, edit := range map[string]Edit{
		"no parent for a live document":     {ID: "a"},
		"an inner revision":                 {ID: "a", Parent: first, Body: []byte(`{"n":3}`)},
		"an unknown revision":               {ID: "a", Parent: Rev{Gen: 2, Digest: "ff"}},
		"a parent for a new document":       {ID: "new", Parent: first},
		"deleting an inner revision":        {ID: "a", Parent: first, Deleted: true},
		"a parent that is a prefix of one":  {ID: "a", Parent: Rev{Gen: 2, Digest: second.Digest[:31]}},
		"a parent of another generation":    {ID: "a", Parent: Rev{Gen: 3, Digest: second.Digest}},
		"the same edit a second time":       {ID: "a", Parent: first, Body: []byte(`{"n":2}`)},
		"the same first edit a second time": {ID: "a", Body: []byte(`{}`)},
	} {
		require.ErrorIs(t, f.write(edit).Err, ErrConflict, name)
	}
	require.Equal(t, uint64(2), f.db.Info().Seq, "a refused write takes no sequence")
}

func TestTombstonesAndResurrection(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.put("a", `{"n":1}`, Rev{})
	gone := f.remove("a", first)

	_, err := f.Get(t.Context(), "a", GetOptions{})
	require.ErrorIs(t, err, ErrDeleted)
	require.True(t, f.get("a", GetOptions{Rev: gone}).Deleted)
	require.Equal(t, uint64(1), f.db.Info().DeletedDocs)
	rows, _ := f.changes(ChangesOptions{})
	require.Equal(t, []feedRow{{Seq: 2, ID: "a", Deleted: true, Leaves: []string{gone.String() + "!"}}}, rows)

	again := f.put("a", `{"n":3}`, Rev{})
	require.Equal(t, uint64(3), again.Gen, "a new document under the name goes on from the tombstone")
	require.Equal(t, []string{again.String()}, f.leaves("a"))
	info := f.db.Info()
	require.Equal(t, uint64(1), info.Docs)
	require.Zero(t, info.DeletedDocs)

	named := f.put("a", `{"n":5}`, f.remove("a", again))
	require.Equal(t, uint64(5), named.Gen, "and may name the tombstone")
}

func TestReplicatedRevisionsMakeConflictsAndTheSameWinnerEverywhere(t *testing.T) {
	t.Parallel()
	pushes := [][]string{{"2-b", "1-a"}, {"2-c", "1-a"}, {"3-d", "2-b", "1-a"}, {"2-e", "1-x"}}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 2, 0}} {
		f := newFixture(t)
		for _, i := range order {
			f.pushed("a", fmt.Sprintf(`{"rev":%q}`, pushes[i][0]), pushes[i]...)
		}
		require.Equal(t, []string{"3-d", "2-e", "2-c"}, f.leaves("a"), "order %v", order)
		doc := f.get("a", GetOptions{Conflicts: true, History: true})
		require.Equal(t, `{"rev":"3-d"}`, string(doc.Body))
		require.Equal(t, []string{"2-e", "2-c"}, revTexts(doc.Conflicts))
		require.Equal(t, []string{"3-d", "2-b", "1-a"}, revTexts(doc.History))
		rows, _ := f.changes(ChangesOptions{})
		require.Len(t, rows, 1)
		require.Equal(t, []string{"3-d", "2-e", "2-c"}, rows[0].Leaves)
	}
}

func TestWinnerIsLiveThenHigherThenLarger(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{"w":"a"}`, "1-a")
	f.pushed("a", `{"w":"b"}`, "1-b")
	require.Equal(t, []string{"1-b", "1-a"}, f.leaves("a"), "larger digest")
	f.pushed("a", `{"w":"2"}`, "2-0", "1-a")
	require.Equal(t, []string{"2-0", "1-b"}, f.leaves("a"), "higher generation")
	f.remove("a", Rev{2, "0"})
	leaves := f.leaves("a")
	require.Equal(t, "1-b", leaves[0], "live before deleted")
	require.Equal(t, `{"w":"b"}`, string(f.get("a", GetOptions{}).Body), "the leaf that surfaces has its body")
	require.Len(t, f.get("a", GetOptions{Conflicts: true}).DeletedConflicts, 1)
	require.Equal(t, uint64(1), f.db.Info().Docs)

	f.pushed("a", `{"w":"10"}`, "10-0")
	require.Equal(t, "10-0", f.leaves("a")[0], "generations compare as numbers")
}

func TestKnownRevisionsArePushedAgainWithoutEffect(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{"n":2}`, "2-b", "1-a")
	for _, history := range [][]string{{"2-b", "1-a"}, {"2-b"}, {"1-a"}, {"2-b", "1-zz"}} {
		r := f.push("a", `{"n":"other"}`, history...)
		require.NoError(t, r.Err)
		require.Zero(t, r.Seq, "%v", history)
	}
	require.Equal(t, `{"n":2}`, string(f.get("a", GetOptions{}).Body))
	require.Equal(t, uint64(1), f.db.Info().Seq)
}

func TestHistoryJoinsAndFillsInButNeverRewrites(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{}`, "4-d")
	f.pushed("a", `{}`, "6-f", "5-e", "4-d", "3-c", "2-b")
	require.Equal(t, []string{"6-f"}, f.leaves("a"))
	require.Equal(t, []string{"6-f", "5-e", "4-d", "3-c", "2-b"},
		revTexts(f.get("a", GetOptions{History: true}).History), "the past of 4-d was not known; now it is")

	f.pushed("a", `{}`, "7-g", "6-f", "5-LIE", "4-LIE")
	require.Equal(t, []string{"7-g"}, f.leaves("a"))
	require.Equal(t, []string{"7-g", "6-f", "5-e", "4-d", "3-c", "2-b"},
		revTexts(f.get("a", GetOptions{History: true}).History), "a lie about the past of 6-f changes nothing")

	f.pushed("b", `{"l":"root"}`, "3-c")
	f.pushed("b", `{"l":"other"}`, "4-d")
	f.pushed("b", `{}`, "5-e", "4-d", "3-c")
	require.Equal(t, []string{"5-e"}, f.leaves("b"), "two branches turn out to be one")

	f.pushed("c", `{}`, "1-a")
	f.pushed("c", `{}`, "4-d", "3-c")
	f.pushed("c", `{}`, "5-e", "4-d", "3-c", "2-b", "1-a")
	require.Equal(t, []string{"5-e"}, f.leaves("c"), "it turns out to be one also beyond what was known of the past")

	f.pushed("d", `{}`, "3-c", "2-b")
	f.pushed("d", `{}`, "4-d", "3-c", "2-b", "1-a")
	f.pushed("d", `{}`, "1-a")
	require.Equal(t, []string{"4-d"}, f.leaves("d"), "who comes late with the first revision makes no conflict of it")
}

func TestAncestryIsKeptToItsLimitHoweverMuchIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	history := []string{"1-a"}
	for gen := 2; gen <= 1100; gen++ {
		history = append([]string{fmt.Sprintf("%d-a", gen)}, history...)
		if gen%50 == 0 {
			f.pushed("a", `{}`, history...)
		}
	}
	require.Len(t, f.get("a", GetOptions{History: true}).History, 1000)
}

func TestHistoriesThatContradictThemselvesAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, history := range map[string][]Rev{
		"a generation is left out": {{3, "c"}, {1, "a"}},
		"generations rise":         {{1, "a"}, {2, "b"}},
		"generations stay":         {{2, "b"}, {2, "a"}},
		"generation zero":          {{1, "a"}, {0, "b"}},
		"generation out of range":  {{math.MaxUint64, "a"}},
		"generation just too high": {{MaxGeneration + 1, "a"}},
		"digest too long":          {{1, strings.Repeat("a", 65)}},
		"digest with a quote":      {{1, `a"b`}},
	} {
		err := f.write(Edit{ID: "a", History: history}).Err
		require.Error(t, err, name)
		require.True(t, errorsIsAny(err, ErrBadHistory, ErrBadRevision), "%s: %v", name, err)
	}
	require.Zero(t, f.db.Info().Seq)
	f.pushed("top", `{}`, fmt.Sprintf("%d-a", MaxGeneration))
	r := f.write(Edit{ID: "top", Parent: Rev{MaxGeneration, "a"}})
	require.ErrorIs(t, r.Err, ErrBadRevision, "an edit after the last generation")
}

func TestLongAncestriesArePruned(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) { o.Revisions = 5 })
	rev := Rev{}
	for n := range 30 {
		rev = f.put("a", fmt.Sprintf(`{"n":%d}`, n), rev)
	}
	require.Len(t, f.get("a", GetOptions{History: true}).History, 5)
	f.pushed("a", `{}`, "31-c", rev.String())
	require.Len(t, f.get("a", GetOptions{History: true}).History, 5)
	missing, err := f.RevsDiff(t.Context(), nil, []RevsOffer{{ID: "a", Revs: []Rev{rev, {2, "aa"}}}})
	require.NoError(t, err)
	require.Equal(t, []Rev{{2, "aa"}}, missing[0].Missing)
}

func TestDecision26RevisionsAreNamedByWhatTheyAre(t *testing.T) {
	t.Parallel()
	f, g := newFixture(t), newFixture(t)
	require.Equal(t, f.put("a", `{"n":1}`, Rev{}), g.put("b", `{"n":1}`, Rev{}), "the same edit, the same name")
	require.NotEqual(t, f.put("c", `{"n": 1}`, Rev{}), g.put("c", `{"n":1}`, Rev{}), "bytes are not canonicalised")
	first, body := f.put("d", `{}`, Rev{}), []byte(`{}`)
	require.NotEqual(t, newRevision(first, &Edit{Deleted: true, Body: body}, nil), newRevision(first, &Edit{Body: body}, nil))
	require.NotEqual(t, newRevision(first, &Edit{Body: body}, []Attachment{{Name: "x"}}),
		newRevision(first, &Edit{Body: body}, []Attachment{{Name: "y"}}))
	require.NotEqual(t, newRevision(first, &Edit{Body: body}, []Attachment{{Name: "x"}}),
		newRevision(first, &Edit{Body: body}, []Attachment{{Name: "x", Content: Content{SHA256: [32]byte{1}}}}))
}

func TestDecision26BodiesComeBackByteForByte(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i, body := range []string{
		`{"n":9223372036854775807,"u":18446744073709551615}`,
		`{"d":0.1000000000000000055511151231257827021181583404541015625}`,
		`{"z":1,"a":2 , "e":1E400,"s":"\u00e9\/é"}`,
		`{}`,
	} {
		id := numbered(i)
		f.put(id, body, Rev{})
		require.Equal(t, body, string(f.get(id, GetOptions{}).Body))
	}
	f.reopen()
	require.Contains(t, string(f.get(numbered(0), GetOptions{}).Body), "9223372036854775807")
}

func TestDecision27DocumentIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []string{"", strings.Repeat("x", 2049), "a\x00b", "a\nb", "\xff", "a\u0085b", "a\x7f"} {
		require.ErrorIs(t, f.write(Edit{ID: id}).Err, ErrBadID, "%q", id)
		_, err := f.Get(t.Context(), id, GetOptions{})
		require.ErrorIs(t, err, ErrBadID, "%q", id)
	}
	for _, id := range []string{"a", strings.Repeat("x", 2048), "ü/ 漢字", "_design/x", "a b", "%2F", "🎉"} {
		f.put(id, `{}`, Rev{})
		require.Equal(t, id, f.get(id, GetOptions{}).ID)
	}
}

func TestReadingRevisions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{"r":1}`, "1-a")
	f.pushed("a", `{"r":2}`, "2-b", "1-a")
	f.pushed("a", `{"r":3}`, "3-c", "2-b", "1-a")
	f.pushed("a", `{"r":"x"}`, "3-x", "2-b", "1-a")

	_, err := f.Get(t.Context(), "missing", GetOptions{})
	require.ErrorIs(t, err, ErrNotFound)
	_, err = f.Get(t.Context(), "a", GetOptions{Rev: Rev{9, "f"}})
	require.ErrorIs(t, err, ErrNotFound)
	require.Equal(t, `{"r":3}`, string(f.get("a", GetOptions{Rev: Rev{3, "c"}}).Body))
	require.Equal(t, "3-x", f.get("a", GetOptions{Rev: Rev{2, "b"}, Latest: true}).Rev.String())
	require.Equal(t, "3-c", f.get("a", GetOptions{Rev: Rev{3, "c"}, Latest: true}).Rev.String())

	results, err := f.GetRevs(t.Context(), "a", revs(t, "3-c", "7-z", "2-b"), GetOptions{History: true})
	require.NoError(t, err)
	require.Equal(t, []string{"3-c", "2-b", "1-a"}, revTexts(results[0].Doc.History))
	require.Nil(t, results[1].Doc)
	require.Equal(t, `{"r":2}`, string(results[2].Doc.Body))
	results, err = f.GetRevs(t.Context(), "a", revs(t, "1-a"), GetOptions{Latest: true})
	require.NoError(t, err)
	require.Len(t, results, 2, "both leaves descend from it")
	_, err = f.GetRevs(t.Context(), "missing", nil, GetOptions{})
	require.ErrorIs(t, err, ErrNotFound)

	f.remove("a", Rev{3, "c"})
	require.True(t, f.get("a", GetOptions{Rev: Rev{3, "c"}, Latest: true}).Deleted, "the branch's leaf, though deleted")
}

func TestRevsDiff(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{}`, "3-c", "2-b", "1-a")
	f.pushed("a", `{}`, "2-x", "1-a")
	answers, err := f.RevsDiff(t.Context(), nil, []RevsOffer{
		{ID: "a", Revs: revs(t, "3-c", "1-a")},
		{ID: "a", Revs: revs(t, "4-d", "2-b", "1-q")},
		{ID: "b", Revs: revs(t, "1-a")},
		{ID: "\x00", Revs: revs(t, "1-a")},
	})
	require.NoError(t, err)
	require.Empty(t, answers[0].Missing)
	require.Equal(t, []string{"4-d", "1-q"}, revTexts(answers[1].Missing))
	require.Equal(t, []string{"3-c", "2-x"}, revTexts(answers[1].PossibleAncestors))
	require.Equal(t, []string{"1-a"}, revTexts(answers[2].Missing))
	require.Len(t, answers[3].Missing, 1)
}

func TestAllDocs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []string{"d", "a", "c", "b", "ä", "_design/x"} {
		f.put(id, fmt.Sprintf(`{"id":%q}`, id), Rev{})
	}
	f.remove("c", f.get("c", GetOptions{}).Rev)
	list := func(o AllDocsOptions) (ids []string) {
		require.NoError(t, f.AllDocs(t.Context(), o, func(d *Document) error {
			require.Contains(t, string(d.Body), d.ID)
			ids = append(ids, d.ID)
			return nil
		}))
		return ids
	}
	require.Equal(t, []string{"_design/x", "a", "b", "d", "ä"}, list(AllDocsOptions{}))
	require.Equal(t, []string{"ä", "d", "b", "a", "_design/x"}, list(AllDocsOptions{Descending: true}))
	require.Equal(t, []string{"b", "d"}, list(AllDocsOptions{Start: "b", End: "d"}))
	require.Equal(t, []string{"b"}, list(AllDocsOptions{Start: "b", End: "d", ExcludeEnd: true}))
	require.Equal(t, []string{"d", "b"}, list(AllDocsOptions{Start: "d", End: "b", Descending: true}))
	require.Equal(t, []string{"d"}, list(AllDocsOptions{Start: "d", End: "b", Descending: true, ExcludeEnd: true}))
	require.Equal(t, []string{"b", "d"}, list(AllDocsOptions{Skip: 2, Limit: 2}))
	require.Empty(t, list(AllDocsOptions{Start: "x", End: "b"}))
}

func TestRepeatsOfAnIDInARequestBuildOnEachOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := newRevision(Rev{}, &Edit{Body: []byte(`{"n":1}`)}, nil)
	results := f.Write(t.Context(), []Edit{
		{ID: "a", Body: []byte(`{"n":1}`)},
		{ID: "b", Body: []byte(`{}`)},
		{ID: "a", Body: []byte(`{"n":2}`), Parent: first},
		{ID: "a", Body: []byte(`{"n":3}`)},
		{ID: ""},
	}, WriteOptions{})
	require.NoError(t, results[0].Err)
	require.NoError(t, results[1].Err)
	require.NoError(t, results[2].Err)
	require.ErrorIs(t, results[3].Err, ErrConflict)
	require.ErrorIs(t, results[4].Err, ErrBadID)
	require.Equal(t, `{"n":2}`, string(f.get("a", GetOptions{}).Body))
}

func TestDocumentsOverTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) { o.MaxDocument = 100 })
	body := `{"a":"` + strings.Repeat("x", 100) + `"}`
	require.ErrorIs(t, f.write(Edit{ID: "a", Body: []byte(body)}).Err, ErrTooLarge)
	_, err := f.PutLocal(t.Context(), "", "a", "", []byte(body))
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestParseRev(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "-", "1", "-a", "0-a", "01-a", "+1-a", "x-a", "1-a b", "1-é", `1-"`, "99999999999999999999-a",
		"2147483648-a", "1-" + strings.Repeat("a", 65), "-1-a", "1-a,b", "1-a@b",
	} {
		_, err := ParseRev(text)
		require.ErrorIs(t, err, ErrBadRevision, "%q", text)
	}
	for _, text := range []string{"1-a", "2147483647-967a00dff5e02add41819138abb3284d", "3-" + strings.Repeat("Z", 64), "1-a-b", "1-"} {
		rev, err := ParseRev(text)
		require.NoError(t, err)
		require.Equal(t, text, rev.String())
		digest, err := unpackDigest(packDigest(rev.Digest))
		require.NoError(t, err)
		require.Equal(t, rev.Digest, digest)
	}
}
