package caddysync

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// parseGlobalOption reads the global option:
//
//	sync {
//	    store <backend> [<args...>] { … }
//	    oidc <name> { … }
//	    jwt <name> { … }
//	    database <name>|* { … }
//	    limits { … }
//	    stream_close_delay <duration>
//	}
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	app := new(App)
	d.Next() // the option's name
	if existing != nil {
		return nil, d.Err("the global option sync stands there twice: put everything into one")
	}
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	err := parseBlock(d, "sync", func(word string) parseWord {
		switch word {
		case "store":
			return app.parseStore
		case "oidc":
			return app.parseProvider
		case "jwt":
			return app.parseJWTProvider
		case "database":
			return app.parseDatabase
		case "limits":
			app.Limits = new(ServerLimits)
			return app.Limits.parse
		case "stream_close_delay":
			app.StreamCloseDelay = new(caddy.Duration)
			return duration(app.StreamCloseDelay)
		}
		return nil
	}, "oidc", "jwt", "database")
	if err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "sync", Value: caddyconfig.JSON(app, nil)}, nil
}

// parseStore reads `store <backend> …`, whose module parses the rest.
func (a *App) parseStore(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	name := d.Val()
	module, err := caddyfile.UnmarshalModule(d, "sync.stores."+name)
	if err != nil {
		return err
	}
	if _, ok := module.(Backend); !ok {
		return d.Errf("module sync.stores.%s is no store", name)
	}
	a.StoreRaw = caddyconfig.JSONModuleObject(module, "backend", name, nil)
	return nil
}
