package syncstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a proposal found missing is taken for missing by the write only as long as it is.
func TestAProposedDocumentThatIsMadeMeanwhileIsAConflict(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	propose := func(id string) {
		t.Helper()
		answers, err := f.Propose(t.Context(), nil, []Proposal{{ID: id, Rev: mustRev(t, "1-b")}})
		require.NoError(t, err)
		require.Equal(t, ProposalWanted, answers[0].Status)
	}
	propose("a")
	require.NoError(t, f.write(Edit{ID: "a", History: revs(t, "1-b"), NoConflicts: true}).Err)
	require.Empty(t, f.store.absent.keys, "it is used once")

	propose("c")
	require.NoError(t, f.write(Edit{ID: "other"}).Err)
	remembered := f.store.absent.keys[string(f.scope.head("c"))]
	made := f.write(Edit{ID: "c", Body: []byte(`{"by":"another"}`)})
	require.NoError(t, made.Err)
	f.store.absent.note([]string{string(f.scope.head("c"))}, remembered) // as if the other had not used it
	f.store.cache.clear()
	require.ErrorIs(t, f.write(Edit{ID: "c", History: revs(t, "1-b"), NoConflicts: true}).Err, ErrConflict)
	require.Equal(t, `{"by":"another"}`, string(f.get("c", GetOptions{}).Body))
}

// An error is not handed to the committer, which finds stale what was remembered.
func TestWhatWasMissingIsNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.write(Edit{ID: "c"})
	require.NoError(t, made.Err)
	f.store.absent.note([]string{string(f.scope.head("c"))}, 0) // a snapshot was older than the document
	f.store.cache.clear()
	require.NoError(t, f.write(Edit{ID: "c", Parent: made.Rev}).Err)
}

func TestAbsenceIsRememberedOfSomeDocumentsOnly(t *testing.T) {
	t.Parallel()
	var a absent
	many := make([]string, maxAbsent)
	for i := range many {
		many[i] = string(appendUint(nil, i))
	}
	a.note(many, 1)
	a.note([]string{"x"}, 2)
	require.Len(t, a.keys, 1)
	base, ok := a.take("x")
	require.True(t, ok)
	require.Equal(t, uint64(2), base)
	_, ok = a.take("x")
	require.False(t, ok)
}

func appendUint(b []byte, n int) []byte { return append(b, byte(n), byte(n>>8), byte(n>>16)) }
