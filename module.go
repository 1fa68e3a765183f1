// Package caddysync makes Caddy a sync server for offline-first apps.
//
// What Caddy sees are six modules: the app `sync`, which owns the store, the identity
// providers and the databases; the HTTP handler `http.handlers.sync`, which shows some of
// the databases to clients on one site; `http.authentication.providers.sync` and
// `http.handlers.sync_require`, by which other handlers stand behind the same sign-in;
// `sync.stores.badger`, the embedded store; and `admin.api.sync`, which tells operators how
// the store is.
//
// Only this package, cmd and devidp import Caddy (DECISIONS 18). The work is done by the
// packages below: replication/rest, auth and syncstore.
package caddysync

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
)

func init() {
	caddy.RegisterModule(App{})
	caddy.RegisterModule(new(Handler))
	caddy.RegisterModule(new(AuthProvider))
	caddy.RegisterModule(new(RequireHandler))
	caddy.RegisterModule(Badger{})
	caddy.RegisterModule(adminAPI{})

	caddycmd.RegisterCommand(tryCommand())
	caddycmd.RegisterCommand(syncCommand())

	httpcaddyfile.RegisterGlobalOption("sync", parseGlobalOption)
	httpcaddyfile.RegisterDirective("sync", parseDirective)
	// Before respond, so that an example can end with `respond 404`; after encode,
	// handle and route.
	httpcaddyfile.RegisterDirectiveOrder("sync", httpcaddyfile.Before, "respond")
	httpcaddyfile.RegisterDirective("sync_auth", parseAuthDirective)
	// With the other ways to sign in: before all that answers.
	httpcaddyfile.RegisterDirectiveOrder("sync_auth", httpcaddyfile.After, "basic_auth")
}

var (
	_ caddy.App                   = (*App)(nil)
	_ caddy.Provisioner           = (*App)(nil)
	_ caddy.Validator             = (*App)(nil)
	_ caddy.CleanerUpper          = (*App)(nil)
	_ caddyevents.Handler         = (*App)(nil)
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ caddy.Provisioner           = (*AuthProvider)(nil)
	_ caddy.Validator             = (*AuthProvider)(nil)
	_ caddyauth.Authenticator     = (*AuthProvider)(nil)
	_ caddy.Provisioner           = (*RequireHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*RequireHandler)(nil)
	_ caddy.Provisioner           = (*Badger)(nil)
	_ caddy.Validator             = (*Badger)(nil)
	_ Backend                     = (*Badger)(nil)
	_ caddy.AdminRouter           = (*adminAPI)(nil)
)
