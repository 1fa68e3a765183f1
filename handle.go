package caddysync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/query/view"
	"github.com/caddysync/caddy-sync/replication/peer"
	"github.com/caddysync/caddy-sync/replication/rest"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

const (
	// drainLimit is how long a store that is being closed waits for the requests that
	// use it, before they are cut off.
	drainLimit = 10 * time.Second
	// cutLimit is how long it waits after that.
	cutLimit = 5 * time.Second
)

// stores are the stores that configurations hold, by Backend.Key: the old and the new
// configuration overlap on a reload, and a directory can be opened only once.
var stores = caddy.NewUsagePool()

// storeHandle is a store, and what belongs to it, for as long as any configuration uses
// it.
type storeHandle struct {
	key      string
	log      liveLogger
	logger   *zap.Logger
	requests *requests
	metrics  *metrics
	usage    *rest.Usage
	design   *design.Functions
	views    *view.Views
	// replications are those with other servers.
	replications *peer.Manager

	// turn is held while a configuration enters or leaves, or a database is made: these
	// wait for the store, which nobody who holds mu does.
	turn sync.Mutex

	mu     sync.Mutex
	opened *openStore
	closed bool
	// running are the configurations that entered and did not leave, newest last.
	running []*App
	// entering is the one that was the last to try, nil when that has left: then the one before it may try again.
	entering *App
	// ending are the streams of stopped configurations that have not all ended yet.
	ending map[*streams]struct{}

	// later is what is tried again until the store closes, which ends laterCtx.
	later    sync.WaitGroup
	laterCtx context.Context //nolint:containedctx // see above
	endLater context.CancelFunc
}

func newStoreHandle(key string) *storeHandle {
	h := &storeHandle{key: key, requests: newRequests(), usage: rest.NewUsage(), design: design.NewFunctions(), ending: make(map[*streams]struct{})}
	h.laterCtx, h.endLater = context.WithCancel(context.Background())
	h.logger = h.log.logger()
	h.views = view.New(h.design, bounded(h.logger.Named("views")))
	h.replications = peer.NewManager(h.logger.Named("replication"))
	h.metrics = newMetrics(h)
	return h
}

// accepts tells whether a configuration can have the store as it is open now.
func (h *storeHandle) accepts(b Backend, s storeSettings) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.opened == nil {
		return nil
	}
	return h.opened.accepts(b, s)
}

// open opens the store for a configuration, or returns it if it is open.
func (h *storeHandle) open(a *App) (*openStore, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	if h.opened != nil {
		return h.opened, h.opened.accepts(a.backend, a.settings())
	}
	h.log.set(a.logger)
	began := time.Now()
	opened, err := openBackend(context.Background(), a.backend, a.settings(), h.logger, h.prepareLater)
	if err != nil {
		return nil, err
	}
	h.opened = opened
	opened.keepUp(h.views)
	opened.endMemory = processMemory.begin(a.backend.Memory(), h.usage.All)
	h.logger.Info("store is open", zap.String("store", h.key), zap.Duration("took", time.Since(began)),
		zap.Strings("databases", opened.store.Databases()))
	return opened, nil
}

// enter makes a the configuration by which sign-ins and writes are judged. If it fails, it may be called again, unless a
// newer configuration has come meanwhile or a was taken out, which ends ctx.
func (h *storeHandle) enter(ctx context.Context, a *App) error {
	h.turn.Lock()
	defer h.turn.Unlock()
	if err := h.comes(ctx, a); err != nil {
		return err
	}
	o := h.current()
	if o == nil {
		return ErrClosed
	}
	if err := o.createDatabases(ctx, a.logger, sortedKeys(a.Databases)); err != nil {
		return err
	}
	if err := a.prepareDatabases(ctx, o); err != nil {
		return fmt.Errorf("preparing databases: %w", err)
	}
	if err := h.judgeBy(ctx, a, o); err != nil {
		return err
	}
	h.replicate()
	return nil
}

// comes notes that a configuration tries to enter. The first time it is the newest.
func (h *storeHandle) comes(ctx context.Context, a *App) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.came && h.entering != nil && h.entering != a {
		return errReplaced
	}
	h.entering, a.came = a, true
	return ctx.Err()
}

func (h *storeHandle) judgeBy(ctx context.Context, a *App, o *openStore) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := a.auth.Start(context.WithoutCancel(ctx), o.state); err != nil {
		return fmt.Errorf("starting sign-in: %w", err)
	}
	h.log.set(a.logger)
	h.running = append(h.running, a)
	o.store.SetPolicies(a.policyOf)
	return nil
}

