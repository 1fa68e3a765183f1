package caddysync

import (
	"encoding/json"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
)

// parseAuthDirective reads the site directive:
//
//	sync_auth [<matcher>] <database> {
//	    require role <role...>
//	    origins <origin...>
//	}
//
// It becomes Caddy's `authentication` handler with the provider sync, and sync_require
// behind it.
func parseAuthDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	h.Next() // the directive's name; taking a matcher resets the dispenser
	provider, require := new(AuthProvider), new(RequireHandler)
	if !h.Args(&provider.Database) || h.NextArg() || provider.Database == "" {
		return nil, h.Err("sync_auth needs the name of one database: its users may come in")
	}
	err = parseBlock(h.Dispenser, "sync_auth", func(word string) parseWord {
		switch word {
		case "require":
			return require.parseRequire
		case "origins":
			return list(&provider.Origins)
		}
		return nil
	}, "require")
	if err != nil {
		return nil, err
	}
	authentication := caddyauth.Authentication{ProvidersRaw: caddy.ModuleMap{"sync": caddyconfig.JSON(provider, nil)}}
	route := caddyhttp.Route{HandlersRaw: []json.RawMessage{
		caddyconfig.JSONModuleObject(authentication, "handler", "authentication", nil),
		caddyconfig.JSONModuleObject(require, "handler", "sync_require", nil),
	}}
	if matcher != nil {
		route.MatcherSetsRaw = []caddy.ModuleMap{matcher}
	}
	return []httpcaddyfile.ConfigValue{{Class: "route", Value: route}}, nil
}

// parseRequire reads `require role <role...>`.
func (h *RequireHandler) parseRequire(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 || args[0] != "role" {
		return d.Err("write `require role <role…>`")
	}
	if slices.Contains(args, "") {
		return d.Err("require role: a role is empty, which would let everybody in if it stood alone")
	}
	h.Roles = append(h.Roles, args[1:]...)
	return noBlock(d, "require")
}
