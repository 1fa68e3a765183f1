package syncstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (f *fixture) purged(id string, revs ...Rev) []Rev {
	f.t.Helper()
	all, err := f.Purge(f.t.Context(), []Purging{{ID: id, Revs: revs}})
	require.NoError(f.t, err)
	return all[0]
}

func TestAPurgedDocumentLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})
	f.put("other", `{}`, Rev{})
	content := f.upload([]byte("content"))
	first := f.write(Edit{ID: "a", Body: []byte(`{"channels":["x","y"]}`), Attachments: []AttachmentEdit{{Name: "t", Content: content}}})
	require.NoError(t, first.Err)
	two := f.put("a", `{"channels":["x"]}`, first.Rev)
	f.pushed("a", `{"channels":["z"]}`, "2-x", first.Rev.String())
	before := f.db.Info()

	require.ElementsMatch(t, []Rev{two, {2, "x"}}, f.purged("a"))
	_, err := f.Get(t.Context(), "a", GetOptions{})
	require.ErrorIs(t, err, ErrNotFound)
	require.Equal(t, before.Docs-1, f.db.Info().Docs)
	require.Equal(t, before.Seq+1, f.db.Info().Seq)
	require.Equal(t, []int{1, 0, 0, 1, 0}, []int{f.keys(kindHead), f.keys(kindTree), f.keys(kindBody), f.keys(kindSeq), f.keys(kindReference)})
	for _, name := range []string{"x", "y", "z"} {
		require.Empty(t, f.channelRows(name))
	}
	rows, _ := f.changes(ChangesOptions{})
	require.Len(t, rows, 1, "feeds do not tell of it")
	f.clock.advance(48 * time.Hour)
	f.sweepNow()
	f.sweepNow()
	require.Zero(t, f.keys(kindContent)+f.keys(kindChunk), "its content is collected")

	n, err := f.Purges(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.Empty(t, f.purged("a"), "there is nothing any more")
	require.Empty(t, f.purged("other", Rev{9, "z"}))
	f.pushed("a", `{"again":1}`, "2-x", "1-a")
	require.Equal(t, "2-x", f.get("a", GetOptions{}).Rev.String())
	f.reopen()
	require.JSONEq(t, `{"again":1}`, string(f.get("a", GetOptions{}).Body))
}

// DECISIONS 23: when a purge makes another leaf the winner, the document has a new version.
func TestDecision23_PurgingTheWinnerLetsAnotherLeafSurface(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pushed("a", `{"l":1}`, "1-a")
	f.pushed("a", `{"l":"b"}`, "2-b", "1-a")
	f.pushed("a", `{"l":"c"}`, "3-c", "2-b", "1-a")
	f.pushed("a", `{"l":"x"}`, "2-x", "1-a")
	f.deleted("a", "5-y", "4-y", "3-y", "2-y", "1-a")
	old := f.get("a", GetOptions{History: true})
	require.Equal(t, "3-c", old.Rev.String())

	require.Equal(t, revs(t, "3-c"), f.purged("a", revs(t, "3-c", "2-b", "9-z")...), "only leaves are purged")
	doc := f.get("a", GetOptions{History: true, Conflicts: true})
	require.Equal(t, "2-x", doc.Rev.String())
	require.JSONEq(t, `{"l":"x"}`, string(doc.Body))
	require.Equal(t, revs(t, "2-x", "1-a"), doc.History)
	require.Equal(t, revs(t, "5-y"), doc.DeletedConflicts)
	require.NotEqual(t, old.Version, doc.Version)
	require.True(t, doc.Vector.Covers(old.Version))
	_, err := f.Get(t.Context(), "a", GetOptions{Rev: Rev{2, "b"}})
	require.ErrorIs(t, err, ErrNotFound, "its branch is gone")
	rows, _ := f.changes(ChangesOptions{})
	require.Len(t, rows, 1)

	require.Equal(t, revs(t, "2-x"), f.purged("a", Rev{2, "x"}))
	require.Equal(t, []string{"5-y!"}, f.leaves("a"))
	require.Zero(t, f.db.Info().Docs)
	require.EqualValues(t, 1, f.db.Info().DeletedDocs)
	require.Len(t, f.purged("a"), 1)
	require.Zero(t, f.db.Info().DeletedDocs)
}

// What a purged document granted nobody has any more.
func TestAPurgeTakesBackWhatTheDocumentGranted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Collection.SetPolicy(Policy{Evaluator: namedPolicy{}})
	f.in("secret", Rev{}, "a")
	granting := f.write(Edit{ID: "grant", Body: []byte(`{"channels":["a"],"grants":[["alice","a"]]}`)})
	require.NoError(t, granting.Err)
	require.NoError(t, f.read1("alice", "secret"))
	f.purged("grant")
	require.ErrorIs(t, f.read1("alice", "secret"), ErrNotFound)
}

func TestPurgingWhileOthersWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	done := make(chan error)
	go func() {
		var err error
		for i := range 200 {
			r := f.Write(t.Context(), []Edit{{ID: "a", Body: fmt.Appendf(nil, `{"i":%d}`, i), History: []Rev{{1, fmt.Sprintf("%04d", i)}}}}, WriteOptions{})
			if r[0].Err != nil {
				err = r[0].Err
			}
		}
		done <- err
	}()
	total := 0
	for range 50 {
		total += len(f.purged("a"))
	}
	require.NoError(t, <-done)
	total += len(f.purged("a"))
	require.Equal(t, 200, total, "each leaf was purged once")
	require.Zero(t, f.db.Info().Docs)
	require.Zero(t, f.keys(kindHead)+f.keys(kindTree)+f.keys(kindBody)+f.keys(kindSeq))
}
