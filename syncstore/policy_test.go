package syncstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
)

// recorder is a policy that notes what it was shown and answers from the author's name.
type recorder struct {
	mu      sync.Mutex
	seen    []string
	outcome Outcome
	refuse  func(Evaluation) error
}

func (r *recorder) Evaluate(_ context.Context, e Evaluation) (Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := "null"
	if e.Old != nil {
		old = fmt.Sprintf("%s%s", e.Old.Rev, e.Old.Body)
	}
	r.seen = append(r.seen, fmt.Sprintf("%s%s over %s", e.New.Rev, e.New.Body, old))
	if r.refuse != nil {
		if err := r.refuse(e); err != nil {
			return Outcome{}, err
		}
	}
	return r.outcome, nil
}

func (f *fixture) judged(policy *recorder, e Edit) error {
	f.t.Helper()
	return f.write(e, WriteOptions{Viewer: &Viewer{Name: "alice"}, policy: policy}).Err
}

func TestDecision25WhatAPolicySees(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	policy := &recorder{}
	require.NoError(t, f.judged(policy, Edit{ID: "a", Body: []byte(`{"n":1}`), History: revs(t, "1-a")}))
	require.NoError(t, f.judged(policy, Edit{ID: "a", Body: []byte(`{"n":2}`), History: revs(t, "2-b", "1-a")}))
	require.NoError(t, f.judged(policy, Edit{ID: "a", Body: []byte(`{"n":"x"}`), History: revs(t, "1-x")}))
	require.Equal(t, []string{
		`1-a{"n":1} over null`,
		`2-b{"n":2} over 1-a{"n":1}`,
		`1-x{"n":"x"} over 2-b{"n":2}`, // without a known ancestor: over the winner
	}, policy.seen)

	policy.seen = nil
	require.NoError(t, f.judged(policy, Edit{ID: "a", Body: []byte(`{"n":9}`), History: revs(t, "9-x", "8-x", "7-x", "6-x", "5-x", "4-x", "3-x", "2-x", "1-x")}))
	require.Equal(t, []string{
		`9-x{"n":9} over 1-x{"n":"x"}`, // the leaf it extends
		`9-x{"n":9} over 2-b{"n":2}`,   // and the winner whose place it takes
	}, policy.seen)

	policy.seen = nil
	require.NoError(t, f.judged(policy, Edit{ID: "a", Parent: Rev{9, "x"}, Deleted: true}))
	require.Len(t, policy.seen, 1)
	require.Equal(t, "alice", f.get("a", GetOptions{}).Creator)
}

func TestDecision25APushedRevisionWithoutAncestorsCannotTakeOverADocument(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	owners := errors.New("only the owner")
	policy := &recorder{refuse: func(e Evaluation) error {
		if e.Old != nil && string(e.Old.Body) == `{"owner":"bob"}` && e.Writer.Name() != "bob" {
			return fmt.Errorf("%w: %w", ErrRejected, owners)
		}
		return nil
	}}
	require.NoError(t, f.write(Edit{ID: "a", Body: []byte(`{"owner":"bob"}`)}, WriteOptions{Viewer: &Viewer{Name: "bob"}}).Err)
	err := f.judged(policy, Edit{ID: "a", Body: []byte(`{"owner":"alice"}`), History: revs(t, "99-x")})
	require.ErrorIs(t, err, owners)
	require.ErrorIs(t, err, ErrRejected)
	require.Equal(t, `{"owner":"bob"}`, string(f.get("a", GetOptions{}).Body))
	require.Equal(t, uint64(1), f.db.Info().Seq, "a refused write stores nothing")

	// Nor by way of a losing branch that the policy let in.
	require.NoError(t, f.write(Edit{ID: "a", Body: []byte(`{}`), History: revs(t, "1-0")}, WriteOptions{}).Err)
	err = f.judged(policy, Edit{ID: "a", Body: []byte(`{"owner":"alice"}`), History: revs(t, "2-1", "1-0")})
	require.ErrorIs(t, err, owners)
}

