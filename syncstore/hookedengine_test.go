package syncstore

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
	"github.com/stretchr/testify/require"
)

// hookedEngine calls hooks around commits.
type hookedEngine struct {
	*memory.Engine
	before, after atomic.Pointer[func()] // before: when all is written and nothing can be seen
}

func (e *hookedEngine) Update(ctx context.Context, fn func(engine.Txn) error) error {
	err := e.Engine.Update(ctx, func(tx engine.Txn) error {
		if err := fn(tx); err != nil {
			return err
		}
		if hook := e.before.Load(); hook != nil {
			(*hook)()
		}
		return nil
	})
	if hook := e.after.Load(); hook != nil && err == nil {
		(*hook)()
	}
	return err
}

func openHooked(t *testing.T) (*hookedEngine, *fixture) {
	t.Helper()
	e := &hookedEngine{Engine: memory.New()}
	store, err := Open(t.Context(), e, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	db, err := store.CreateDatabase(t.Context(), "db")
	require.NoError(t, err)
	return e, &fixture{t: t, engine: e.Engine, store: store, Collection: db.Default()}
}

// sizedBody says in which channels a document is, and how many rows of which value it has.
type sizedBody struct {
	Channels []string
	Rows     int
	Value    string
}

type sizedPolicy struct{}

func (sizedPolicy) Evaluate(_ context.Context, e Evaluation) (Outcome, error) {
	var body sizedBody
	err := json.Unmarshal(e.New.Body, &body)
	return Outcome{Channels: body.Channels}, err
}

// sizedMapper makes the rows that documents ask for.
type sizedMapper struct{ during func() }

func (m sizedMapper) Map(_ context.Context, docs []*Document) ([][]IndexRow, error) {
	if m.during != nil {
		m.during()
	}
	all := make([][]IndexRow, len(docs))
	for i, doc := range docs {
		var body sizedBody
		if err := json.Unmarshal(doc.Body, &body); err != nil {
			return nil, err
		}
		for n := range body.Rows {
			all[i] = append(all[i], IndexRow{Sort: fmt.Appendf(nil, "%06d\x00", n), Key: fmt.Append(nil, n), Value: []byte(body.Value)})
		}
	}
	return all, nil
}

func (f *fixture) sized(id string, b sizedBody, parent Rev) Rev {
	f.t.Helper()
	body, err := json.Marshal(b)
	require.NoError(f.t, err)
	return f.put(id, string(body), parent)
}

// valuesSeen counts the rows of an index that a viewer gets, by their values.
func (f *fixture) valuesSeen(viewer *Viewer) map[string]int {
	f.t.Helper()
	seen := map[string]int{}
	require.NoError(f.t, f.Index(testIndex).View(f.t.Context(), viewer, func(v *IndexView) error {
		return v.Scan(IndexRange{}, func(e *IndexEntry) (bool, error) {
			seen[string(e.Value)]++
			return true, nil
		})
	}))
	return seen
}
