package syncstore

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// ofList lets who has a list write its items.
type ofList struct{}

func (ofList) Evaluate(_ context.Context, e Evaluation) (o Outcome, err error) {
	var b struct{ List, Member string }
	if err := json.Unmarshal(e.New.Body, &b); err != nil {
		return o, err
	}
	if b.Member != "" {
		o.Grants = []Grant{{b.Member, b.List}}
	} else if e.Writer != nil && !e.Writer.HasChannel(b.List) {
		return o, fmt.Errorf("%w: the list is another's", ErrRejected)
	}
	o.Channels = []string{b.List}
	return o, nil
}

// What a document gives its writer counts for those of the same request that are written before it, though
// they are so large that they are committed apart.
func TestWhatALaterPieceOfARequestGivesCountsForTheFirst(t *testing.T) {
	t.Parallel()
	f := newAccessFixture(t)
	f.Collection.SetPolicy(Policy{Evaluator: ofList{}, Version: "1"})
	const items = 2 * readsAtOnce
	var edits []Edit
	for n := range items {
		id := fmt.Sprint("item", n)
		f.pushed(id, fmt.Sprintf(`{"list":"shop","text":"%0*d"}`, 2*stateBytes/items, 0), "1-a")
		edits = append(edits, Edit{ID: id, History: revs(t, "2-b", "1-a"), Body: []byte(`{"list":"shop"}`)})
	}
	edits = append(edits, Edit{ID: "list", Body: []byte(`{"list":"shop","member":"alice"}`)})
	f.reopen()
	f.Collection.SetPolicy(Policy{Evaluator: ofList{}, Version: "1"})
	for _, result := range f.Write(t.Context(), edits, WriteOptions{Viewer: &Viewer{Name: "alice"}}) {
		require.NoError(t, result.Err, result.ID)
	}
}
