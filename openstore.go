package caddysync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/query/view"
	"github.com/caddysync/caddy-sync/syncstore"
	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

const (
	// documentCacheShare is the part of a store's memory that keeps documents decoded.
	documentCacheShare = 8
	// signInCacheShare is the part that keeps sessions, users and verified tokens.
	signInCacheShare = 8
)

// openStore is an open store.
type openStore struct {
	backend  Backend
	settings storeSettings
	engine   engine.Engine
	store    *syncstore.Store
	state    *auth.State
	// endUpkeep ends what looks after the indexes of views.
	endUpkeep func()
	// endMemory tells that the store needs no memory any more.
	endMemory func()
}

// storeSettings are what a store takes only when it is opened.
type storeSettings struct {
	revisions int
}

func (o *openStore) accepts(b Backend, s storeSettings) error {
	if s != o.settings {
		return fmt.Errorf("revisions: %w", ErrRestartNeeded)
	}
	if err := b.Reconfigure(o.backend); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// openBackend opens an engine and what stands on it. The context does not end with the
// configuration that happened to be the first. recovered is told of databases that were made though nobody knew.
func openBackend(
	ctx context.Context, b Backend, s storeSettings, logger *zap.Logger, recovered func(*syncstore.Database),
) (_ *openStore, err error) {
	o := &openStore{backend: b, settings: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.close())
		}
	}()
	if o.engine, err = b.Open(ctx, logger); err != nil {
		return nil, err
	}
	o.store, err = syncstore.Open(ctx, o.engine, syncstore.Options{
		Logger: logger, Revisions: s.revisions, MaxDocument: maxDocument,
		Cache: b.Memory() / documentCacheShare, Recovered: recovered,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", b.Key(), err)
	}
	if o.state, err = auth.OpenState(ctx, o.store.Records(), logger.Named("auth")); err != nil {
		return nil, fmt.Errorf("opening the sign-in state of %s: %w", b.Key(), err)
	}
	o.state.LimitCaches(b.Memory() / signInCacheShare)
	return o, nil
}

// keepUp has the indexes of views looked after until the store closes.
func (o *openStore) keepUp(views *view.Views) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		views.Upkeep(ctx, o.store)
	}()
	o.endUpkeep = func() {
		cancel()
		<-done
	}
}

func (o *openStore) close() error {
	if o.endUpkeep != nil {
		o.endUpkeep()
	}
	if o.state != nil {
		o.state.Close()
	}
	var errs []error
	if o.store != nil {
		errs = append(errs, o.store.Close())
	}
	if o.engine != nil {
		errs = append(errs, o.engine.Close())
	}
	return errors.Join(errs...)
}

// missing are those of a configuration's databases that are not there.
func (o *openStore) missing(names []string) (missing []string) {
	for _, name := range names {
		if name == anyDatabase {
			continue
		}
		if _, err := o.store.Database(name); errors.Is(err, syncstore.ErrNoDatabase) {
			missing = append(missing, name)
		}
	}
	return missing
}

// triedRecord is a record of the store, written to see whether it can be.
var triedRecord = []byte("app/tried")

// tryWrite fails if the store takes no writes, because the disk is full for instance.
func (o *openStore) tryWrite(ctx context.Context) error {
	return o.store.Records().Update(ctx, func(tx syncstore.RecordTx) error {
		tx.Put(0, triedRecord, []byte("{}"), time.Time{})
		return nil
	})
}

// createDatabases makes the databases of a configuration that are not there yet.
func (o *openStore) createDatabases(ctx context.Context, logger *zap.Logger, names []string) error {
	for _, name := range o.missing(names) {
		_, err := o.store.CreateDatabase(ctx, name)
		if errors.Is(err, syncstore.ErrDatabaseExists) {
			continue // an administrator was quicker
		}
		if err != nil {
			return fmt.Errorf("making database %s: %w", name, err)
		}
		logger.Info("database made", zap.String("database", name))
	}
	return nil
}
