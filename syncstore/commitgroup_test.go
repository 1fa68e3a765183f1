package syncstore

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// smallTxns is an engine that takes few bytes in a transaction.
type smallTxns struct {
	*memory.Engine
	most    int
	updates int
	doubt   int // the update that is one in doubt; 0: none
}

type smallTxn struct {
	engine.Txn
	left *int
}

func (e *smallTxns) Update(ctx context.Context, fn func(engine.Txn) error) error {
	left := e.most
	if e.updates++; e.updates == e.doubt {
		e.FailNext(engine.ErrDoubtful)
	}
	return e.Engine.Update(ctx, func(tx engine.Txn) error { return fn(smallTxn{tx, &left}) })
}

func (t smallTxn) Put(key, value []byte) error {
	if *t.left -= len(key) + len(value); *t.left < 0 {
		return engine.ErrTxnTooBig
	}
	return t.Txn.Put(key, value)
}

func onSmallTxns(t *testing.T) (*fixture, *smallTxns) {
	t.Helper()
	f := newFixture(t)
	small := &smallTxns{Engine: f.engine, most: 4000}
	f.store.engine = small
	return f, small
}

// What a set writes is estimated before it is committed: where that was wrong, only the set itself is to fail.
func TestAGroupThatIsTooBigIsCommittedSetBySet(t *testing.T) {
	t.Parallel()
	f, _ := onSmallTxns(t)
	feed := f.Follow(Cursor{}, FeedOptions{})
	defer feed.Close()
	edits := make([]Edit, 9)
	for n := range edits {
		edits[n] = Edit{ID: fmt.Sprint("d", n), Body: fmt.Appendf(nil, `{"text":"%01000d"}`, 0)}
	}
	edits[4].Body = fmt.Appendf(nil, `{"text":"%05000d"}`, 0)
	for n, result := range f.Write(t.Context(), edits, WriteOptions{}) {
		if n == 4 {
			require.ErrorIs(t, result.Err, engine.ErrTxnTooBig)
			continue
		}
		require.NoError(t, result.Err)
		require.NotEmpty(t, f.get(result.ID, GetOptions{}).Body)
	}
	rows, last := f.changes(ChangesOptions{})
	require.Len(t, rows, 8)
	require.EqualValues(t, 8, last, "no sequence is left out")
	<-feed.Ready()
	require.Len(t, f.read(feed, 0), 8)
	require.EqualValues(t, 8, f.Info().Docs)
	require.Empty(t, f.checked().Findings)
}

// DECISIONS 33: what was judged by access that a set before it in the group turns out to change is judged again.
func TestDecision33_WhatIsCommittedSetBySetIsStaleByWhatCameBeforeIt(t *testing.T) {
	t.Parallel()
	f, _ := onSmallTxns(t)
	large := func(id string) *changeSet {
		set := &changeSet{db: f.db, base: f.store.committer.committed.Load()}
		set.put(f.scope.head(id), []byte(strings.Repeat("x", 2500)))
		return set
	}
	gives, judged, other := large("a"), large("b"), large("c")
	gives.apply = func(o *overlay) error {
		o.given = map[givenKey][]Given{{f.db, "alice", GrantedByAdmin}: {{Channel: "x"}}}
		return nil
	}
	judged.reads = [][]byte{f.scope.access("alice")}
	other.reads = [][]byte{f.scope.access("bob")}
	f.store.committer.commit(gives, judged, other)
	require.NoError(t, gives.err)
	require.ErrorIs(t, judged.err, errStale)
	require.NoError(t, other.err)
}

// A commit in doubt leaves all of the group in doubt.
func TestADoubtfulCommitOfOneSetIsOneOfItsGroup(t *testing.T) {
	t.Parallel()
	f, small := onSmallTxns(t)
	small.doubt = 3 // the first is of the whole group
	sets := make([]*changeSet, 3)
	for n := range sets {
		sets[n] = &changeSet{db: f.db}
		sets[n].put(f.scope.head(fmt.Sprint(n)), []byte(strings.Repeat("x", 2500)))
	}
	f.store.committer.commit(sets...)
	for _, set := range sets {
		require.ErrorIs(t, set.err, ErrUnavailable)
	}
	require.Eventually(t, func() bool { return f.write(Edit{ID: "a"}).Err == nil }, waitFor, tick)
}
