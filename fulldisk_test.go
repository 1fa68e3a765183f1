package caddysync

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// fullStore is a store whose disk can be full. Beside writes that find no room no other is made
// either, even one that changes nothing, so here none is at all.
type fullStore struct {
	memoryStore
	full atomic.Bool
}

func (s *fullStore) Open(ctx context.Context, logger *zap.Logger) (engine.Engine, error) {
	opened, err := s.memoryStore.Open(ctx, logger)
	return &fullEngine{opened, &s.full}, err
}

func (s *fullStore) Reconfigure(Backend) error { return nil }

type fullEngine struct {
	engine.Engine
	full *atomic.Bool
}

func (e *fullEngine) Update(ctx context.Context, fn func(engine.Txn) error) error {
	if e.full.Load() {
		return engine.ErrNoSpace
	}
	return e.Engine.Update(ctx, fn)
}

func TestAReloadOnAFullDiskWritesNoChannelsThatGuestsHave(t *testing.T) {
	t.Parallel()
	h := newStoreHandle("full")
	store := &fullStore{memoryStore: memoryStore{Name: h.key}}
	apps := []*App{newHeldApp(t, h, true), newHeldApp(t, h, true), newHeldApp(t, h, true)}
	for i, a := range apps {
		a.backend = store
		db := a.Databases["notes"]
		db.GuestAccess = &GuestAccess{Channels: []string{"news"}, Collections: map[string][]string{"shop.items": {"open", "news"}}}
		db.Collections = map[string]*Collection{"shop.items": {}}
		if i == 2 {
			db.GuestAccess.Channels = nil
		}
		require.NoError(t, a.provisionPolicies())
		var err error
		a.auth, err = auth.New(auth.Config{Databases: []auth.Policy{db.policy("notes")}})
		require.NoError(t, err)
	}
	opened, err := h.open(apps[0])
	require.NoError(t, err)
	require.NoError(t, opened.createDatabases(t.Context(), zap.NewNop(), []string{"notes"}))
	require.NoError(t, h.enter(t.Context(), apps[0]))

	store.full.Store(true)
	require.NoError(t, h.enter(t.Context(), apps[1]))
	require.Error(t, h.enter(t.Context(), apps[2]), "what they no longer have must not be theirs")
	store.full.Store(false)
	require.NoError(t, h.enter(t.Context(), apps[2]))
	db, err := opened.store.Database("notes")
	require.NoError(t, err)
	held, err := db.Grants(t.Context(), "", false)
	require.NoError(t, err)
	require.Len(t, held, 2)
	for _, a := range apps {
		h.leave(a, 0)
	}
	require.NoError(t, h.Destruct())
}
