package syncstore

import (
	"context"
	"fmt"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// weighedEngine notes how many bytes were asked for at once.
type weighedEngine struct {
	engine.Engine

	most int
}

func (e *weighedEngine) View(ctx context.Context, fn func(engine.Reader) error) error {
	return e.Engine.View(ctx, func(r engine.Reader) error { return fn(&weighedReader{r, e}) })
}

type weighedReader struct {
	engine.Reader

	engine *weighedEngine
}

func (r *weighedReader) GetMany(keys [][]byte) ([][]byte, error) {
	values, err := r.Reader.GetMany(keys)
	n := 0
	for _, value := range values {
		n += len(value)
	}
	r.engine.most = max(r.engine.most, n)
	return values, err
}

func TestRevsDiffHasOneDocumentInMemoryAtATime(t *testing.T) {
	t.Parallel()
	eng := &weighedEngine{Engine: memory.New()}
	store, err := Open(t.Context(), eng, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	db, err := store.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
	c := db.Default()
	const size = 100_000
	var offers []RevsOffer
	for i := range 20 {
		id := fmt.Sprint(i)
		result := c.Write(t.Context(), []Edit{{ID: id, Body: fmt.Appendf(nil, `{"text":"%0*d"}`, size, i)}}, WriteOptions{})[0]
		require.NoError(t, result.Err)
		offers = append(offers, RevsOffer{ID: id, Revs: []Rev{result.Rev, {Gen: 2, Digest: "aa"}}})
	}
	eng.most = 0
	answers, err := c.RevsDiff(t.Context(), nil, offers)
	require.NoError(t, err)
	for i, answer := range answers {
		require.Equal(t, RevsMissing{ID: offers[i].ID, Missing: offers[i].Revs[1:], PossibleAncestors: offers[i].Revs[:1]}, answer)
	}
	require.Less(t, eng.most, 2*size)
}
