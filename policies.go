package caddysync

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/auth/filewatch"
	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/script"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// policies say how writes are judged in the databases of a configuration, by the names of
// the databases as they stand there.
type policies map[string]map[collectionKey]*collectionPolicy

// collectionPolicy is how writes to a collection are judged. Under `*` it is the one of many
// databases.
type collectionPolicy struct {
	database string // as it stands in the configuration
	key      collectionKey
	logger   *zap.Logger
	watch    *filewatch.Watch // of the sync function, nil without one
	current  atomic.Pointer[judge]
	// userViews are the views that users may query.
	userViews []string
}

// judge is what judges writes at one time.
type judge struct {
	evaluator syncstore.Evaluator // nil for "access shared"
	version   string
	source    string // of the sync function
}

// provisionPolicies reads the sync functions. A bad one is an error.
func (a *App) provisionPolicies() error {
	a.validations = access.NewValidations(design.Check, access.Options{})
	a.policies = make(policies, len(a.Databases))
	for _, name := range sortedKeys(a.Databases) {
		all, err := a.Databases[name].collections()
		if err != nil {
			return fmt.Errorf("database %s: %w", name, err)
		}
		all[defaultCollection] = a.Databases[name].AccessPolicy
		a.policies[name] = make(map[collectionKey]*collectionPolicy, len(all))
		for key, configured := range all {
			p := &collectionPolicy{database: name, key: key, logger: a.functionLogger(name, key)}
			if err := p.provision(configured); err != nil {
				return fmt.Errorf("database %s: %w", key.keyspace(name), err)
			}
			a.policies[name][key] = p
		}
	}
	return nil
}

// functionLogger is the log of a sync function. What clients write decides how often it says
// something, so there is a bound for each second.
func (a *App) functionLogger(database string, key collectionKey) *zap.Logger {
	return bounded(a.logger.Named("function")).With(zap.String("keyspace", key.keyspace(database)))
}

// bounded writes so many entries of a text in a second, then a few.
func bounded(logger *zap.Logger) *zap.Logger {
	const first, thereafter = 100, 1000
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Second, first, thereafter)
	}))
}

func (p *collectionPolicy) provision(configured AccessPolicy) error {
	p.userViews = configured.UserViews
	switch configured.Access {
	case accessPrivate:
		p.current.Store(&judge{evaluator: access.Private{}, version: access.Private{}.Version()})
	case accessChannels:
		p.current.Store(&judge{evaluator: access.Channels{}, version: access.Channels{}.Version()})
	default:
		p.current.Store(&judge{version: syncstore.SharedVersion})
	}
	if configured.SyncFunction == "" {
		return nil
	}
	file, err := caddy.NewReplacer().ReplaceOrErr(configured.SyncFunction, true, true)
	if err != nil {
		return fmt.Errorf("sync_function: %w", err)
	}
	p.watch, err = filewatch.New(file, func(text []byte) error {
		function, err := access.NewSyncFunction(file, string(text), access.Options{Logger: p.logger})
		if err != nil {
			return err
		}
		p.current.Store(&judge{evaluator: function, version: function.Version(), source: string(text)})
		return nil
	})
	if syntax := (*script.SyntaxError)(nil); errors.As(err, &syntax) {
		err = syntax // it names the file itself
	}
	if err != nil {
		return fmt.Errorf("sync_function: %w", err)
	}
	return nil
}

// find returns the policy of a collection, nil if the configuration has none for it.
func (p policies) find(database string, key collectionKey) *collectionPolicy {
	return p.of(database)[key]
}

// of is a database's, by collection; nil if the configuration does not know the database.
func (p policies) of(database string) map[collectionKey]*collectionPolicy {
	if of, ok := p[database]; ok {
		return of
	}
	return p[anyDatabase]
}

// each calls fn for every policy.
func (p policies) each(fn func(*collectionPolicy)) {
	for _, of := range p {
		for _, policy := range of {
			fn(policy)
		}
	}
}

// policyOf is the policy of a collection as the store takes it.
func (a *App) policyOf(database, scope, collection string) syncstore.Policy {
	p := a.policies.find(database, collectionKey{scope, collection})
	if p == nil {
		return syncstore.ClosedPolicy()
	}
	current := p.current.Load()
	policy := syncstore.Policy{
		Version:   current.version,
		Validator: a.validations.For(collectionKey{scope, collection}.keyspace(database), p.logger),
	}
	if d, ok := a.database(database); ok {
		policy.LiteIDs = d.LiteIDs
	}
	if current.evaluator != nil {
		policy.Evaluator = access.Designs{Evaluator: a.handle.metrics.policies.measured(p, current)}
	}
	return policy
}
