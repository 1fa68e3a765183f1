package syncstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// grants writes a document in a channel that it gives to alice.
func (f *fixture) grants(id, channel string) {
	f.t.Helper()
	f.put(id, `{"channels":["`+channel+`"],"grants":[["alice","`+channel+`"]]}`, Rev{})
}

// What somebody has already, by another document or an administrator, is nothing new: their access is not read
// again for each of ten thousand documents. When the other grant ends, this one is there.
func TestAGrantOfWhatSomebodyHasAlreadyLeavesTheirAccessAsItWas(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.grants("first", "a") // 1
	known, err := f.db.accessNow(t.Context(), Viewer{Name: "alice"})
	require.NoError(t, err)
	f.grants("second", "a") // 2
	again, err := f.db.accessNow(t.Context(), Viewer{Name: "alice"})
	require.NoError(t, err)
	require.Same(t, known, again)
	require.Equal(t, uint64(1), f.db.counters.Load().Access)
	require.Equal(t, 2, f.keys(kindGrant))
	require.Equal(t, []string{"1 first", "2 second"}, f.feedOf("alice", Cursor{}, FeedOptions{}))

	_, err = f.Purge(t.Context(), []Purging{{ID: "first"}}) // 3
	require.NoError(t, err)
	require.NoError(t, f.read1("alice", "second"))
	require.Empty(t, f.feedOf("alice", At(2), FeedOptions{Revocations: true}), "she had it all the time")
	_, err = f.Purge(t.Context(), []Purging{{ID: "second"}}) // 4
	require.NoError(t, err)
	f.in("third", Rev{}, "a")
	require.ErrorIs(t, f.read1("alice", "third"), ErrNotFound)
}

// What a token gave counts only with a token.
func TestAGrantOfWhatATokenGaveIsNew(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	require.NoError(t, f.update(func(tx RecordTx) error {
		tx.SetGrants(f.db.ID(), "alice", GrantedByToken, []Given{{Channel: "a"}})
		return nil
	}))
	require.Empty(t, f.feedOf("alice", Cursor{}, FeedOptions{}))
	f.grants("d", "a")
	require.NoError(t, f.read1("alice", "d"))
}

// A grant that was found to be nothing new is looked at again if the other one ended meanwhile.
func TestAGrantIsStaleIfTheOtherOneEndedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.grants("first", "a")
	edits := []Edit{{ID: "second", Body: []byte(`{"channels":["a"],"grants":[["alice","a"]]}`)}}
	states, err := f.loadStates(t.Context(), edits, []int{0}, false, 0)
	require.NoError(t, err)
	p := preparation{ctx: t.Context(), collection: f.Collection, edit: &edits[0], options: &WriteOptions{}, state: states[0]}
	set, _, err := p.prepare()
	require.NoError(t, err)
	require.Empty(t, set.principals)
	_, err = f.Purge(t.Context(), []Purging{{ID: "first"}})
	require.NoError(t, err)
	f.store.committer.commit(set)
	require.ErrorIs(t, set.err, errStale)
	f.grants("second", "a")
	require.NoError(t, f.read1("alice", "second"))
}
