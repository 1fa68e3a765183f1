package caddysync

import (
	"context"

	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// watchPolicies looks after the files of the sync functions from now on (DECISIONS 17), and
// says which collections have documents that another policy judged.
func (a *App) watchPolicies() {
	a.eachConfigured(func(db *syncstore.Database) { a.warnChanged(context.WithoutCancel(a.ctx), db) })
	a.policies.each(func(p *collectionPolicy) {
		if p.watch != nil {
			p.watch.Start(p.logger, func() { a.replaced(p) })
		}
	})
}

// end ends the look at the file.
func (p *collectionPolicy) end() {
	if p.watch != nil {
		p.watch.End()
	}
}

// replaced puts a sync function to work whose file changed, unless a newer configuration
// judges the writes.
func (a *App) replaced(p *collectionPolicy) {
	if !a.handle.repolicy(a) {
		return
	}
	p.logger.Info("a sync function has changed and judges writes from now on", zap.String("version", p.current.Load().version))
	ctx := context.WithoutCancel(a.ctx)
	a.eachConfigured(func(db *syncstore.Database) {
		if c, ok := db.Collection(p.key.scope, p.key.name); ok && a.policies.of(db.Name())[p.key] == p {
			a.warnIfChanged(ctx, c, p.key.keyspace(db.Name()))
		}
	})
}

// repolicy takes up changed policies of a configuration, and reports false if it is not the
// newest.
func (h *storeHandle) repolicy(a *App) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.opened == nil || len(h.running) == 0 || h.running[len(h.running)-1] != a {
		return false
	}
	h.opened.store.SetPolicies(a.policyOf)
	return true
}

// eachConfigured calls fn for each database of the store that the configuration knows.
func (a *App) eachConfigured(fn func(*syncstore.Database)) {
	o := a.handle.current()
	if o == nil {
		return
	}
	for _, name := range o.store.Databases() {
		if db, err := o.store.Database(name); err == nil && a.policies.of(name) != nil {
			fn(db)
		}
	}
}
