package caddysync

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// parseDirective reads the site directive:
//
//	sync [<matcher>] <database...>|* {
//	    admin { … }
//	    cors { … }
//	    path_prefix <path>
//	}
//
// It is registered without the help that takes a matcher off: that would take the * of
// `sync *` for one (DECISIONS 16).
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matcher, err := takeMatcher(h)
	if err != nil {
		return nil, err
	}
	h.Next() // the directive's name; taking a matcher resets the dispenser
	site := &Handler{Databases: h.RemainingArgs()}
	if err := checkNames(h, site.Databases); err != nil {
		return nil, h.WrapErr(err)
	}
	switch {
	case len(site.Databases) == 0:
		return nil, h.Err("sync needs the names of the databases that the site serves, or * for all")
	case slices.Contains(site.Databases, ""):
		return nil, h.Err("sync: a name is empty")
	case slices.Contains(site.Databases, anyDatabase) && len(site.Databases) > 1:
		return nil, h.Err("sync: * stands for all databases, and alone")
	}
	if err := parseBlock(h.Dispenser, "sync", site.word); err != nil {
		return nil, err
	}
	if site.Admin != nil && site.CORS != nil {
		return nil, h.Err("sync: admin and cors exclude each other")
	}
	return h.NewRoute(matcher, site), nil
}

// checkNames looks for databases that the global option does not have, where the error still
// has a file and a line. What it cannot know yet is left to Validate.
func checkNames(h httpcaddyfile.Helper, names []string) error {
	option, ok := h.Option("sync").(httpcaddyfile.App)
	if !ok {
		return nil
	}
	var app struct {
		Databases map[string]json.RawMessage `json:"databases"`
	}
	if err := json.Unmarshal(option.Value, &app); err != nil {
		return fmt.Errorf("reading the global option: %w", err)
	}
	if _, all := app.Databases[anyDatabase]; all || len(app.Databases) == 0 {
		return nil
	}
	for _, name := range names {
		if _, known := app.Databases[name]; !known && name != anyDatabase && databaseName.MatchString(name) {
			return unknownDatabase(name, sortedKeys(app.Databases))
		}
	}
	return nil
}

// takeMatcher takes a leading path or named matcher off, never the *.
func takeMatcher(h httpcaddyfile.Helper) (caddy.ModuleMap, error) {
	if !h.NextArg() {
		h.Reset()
		return nil, nil
	}
	first := h.Val()
	h.Prev()
	if strings.HasPrefix(first, "/") || strings.HasPrefix(first, "@") {
		return h.ExtractMatcherSet() // resets
	}
	h.Reset()
	return nil, nil
}

func (h *Handler) word(word string) parseWord {
	switch word {
	case "admin":
		h.Admin = new(Admin)
		return h.Admin.parse
	case "cors":
		h.CORS = new(CORS)
		return h.CORS.parse
	case "path_prefix":
		return text(&h.PathPrefix)
	}
	return nil
}

// parse reads who is an administrator:
//
//	admin {
//	    allow loopback
//	    allow client_ip <range...>
//	    allow role <role...>
//	    allow claim <claim> <value...>
//	    allow scope <scope...>
//	    read_only
//	    sync_console on|off
//	}
//
// `allow … read_only` is the same as read_only on its own line.
func (a *Admin) parse(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	err := parseBlock(d, "admin", func(word string) parseWord {
		switch word {
		case "allow":
			return a.parseAllow
		case "read_only":
			return flag(&a.ReadOnly)
		case "sync_console":
			return onOff(&a.Console)
		}
		return nil
	}, "allow")
	if err != nil {
		return err
	}
	if _, err := a.rule(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (a *Admin) parseAllow(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if n := len(args); n > 1 && args[n-1] == "read_only" {
		a.ReadOnly, args = true, args[:n-1]
	}
	if len(args) == 0 {
		return d.ArgErr()
	}
	kind, values := args[0], args[1:]
	switch {
	case slices.Contains(args, ""):
		return d.Errf("allow %s: a value is empty", kind)
	case kind == "loopback" && len(values) == 0:
		a.Loopback = true
	case kind == "loopback", len(values) == 0:
		return d.ArgErr()
	case kind == "client_ip":
		a.ClientIPs = append(a.ClientIPs, values...)
	case kind == "role":
		a.Roles = append(a.Roles, values...)
	case kind == "scope":
		a.Scopes = append(a.Scopes, values...)
	case kind == "claim":
		return a.allowClaim(d, values)
	default:
		return d.Errf("unrecognized allow %q: write loopback, client_ip, role, claim or scope", kind)
	}
	return noBlock(d, "allow")
}

func (a *Admin) allowClaim(d *caddyfile.Dispenser, args []string) error {
	if len(args) < 2 {
		return d.ArgErr()
	}
	if a.Claims == nil {
		a.Claims = make(map[string][]string)
	}
	a.Claims[args[0]] = append(a.Claims[args[0]], args[1:]...)
	return noBlock(d, "allow")
}

// parse reads which other origins may use the site:
//
//	cors {
//	    origins <origin...>
//	    credentials
//	    headers <name...>
//	    max_age <duration>
//	}
func (c *CORS) parse(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return parseBlock(d, "cors", func(word string) parseWord {
		switch word {
		case "origins":
			return list(&c.Origins)
		case "credentials":
			return flag(&c.Credentials)
		case "headers":
			return list(&c.Headers)
		case "max_age":
			return longDuration(&c.MaxAge)
		}
		return nil
	})
}