// A history that goes on behind a tombstone of which no past was known cannot end what wins as if that were its past.
func TestDecision25AHistoryCannotEndALeafThatThePolicyKeeps(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	policy := &recorder{refuse: func(e Evaluation) error {
		if e.Old != nil && string(e.Old.Body) == `{"owner":"bob"}` && e.Writer.Name() != "bob" {
			return ErrRejected
		}
		return nil
	}}
	require.NoError(t, f.write(Edit{ID: "a", Deleted: true, History: revs(t, "20-t")}).Err)
	require.NoError(t, f.write(Edit{ID: "a", Deleted: true, History: revs(t, "4-w")}).Err)
	require.NoError(t, f.write(Edit{ID: "a", Body: []byte(`{"owner":"bob"}`), History: revs(t, "3-l")}).Err)
	require.ErrorIs(t, f.judged(policy, Edit{ID: "a", Deleted: true, History: revs(t, "5-x", "4-w", "3-l")}), ErrRejected)
	require.Equal(t, []string{"3-l", "20-t!", "4-w!"}, f.leaves("a"))

	// Nor what loses.
	require.NoError(t, f.write(Edit{ID: "a", Body: []byte(`{}`), History: revs(t, "6-y")}).Err)
	require.ErrorIs(t, f.judged(policy, Edit{ID: "a", Body: []byte(`{}`), History: revs(t, "7-z", "6-y", "5-y", "4-y", "3-l")}), ErrRejected)
	require.NoError(t, f.judged(policy, Edit{ID: "a", Body: []byte(`{}`), History: revs(t, "7-z", "6-y")}))
	require.Equal(t, []string{"7-z", "3-l", "20-t!", "4-w!"}, f.leaves("a"))
}

func (f *fixture) channelRows(name string) (rows []string) {
	f.t.Helper()
	require.NoError(f.t, f.engine.View(f.t.Context(), func(r engine.Reader) error {
		prefix := appendTerminated(f.scope.prefix(kindChannel, 0), name)
		pairs, failed := r.Scan(engine.PrefixRange(prefix))
		for key, value := range pairs {
			var c Change
			if err := c.decode(uint64(key[len(key)-1]), value); err != nil {
				return err
			}
			row := fmt.Sprintf("%d %s", c.Seq, c.ID)
			if c.left {
				row += " removed"
			}
			rows = append(rows, row)
		}
		return failed()
	}))
	return rows
}

func TestDecision29ChannelsAndGrantsAreIndexedFromTheFirstDay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	policy := &recorder{outcome: Outcome{
		Channels: []string{"red", "blue", "red"}, Grants: []Grant{{"alice", "red"}, {"role:r", "blue"}},
	}}
	require.NoError(t, f.judged(policy, Edit{ID: "a", History: revs(t, "1-a")}))
	require.Equal(t, []string{"1 a"}, f.channelRows("red"))
	require.Equal(t, []string{"1 a"}, f.channelRows("blue"))
	require.Equal(t, 2, f.keys(kindGrant))

	policy.outcome = Outcome{Channels: []string{"red"}, Grants: []Grant{{"alice", "red"}}}
	require.NoError(t, f.judged(policy, Edit{ID: "a", History: revs(t, "2-b", "1-a")}))
	require.Equal(t, []string{"2 a"}, f.channelRows("red"), "one row a document")
	require.Equal(t, []string{"2 a removed"}, f.channelRows("blue"))
	require.Equal(t, 1, f.keys(kindGrant))
	require.Equal(t, 1, f.keys(kindLostGrant))

	require.NoError(t, f.judged(policy, Edit{ID: "a", History: revs(t, "3-c", "2-b")}))
	require.Equal(t, []string{"3 a"}, f.channelRows("red"))
	require.Equal(t, []string{"2 a removed"}, f.channelRows("blue"), "who has not seen it yet still learns that it left")

	f.reopen()
	h, err := f.readHead(t.Context(), f.scope.head("a"))
	require.NoError(t, err)
	require.Equal(t, []span{{Channel: "blue", From: 1, To: 2}, {Channel: "red", From: 1}}, h.Spans)
	require.Equal(t, []heldGrant{{Grant{"alice", "red"}, 1}}, h.winner().Grants, "held since the first revision")

	policy.outcome.Channels = []string{"red", "blue"}
	require.NoError(t, f.judged(policy, Edit{ID: "a", History: revs(t, "4-d", "3-c")}))
	require.Equal(t, []string{"4 a"}, f.channelRows("blue"), "it came back")
	policy.outcome.Channels = []string{"red"}
	require.NoError(t, f.judged(policy, Edit{ID: "a", History: revs(t, "5-e", "4-d"), Deleted: true}))
	require.Equal(t, 1, f.keys(kindGrant), "what the policy says of the tombstone")
	policy.outcome.Grants = nil
	require.NoError(t, f.judged(policy, Edit{ID: "a", History: revs(t, "6-f", "5-e"), Deleted: true}))
	require.Zero(t, f.keys(kindGrant))
	require.Equal(t, []string{"6 a"}, f.channelRows("red"), "those who saw the document see that it is gone")
}

func TestDecision29AccessSharedWritesNoChannelRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("a", `{"channels":["x"]}`, Rev{})
	require.Zero(t, f.keys(kindChannel)+f.keys(kindGrant))
}