// newest is the configuration by which sign-ins and writes are judged, nil if none is.
func (h *storeHandle) newest() *App {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.running) == 0 {
		return nil
	}
	return h.running[len(h.running)-1]
}

// createDatabase makes a database for an administrator, as the newest configuration has it.
func (h *storeHandle) createDatabase(ctx context.Context, name string) error {
	o := h.current()
	if o == nil {
		return ErrClosed
	}
	db, err := o.store.CreateDatabase(ctx, name)
	if err != nil {
		return err
	}
	if err := h.prepare(ctx, o, db); err != nil {
		h.prepareLater(db)
		return fmt.Errorf("database %s is made, but not ready: %w", name, err)
	}
	return nil
}

// prepare readies a database that was made just now.
func (h *storeHandle) prepare(ctx context.Context, o *openStore, db *syncstore.Database) error {
	h.turn.Lock()
	defer h.turn.Unlock()
	a := h.newest()
	if a == nil {
		return nil // who enters readies all
	}
	if err := a.prepareDatabase(ctx, o, db); err != nil {
		return err
	}
	a.warnChanged(ctx, db)
	return nil
}

// prepareLater readies a database as soon as it can be: its maker could not, and asks no second time, since it is there.
func (h *storeHandle) prepareLater(db *syncstore.Database) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.later.Go(func() {
		again(h.laterCtx, func() bool {
			o := h.current()
			if o == nil {
				return false // it is being opened
			}
			err := h.prepare(h.laterCtx, o, db)
			if err == nil || errors.Is(err, syncstore.ErrNoDatabase) {
				return true
			}
			h.logger.Error("a database is made, but not ready; it is tried again", zap.String("database", db.Name()), zap.Error(err))
			return false
		})
	})
}

// leave takes a configuration out. If it was the newest and an older one runs on, because
// the last step of a reload failed, then that one judges sign-ins again.
func (h *storeHandle) leave(a *App, delay time.Duration) {
	h.turn.Lock()
	defer h.turn.Unlock()
	if before := h.takeOut(a, delay); before != nil {
		if err := before.prepareDatabases(context.WithoutCancel(before.ctx), h.current()); err != nil {
			before.logger.Error("going back to the running configuration's databases", zap.Error(err))
		}
		h.replicate()
	} else if h.newest() == nil {
		h.replicate()
	}
}

// takeOut does that, and returns the configuration that is the newest again, nil if there is
// no need to go back to any.
func (h *storeHandle) takeOut(a *App, delay time.Duration) (again *App) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.entering == a {
		h.entering = nil
	}
	i := slices.Index(h.running, a)
	if i < 0 {
		return nil
	}
	newest := i == len(h.running)-1
	h.running = slices.Delete(h.running, i, i+1)
	if newest && len(h.running) > 0 {
		before := h.running[len(h.running)-1]
		again = before
		h.log.set(before.logger)
		h.opened.store.SetPolicies(before.policyOf)
		before.auth.Stop()
		if err := before.auth.Start(context.WithoutCancel(before.ctx), h.opened.state); err != nil {
			before.logger.Error("going back to the running configuration's sign-in", zap.Error(err))
		}
	}
	a.auth.Stop()
	h.ending[a.streams] = struct{}{}
	go func() {
		a.streams.endSpread(delay)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.ending, a.streams)
	}()
	return again
}

// Destruct closes the store when no configuration holds it any more. It returns only when
// the store is closed, because the next configuration may open the same directory then:
// the pool has forgotten this one already.
func (h *storeHandle) Destruct() error {
	h.requests.close()
	h.replications.Close()
	h.mu.Lock()
	h.closed = true
	opened := h.opened
	h.mu.Unlock()
	h.endStreams()
	h.endLater()
	h.later.Wait()
	if opened == nil {
		return nil
	}
	if h.requests.wait(drainLimit) > 0 {
		h.requests.cancel()
		if left := h.requests.wait(cutLimit); left > 0 {
			h.logger.Error("closing the store under requests that do not end", zap.Int("requests", left))
		}
	}
	h.mu.Lock()
	h.opened = nil
	h.mu.Unlock()
	opened.endMemory()
	if err := opened.close(); err != nil {
		return fmt.Errorf("closing the store %s: %w", h.key, err)
	}
	return nil
}

// endStreams ends at once what stopped configurations have not ended yet.
func (h *storeHandle) endStreams() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.ending {
		s.endNow()
	}
}

// current returns the open store, or nil.
func (h *storeHandle) current() *openStore {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.opened
}
