package syncstore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// ownersPolicy puts what somebody writes into a channel that it gives to them.
type ownersPolicy struct{}

func (ownersPolicy) Evaluate(_ context.Context, e Evaluation) (Outcome, error) {
	owner := e.Writer.Name()
	return Outcome{Channels: []string{owner}, Grants: []Grant{{owner, owner}}}, nil
}

// What is judged by the writer's name alone is committed together, though each document changes what the writer
// has.
func TestWritesThatDoNotAskWhatTheirWriterHasAreNotStaleWhenItChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Collection.SetPolicy(Policy{Evaluator: ownersPolicy{}})
	edits := make([]Edit, 50)
	for i := range edits {
		edits[i].ID = numbered(i)
	}
	for _, r := range f.Write(t.Context(), edits, WriteOptions{Viewer: &Viewer{Name: "alice"}}) {
		require.NoError(t, r.Err)
	}
	require.Zero(t, f.store.stats.retries.Load())
	require.Len(t, f.feedOf("alice", Cursor{}, FeedOptions{}), len(edits))
}

// A policy that could not be told what its writer has says nothing about the write.
func TestAWriterWhoseAccessCannotBeReadIsNotRefusedByThePolicy(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	policy := &recorder{refuse: func(e Evaluation) error {
		cancel()
		if !e.Writer.HasChannel("a") && !e.Writer.HasRole("r") && len(e.Writer.Roles()) == 0 {
			return ErrRejected
		}
		return nil
	}}
	f.Collection.SetPolicy(Policy{Evaluator: policy})
	err := f.Write(ctx, []Edit{{ID: "d"}}, WriteOptions{Viewer: &Viewer{Name: "alice"}})[0].Err
	require.NotErrorIs(t, err, ErrRejected)
	require.ErrorIs(t, err, context.Canceled)
}
