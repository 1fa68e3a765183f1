package caddysync

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caddysync/caddy-sync/auth"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// grantedRecord is a record of a database: which collections the index of grants has what
// users and roles were given in. A store that is older than the index has none.
var grantedRecord = []byte("app/granted")

// prepareDatabases readies all databases that the configuration knows.
func (a *App) prepareDatabases(ctx context.Context, o *openStore) error {
	for _, name := range o.store.Databases() {
		db, err := o.store.Database(name)
		if err == nil {
			err = a.prepareDatabase(ctx, o, db)
		}
		if err != nil && !errors.Is(err, syncstore.ErrNoDatabase) { // deleted meanwhile
			return fmt.Errorf("database %s: %w", name, err)
		}
	}
	return nil
}

// prepareDatabase makes the collections of the configuration that the database does not have
// yet, and brings its index of grants up to date.
func (a *App) prepareDatabase(ctx context.Context, o *openStore, db *syncstore.Database) error {
	keys := slices.SortedFunc(maps.Keys(a.policies.of(db.Name())), func(x, y collectionKey) int {
		return cmp.Or(cmp.Compare(x.scope, y.scope), cmp.Compare(x.name, y.name))
	})
	db.SetRetention(a.retentionOf(db.Name()))
	if len(keys) == 0 {
		return nil // the configuration does not know it
	}
	for _, key := range keys {
		if _, ok := db.Collection(key.scope, key.name); ok {
			continue
		}
		if _, err := db.OpenCollection(ctx, key.scope, key.name); err != nil {
			return err
		}
		a.logger.Info("collection made", zap.String("database", db.Name()), zap.Stringer("collection", key))
	}
	if err := o.regrant(ctx, db); err != nil {
		return err
	}
	return a.grantGuests(ctx, o, db)
}

// regrant writes what users and roles were given into the index of grants if it does not have
// it for a collection. What was done is remembered, so that a stop in between loses nothing.
func (o *openStore) regrant(ctx context.Context, db *syncstore.Database) error {
	var want, have []string
	for _, c := range db.Collections() {
		want = append(want, c.ScopeName()+"."+c.Name())
	}
	records := o.store.Records()
	err := records.View(ctx, func(r syncstore.RecordReader) error {
		text, err := r.Get(db.ID(), grantedRecord)
		if errors.Is(err, syncstore.ErrNotFound) {
			return nil
		}
		if err == nil {
			err = json.Unmarshal(text, &have)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading what the index of grants has: %w", err)
	}
	if slices.Equal(want, have) {
		return nil
	}
	if err := o.state.Regrant(ctx, db.ID()); err != nil {
		return err
	}
	text, err := json.Marshal(want)
	if err != nil {
		return fmt.Errorf("noting what the index of grants has: %w", err)
	}
	err = records.Update(ctx, func(tx syncstore.RecordTx) error {
		tx.Put(db.ID(), grantedRecord, text, time.Time{})
		return nil
	})
	if err != nil {
		return fmt.Errorf("noting what the index of grants has: %w", err)
	}
	return nil
}

// grantGuests gives guests their channels, if they have others. What they have already is not
// written again: with a disk that is full, that could fail beside other writes, and then no
// request would be answered after a reload.
func (a *App) grantGuests(ctx context.Context, o *openStore, db *syncstore.Database) error {
	held, err := db.Grants(ctx, "", false)
	if err != nil {
		return fmt.Errorf("reading what guests have: %w", err)
	}
	has := make(map[syncstore.ChannelOf]struct{}, len(held))
	for _, grant := range held {
		has[syncstore.ChannelOf{Scope: grant.Scope, Collection: grant.Collection, Channel: grant.Channel}] = struct{}{}
	}
	if maps.Equal(has, a.guestChannels(db)) {
		return nil
	}
	return a.auth.GrantGuests(ctx, o.state, auth.Database{Name: db.Name(), ID: db.ID()})
}

// guestChannels are the channels that guests are to have in the collections that a database has, as the index names them.
func (a *App) guestChannels(db *syncstore.Database) map[syncstore.ChannelOf]struct{} {
	all := make(map[syncstore.ChannelOf]struct{})
	for _, given := range a.auth.GuestsGiven(db.Name()) {
		in := syncstore.ChannelOf{
			Scope: cmp.Or(given.Scope, defaultName), Collection: cmp.Or(given.Collection, defaultName), Channel: given.Channel,
		}
		if _, there := db.Collection(in.Scope, in.Collection); there {
			all[in] = struct{}{}
		}
	}
	return all
}

// warnChanged says of which collections of a database the documents were written under
// another policy, and notes the policy of those that have none yet.
func (a *App) warnChanged(ctx context.Context, db *syncstore.Database) {
	for key := range a.policies.of(db.Name()) {
		if c, ok := db.Collection(key.scope, key.name); ok {
			a.warnIfChanged(ctx, c, key.keyspace(db.Name()))
		}
	}
}

func (a *App) warnIfChanged(ctx context.Context, c *syncstore.Collection, keyspace string) {
	changed, err := c.PolicyChanged(ctx)
	switch {
	case err != nil:
		a.logger.Warn("by which policy the documents were judged is not known", zap.String("keyspace", keyspace), zap.Error(err))
	case changed && c.Policy().Evaluator == nil:
		a.logger.Warn("everybody sees every document now: who follows already is not told of those that they could not see before, "+
			"until a resync is done: POST /"+keyspace+"/_resync on the administrator's site",
			zap.String("keyspace", keyspace))
	case changed:
		a.logger.Warn("the access policy has changed: documents stay in the channels that they were put into, "+
			"until they are written again or a resync is done: POST /"+keyspace+"/_resync on the administrator's site",
			zap.String("keyspace", keyspace))
	}
}

// accessOf is what auth tells users and administrators that somebody may see.
func (a *App) accessOf(ctx context.Context, named auth.Database, user string, tokenGrants bool) (auth.Access, error) {
	o := a.handle.current()
	if o == nil {
		return auth.Access{}, ErrClosed
	}
	db, err := o.store.Database(named.Name)
	if err == nil && db.ID() != named.ID {
		err = syncstore.ErrNoDatabase
	}
	if err != nil {
		return auth.Access{}, err
	}
	roles, channels, err := db.Default().AccessOf(ctx, syncstore.Viewer{Name: user, TokenGrants: tokenGrants})
	return auth.Access{Roles: roles, Channels: channels}, err
}
