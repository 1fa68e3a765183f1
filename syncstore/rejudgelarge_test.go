package syncstore

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// manyNames puts documents into a channel, and those whose ID begins with "many" into so many others with
// long names, and makes so many grants.
type manyNames struct {
	name             string
	channels, grants int
}

func (m manyNames) Evaluate(_ context.Context, e Evaluation) (o Outcome, err error) {
	if !strings.HasPrefix(e.New.ID, "many") {
		return Outcome{Channels: []string{m.name}}, nil
	}
	for i := range m.channels {
		o.Channels = append(o.Channels, fmt.Sprintf("%s%0*d", m.name, 900, i))
	}
	for i := range m.grants {
		o.Grants = append(o.Grants, Grant{"bob", fmt.Sprintf("%s%0*d", m.name, 900, i)})
	}
	return o, nil
}

// What a document has to be taken out of for a resync can be more than a transaction takes, together with what it
// is put into or even alone.
func TestAResyncGetsPastADocumentWhoseWayIsTooLarge(t *testing.T) {
	t.Parallel()
	many := "many" + strings.Repeat("i", 2000)
	channelOf := func(name string) string { return fmt.Sprintf("%s%0*d", name, 900, 0) }
	for name, c := range map[string]struct {
		before, now manyNames
		errors      uint64 // more than no document can be in is not taken
	}{
		"out of many into many":               {manyNames{"old", 700, 0}, manyNames{"new", 700, 0}, 0},
		"out of more than can be told":        {manyNames{"old", 1000, 0}, manyNames{"new", 3, 1}, 0},
		"grants that do not end at once":      {manyNames{"old", 1, 800}, manyNames{"new", 1, 1}, 0},
		"grants and channels":                 {manyNames{"old", 500, 400}, manyNames{"new", 500, 0}, 0},
		"into more than a document can be in": {manyNames{"old", 500, 10}, manyNames{"new", 1000, 500}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAccessFixture(t)
			f.Collection.SetPolicy(Policy{Evaluator: c.before, Version: "1"})
			f.put("a", `{}`, Rev{})
			f.put(many, `{}`, Rev{})
			f.put("z", `{}`, Rev{})
			f.give("alice", "old", channelOf("old"))
			f.give("carol", channelOf("new"))
			require.NoError(t, f.read1("alice", many))
			f.Collection.SetPolicy(Policy{Evaluator: c.now, Version: "2"})
			require.NoError(t, f.StartResync(t.Context()))
			status := f.resynced()
			require.Equal(t, ResyncStatus{State: ResyncCompleted, Started: status.Started, Processed: 3, Changed: 3, Errors: c.errors, LastError: status.LastError}, status)
			require.ErrorIs(t, f.read1("alice", "z"), ErrNotFound, "those after it are judged too")
			require.ErrorIs(t, f.read1("alice", many), ErrNotFound)
			if c.errors == 0 {
				require.NoError(t, f.read1("carol", many))
			} else {
				require.Contains(t, status.LastError, "too large")
			}
			_, channels, err := f.AccessOf(t.Context(), Viewer{Name: "bob"})
			require.NoError(t, err)
			require.NotContains(t, channels, channelOf("old"))
			if c.now.channels < 10 { // it decodes the document for each row
				require.Empty(t, f.checked().Findings)
			}
		})
	}
}
