package caddysync

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/auth"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// newHeldApp is a configuration that holds h, as after Provision.
func newHeldApp(t *testing.T, h *storeHandle, guest bool) *App {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	service, err := auth.New(auth.Config{Databases: []auth.Policy{{Name: "notes", Guest: guest}}})
	require.NoError(t, err)
	a := &App{
		ctx: ctx, logger: zap.NewNop(), backend: &memoryStore{Name: h.key}, auth: service,
		Databases: map[string]*Database{"notes": {Guest: guest}}, handle: h,
	}
	a.begin()
	return a
}

func TestSignInGoesBackWhenTheLastStepOfAReloadFails(t *testing.T) {
	t.Parallel()
	h := newStoreHandle("back")
	running, failing := newHeldApp(t, h, true), newHeldApp(t, h, false)
	opened, err := h.open(running)
	require.NoError(t, err)
	require.NoError(t, opened.createDatabases(t.Context(), zap.NewNop(), []string{"notes", anyDatabase}))
	require.NoError(t, opened.createDatabases(t.Context(), zap.NewNop(), []string{"notes"}), "there already")
	require.NoError(t, h.enter(t.Context(), running))

	guest, err := running.auth.Authenticate(httptest.NewRequest(http.MethodGet, "/notes", nil), &auth.Site{}, auth.Database{Name: "notes", ID: 1})
	require.NoError(t, err)
	again, err := h.open(failing)
	require.NoError(t, err)
	require.Same(t, opened, again)
	require.NoError(t, h.enter(t.Context(), failing))
	_, err = running.auth.Lease(t.Context(), guest)
	require.Error(t, err, "leases are judged by the newest configuration, which has no guests")

	h.leave(failing, 0)
	h.leave(failing, 0) // Cleanup comes after Stop
	lease, err := running.auth.Lease(t.Context(), guest)
	require.NoError(t, err)
	lease.Close()
	h.leave(running, time.Hour)
	require.NoError(t, h.Destruct())
	_, err = h.open(running)
	require.ErrorIs(t, err, ErrClosed)
	for _, group := range running.streams.groups {
		<-group
	}
}

// emitter is a module that emits events of its own.
type emitter struct{ ctx caddy.Context }

func init() { caddy.RegisterModule(new(emitter)) }

func (*emitter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "test.emitter", New: func() caddy.Module { return new(emitter) }}
}

func (e *emitter) Provision(ctx caddy.Context) error {
	e.ctx = ctx
	return nil
}

// An event has no owner: another module may emit one of the same name, when it has started or more than once.
func TestOnlyCaddysOwnEventLetsRequestsIn(t *testing.T) {
	t.Parallel()
	h := newStoreHandle("events")
	a := newHeldApp(t, h, true)
	_, err := h.open(a)
	require.NoError(t, err)
	loaded, err := a.ctx.LoadModuleByID("test.emitter", nil)
	require.NoError(t, err)
	send := func(ctx caddy.Context) {
		event, err := caddy.NewEvent(ctx, eventStarted, nil)
		require.NoError(t, err)
		require.NoError(t, a.Handle(t.Context(), event))
	}
	theirs := loaded.(*emitter).ctx //nolint:forcetypeassert // it is the one above
	send(theirs)
	require.False(t, a.isReady())
	send(a.ctx)
	require.True(t, a.isReady())
	send(theirs)
	require.NoError(t, a.Stop())
	require.NoError(t, h.Destruct())
}

// Caddy waits for the responses of earlier configurations as well before it exits: those whose feeds a reload is just
// ending, one after the other.
func TestAnExitEndsTheFeedsOfEarlierConfigurations(t *testing.T) {
	t.Parallel()
	h := newStoreHandle("exit")
	earlier, running := newHeldApp(t, h, true), newHeldApp(t, h, true)
	opened, err := h.open(earlier)
	require.NoError(t, err)
	require.NoError(t, opened.createDatabases(t.Context(), zap.NewNop(), []string{"notes"}))
	require.NoError(t, h.enter(t.Context(), earlier))
	require.NoError(t, h.enter(t.Context(), running))
	h.leave(earlier, time.Hour)
	running.drain()
	for _, a := range []*App{earlier, running} {
		for _, group := range a.streams.groups {
			select {
			case <-group:
			case <-time.After(10 * time.Second):
				require.FailNow(t, "feeds go on")
			}
		}
	}
	running.cut.Stop()
	h.leave(running, 0)
	require.NoError(t, h.Destruct())
}

func TestDestructOfAStoreThatWasNeverOpened(t *testing.T) {
	t.Parallel()
	require.NoError(t, newStoreHandle("never").Destruct())
}
