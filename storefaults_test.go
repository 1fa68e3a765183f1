package caddysync

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// faultyStore is a store whose disk can be full, or of which a commit can be made doubtful though it stays. Beside
// writes that find no room no other is made either, even one that changes nothing, so here none is at all.
type faultyStore struct {
	memoryStore
	full, doubt atomic.Bool
}

func newFaultyStore(name string) *faultyStore {
	return &faultyStore{memoryStore: memoryStore{Name: name}}
}

func (s *faultyStore) Open(ctx context.Context, logger *zap.Logger) (engine.Engine, error) {
	opened, err := s.memoryStore.Open(ctx, logger)
	return &faultyEngine{opened, s}, err
}

func (s *faultyStore) Reconfigure(Backend) error { return nil }

type faultyEngine struct {
	engine.Engine
	faults *faultyStore
}

func (e *faultyEngine) Update(ctx context.Context, fn func(engine.Txn) error) error {
	if e.faults.full.Load() {
		return engine.ErrNoSpace
	}
	err := e.Engine.Update(ctx, fn)
	if err == nil && e.faults.doubt.CompareAndSwap(true, false) {
		return engine.ErrDoubtful
	}
	return err
}

func TestAReloadOnAFullDiskWritesNoChannelsThatGuestsHave(t *testing.T) {
	t.Parallel()
	h := newStoreHandle("full")
	store := newFaultyStore(h.key)
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

// newApps are configurations of a store one after the other, each with another collection in the database notes, and all
// that administrators make.
func newApps(t *testing.T, h *storeHandle, store Backend, collections ...string) []*App {
	t.Helper()
	var apps []*App
	for _, collection := range collections {
		a := newHeldApp(t, h, true)
		a.backend, a.ready, a.StreamCloseDelay = store, make(chan struct{}), new(caddy.Duration)
		for _, name := range []string{"notes", anyDatabase} {
			a.Databases[name] = &Database{Guest: true, Collections: map[string]*Collection{collection: {}}}
		}
		require.NoError(t, a.provisionPolicies())
		var err error
		a.auth, err = auth.New(auth.Config{Databases: []auth.Policy{a.Databases["notes"].policy("notes"), a.Databases[anyDatabase].policy(anyDatabase)}})
		require.NoError(t, err)
		apps = append(apps, a)
	}
	opened, err := h.open(apps[0])
	require.NoError(t, err)
	require.NoError(t, opened.createDatabases(t.Context(), zap.NewNop(), []string{"notes"}))
	apps[0].enter()
	<-apps[0].ready
	return apps
}

func (a *App) isReady() bool {
	select {
	case <-a.ready:
		return true
	default:
		return false
	}
}

// TestRequestsAreAnsweredAsSoonAsTheDiskHasRoom: a reload on a full disk that wants a new collection finds no room for it
// when there is no way back any more.
func TestRequestsAreAnsweredAsSoonAsTheDiskHasRoom(t *testing.T) {
	t.Parallel()
	h := newStoreHandle("room")
	store := newFaultyStore(h.key)
	apps := newApps(t, h, store, "first", "second", "third", "fourth")
	store.full.Store(true)
	apps[1].enter()
	apps[0].leave()
	require.False(t, apps[1].isReady())
	require.ErrorIs(t, h.current().tryWrite(t.Context()), syncstore.ErrInsufficientStorage, "a reload that needs a database is refused")

	apps[2].enter() // another reload, before there is room
	require.ErrorIs(t, h.enter(t.Context(), apps[1]), errReplaced, "an older configuration does not come in any more")
	apps[1].leave()
	store.full.Store(false)
	select {
	case <-apps[2].ready:
	case <-time.After(30 * time.Second):
		t.Fatal("nobody tried again")
	}
	require.Same(t, apps[2], h.newest())
	db, err := h.current().store.Database("notes")
	require.NoError(t, err)
	_, made := db.Collection(defaultName, "third")
	require.True(t, made)
	require.False(t, apps[1].isReady())

	store.full.Store(true)
	apps[3].enter()
	apps[2].leave()
	apps[3].leave() // what tries again ends: TestMain looks for it
	require.Nil(t, h.newest())
	require.NoError(t, h.Destruct())
	require.False(t, apps[3].isReady())
}

// TestAReloadThatFailsAtItsLastStepLeavesTheOneBeforeItTrying: Caddy goes on with that one, which found no room to come in.
func TestAReloadThatFailsAtItsLastStepLeavesTheOneBeforeItTrying(t *testing.T) {
	t.Parallel()
	h := newStoreHandle("trying")
	store := newFaultyStore(h.key)
	apps := newApps(t, h, store, "first", "second", "third")
	store.full.Store(true)
	apps[1].enter()
	apps[0].leave()
	store.full.Store(false)
	apps[2].enter()
	require.Same(t, apps[2], h.newest())
	require.ErrorIs(t, h.enter(t.Context(), apps[1]), errReplaced)
	apps[2].leave()
	select {
	case <-apps[1].ready:
	case <-time.After(30 * time.Second):
		t.Fatal("nobody tries again")
	}
	require.Same(t, apps[1], h.newest())
	apps[1].leave()
	require.NoError(t, h.Destruct())
}

// TestADatabaseOfADoubtfulCommitBecomesReady: its administrator was answered 503, and later that it is there.
func TestADatabaseOfADoubtfulCommitBecomesReady(t *testing.T) {
	t.Parallel()
	h := newStoreHandle("doubtful")
	store := newFaultyStore(h.key)
	a := newApps(t, h, store, "items")[0]
	store.doubt.Store(true)
	require.ErrorIs(t, h.createDatabase(t.Context(), "later"), syncstore.ErrUnavailable)
	require.Eventually(t, func() bool {
		db, err := h.current().store.Database("later")
		if err != nil {
			return false
		}
		_, made := db.Collection(defaultName, "items")
		return made
	}, 30*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, h.createDatabase(t.Context(), "later"), syncstore.ErrDatabaseExists)
	a.leave()
	require.NoError(t, h.Destruct())
}
