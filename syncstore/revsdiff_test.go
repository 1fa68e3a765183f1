package syncstore

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// readMeter notes how many bytes were read at once, and in one view.
type readMeter struct {
	engine.Engine
	mu         sync.Mutex
	most, view int
}

type meteredReader struct {
	engine.Reader
	meter *readMeter
	view  *int
}

func (e *readMeter) View(ctx context.Context, fn func(engine.Reader) error) error {
	return e.Engine.View(ctx, func(r engine.Reader) error { return fn(meteredReader{r, e, new(int)}) })
}

func (r meteredReader) GetMany(keys [][]byte) ([][]byte, error) {
	records, err := r.Reader.GetMany(keys)
	size := 0
	for _, record := range records {
		size += len(record)
	}
	*r.view += size
	r.meter.mu.Lock()
	defer r.meter.mu.Unlock()
	r.meter.most, r.meter.view = max(r.meter.most, size), max(r.meter.view, *r.view)
	return records, err
}

// The bodies of all documents that a peer offers are more than there is memory for.
func TestRevsDiffDoesNotHoldAllDocumentsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const n, size = 400, 10_000
	offers := make([]RevsOffer, n)
	for i := range offers {
		offers[i] = RevsOffer{ID: fmt.Sprint("doc", i), Revs: revs(t, "2-b", "1-a")}
		f.pushed(offers[i].ID, fmt.Sprintf(`{"text":"%0*d"}`, size, 0), "1-a")
	}
	meter := &readMeter{Engine: f.store.engine}
	f.store.engine = meter
	answers, err := f.RevsDiff(t.Context(), nil, offers)
	require.NoError(t, err)
	for i, answer := range answers {
		require.Equal(t, offers[i].ID, answer.ID)
		require.Equal(t, revs(t, "2-b"), answer.Missing)
		require.Equal(t, revs(t, "1-a"), answer.PossibleAncestors)
	}
	require.Less(t, meter.most, n*size/10)
}

// Many documents are deleted with few bytes.
func TestAWriteDoesNotHoldAllDocumentsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const n, size = 300, 100_000
	edits := make([]Edit, n)
	for i := range edits {
		edits[i] = Edit{ID: fmt.Sprint("doc", i), History: revs(t, "2-b", "1-a"), Deleted: true}
		f.pushed(edits[i].ID, fmt.Sprintf(`{"text":"%0*d"}`, size, 0), "1-a")
	}
	f.reopen()
	meter := &readMeter{Engine: f.store.engine}
	f.store.engine = meter
	for _, result := range f.Write(t.Context(), edits, WriteOptions{}) {
		require.NoError(t, result.Err)
	}
	require.Less(t, meter.most, n*size/10)
	require.Less(t, meter.view, n*size/2)
	for _, edit := range edits {
		require.True(t, f.get(edit.ID, GetOptions{Rev: edit.History[0]}).Deleted)
	}
}

// Nor their ancestries: those of thousands of documents that were edited a thousand times each.
func TestAWriteDoesNotHoldAllAncestriesAtOnce(t *testing.T) {
	t.Parallel()
	meter := &readMeter{Engine: memory.New()}
	store, err := Open(t.Context(), meter, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	db, err := store.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
	const n = 700
	history := make([]Rev, DefaultRevisions)
	for i := range history {
		history[i] = Rev{Gen: uint64(len(history) - i), Digest: fmt.Sprintf("%032x", i)}
	}
	edits := make([]Edit, n)
	for i := range edits {
		edits[i] = Edit{ID: fmt.Sprint("doc", i), History: history}
	}
	for _, result := range db.Default().Write(t.Context(), edits, WriteOptions{}) {
		require.NoError(t, result.Err)
	}
	for i := range edits {
		edits[i] = Edit{ID: edits[i].ID, Parent: history[0], Body: []byte(`{"n":2}`)}
	}
	for _, result := range db.Default().Write(t.Context(), edits, WriteOptions{}) {
		require.NoError(t, result.Err)
		require.EqualValues(t, DefaultRevisions+1, result.Rev.Gen)
	}
	meter.mu.Lock()
	defer meter.mu.Unlock()
	require.Greater(t, meter.view, stateBytes)
	require.Less(t, meter.view, 3*stateBytes/2)
}

// damage cuts what is stored of a document short.
func (f *fixture) damage(id string) {
	f.t.Helper()
	f.damageRecord(f.scope.head(id))
}

func (f *fixture) damageRecord(key []byte) {
	f.t.Helper()
	require.NoError(f.t, f.engine.Update(f.t.Context(), func(txn engine.Txn) error {
		record, err := txn.Get(key)
		if err != nil {
			return err
		}
		return txn.Put(key, record[:len(record)-1])
	}))
	f.reopen()
}

// Replicators compare, and write, many documents at once.
func TestADamagedDocumentIsComparedAndWrittenBesideOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	edits := make([]Edit, 9)
	offers := make([]RevsOffer, len(edits))
	for i := range edits {
		id := fmt.Sprint("doc", i)
		f.pushed(id, `{}`, "1-a")
		edits[i] = Edit{ID: id, History: revs(t, "2-b", "1-a")}
		offers[i] = RevsOffer{ID: id, Revs: revs(t, "1-a")}
	}
	f.damage("doc4")
	answers, err := f.RevsDiff(t.Context(), nil, offers)
	require.NoError(t, err)
	for i, answer := range answers {
		require.Equal(t, i == 4, len(answer.Missing) > 0, i)
	}
	for i, result := range f.Write(t.Context(), edits, WriteOptions{}) {
		if i == 4 {
			require.ErrorIs(t, result.Err, ErrDamagedDocument)
			continue
		}
		require.NoError(t, result.Err)
		require.Equal(t, "2-b", f.get(result.ID, GetOptions{}).Rev.String())
	}
}
