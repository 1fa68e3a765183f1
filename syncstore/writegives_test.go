package syncstore

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// listsPolicy lets members of a list write its items, and gives its list to who writes it. before is called
// before it says anything about a list.
type listsPolicy struct {
	before func()
}

func (p *listsPolicy) Evaluate(_ context.Context, e Evaluation) (Outcome, error) {
	if e.New.ID != "list" {
		if !e.Writer.HasChannel("list") {
			return Outcome{}, ErrRejected
		}
		return Outcome{Channels: []string{"list"}}, nil
	}
	p.before()
	return Outcome{Channels: []string{"list"}, Grants: []Grant{{e.Writer.Name(), "list"}}}, nil
}

// An item is not refused because the list that gives access to it was overtaken before it could be written.
func TestWhatIsRefusedIsJudgedAgainWhenWhatGivesItWasOvertaken(t *testing.T) {
	t.Parallel()
	for name, times := range map[string]int{"at once": 0, "overtaken once": 1, "until it is written under a lock": staleRounds} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			var mu sync.Mutex
			left := times
			policy := &listsPolicy{}
			policy.before = func() {
				mu.Lock()
				defer mu.Unlock()
				if left > 0 {
					left--
					f.Collection.SetPolicy(Policy{Evaluator: policy})
				}
			}
			f.Collection.SetPolicy(Policy{Evaluator: policy})
			results := f.Write(t.Context(), []Edit{{ID: "item"}, {ID: "list"}, {ID: "other"}}, WriteOptions{Viewer: &Viewer{Name: "alice"}})
			for _, r := range results {
				require.NoError(t, r.Err, r.ID)
			}
		})
	}
}
