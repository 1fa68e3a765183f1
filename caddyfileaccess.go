package caddysync

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddysync/caddy-sync/access"
	"github.com/caddysync/caddy-sync/auth/filewatch"
)

// word reads what says who sees and changes which documents:
//
//	access shared|private|channels
//	sync_function <file>
//	user_views <design/view...>
func (p *AccessPolicy) word(word string) parseWord {
	switch word {
	case "access":
		return p.parseAccess
	case "sync_function":
		return p.parseSyncFunction
	case "user_views":
		return p.parseUserViews
	}
	return nil
}

func (p *AccessPolicy) parseAccess(d *caddyfile.Dispenser) error {
	if p.SyncFunction != "" {
		return d.WrapErr(errTwoPolicies)
	}
	if err := text(&p.Access)(d); err != nil {
		return err
	}
	if !slices.Contains(accessWords, p.Access) {
		return d.WrapErr(errUnknownAccess(p.Access))
	}
	return nil
}

// parseSyncFunction also looks at the function if it is there, so that `caddy adapt` tells
// of its mistakes.
func (p *AccessPolicy) parseSyncFunction(d *caddyfile.Dispenser) error {
	if p.Access != "" {
		return d.WrapErr(errTwoPolicies)
	}
	if err := text(&p.SyncFunction)(d); err != nil {
		return err
	}
	if strings.Contains(p.SyncFunction, "{") {
		return nil // a placeholder, for whoever runs the configuration
	}
	source, err := filewatch.Read(p.SyncFunction)
	if err != nil {
		return nil //nolint:nilerr // it may be elsewhere than the Caddyfile is adapted; Provision needs it
	}
	if _, err := access.NewSyncFunction(p.SyncFunction, string(source), access.Options{}); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// parseCollection reads what a collection has of its own:
//
//	collection [<scope>.]<name> {
//	    access shared|private|channels
//	    sync_function <file>
//	    user_views <design/view...>
//	}
func (d *Database) parseCollection(in *caddyfile.Dispenser) error {
	var name string
	if !in.AllArgs(&name) {
		return in.ArgErr()
	}
	k, err := parseCollection(name)
	if err != nil {
		return in.WrapErr(err)
	}
	if _, twice := d.Collections[k.String()]; twice {
		return in.Errf("collection %s is defined twice", k)
	}
	c := new(Collection)
	if d.Collections == nil {
		d.Collections = make(map[string]*Collection)
	}
	d.Collections[k.String()] = c
	return parseBlock(in, "collection", c.AccessPolicy.word)
}

func (d *Database) parseUnreadable(in *caddyfile.Dispenser) error {
	if err := text(&d.Unreadable)(in); err != nil {
		return err
	}
	if !slices.Contains(unreadableWords, d.Unreadable) {
		return in.Errf("unknown unreadable %q: write not_found or forbidden", d.Unreadable)
	}
	return nil
}

// parseGuest reads what guests may do:
//
//	guest {
//	    channels <channel...>
//	    collection [<scope>.]<name> <channel...>
//	    read_only
//	}
func (d *Database) parseGuest(in *caddyfile.Dispenser) error {
	if in.NextArg() {
		return in.ArgErr()
	}
	d.Guest = true
	var g GuestAccess
	err := parseBlock(in, "guest", func(word string) parseWord {
		switch word {
		case "channels":
			return list(&g.Channels)
		case "collection":
			return g.parseCollection
		case "read_only":
			return flag(&g.ReadOnly)
		}
		return nil
	}, "collection")
	if len(g.Channels)+len(g.Collections) > 0 || g.ReadOnly {
		d.GuestAccess = &g
	}
	return err
}

func (g *GuestAccess) parseCollection(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.ArgErr()
	}
	k, err := parseCollection(args[0])
	if err != nil {
		return d.WrapErr(err)
	}
	if _, twice := g.Collections[k.String()]; twice {
		return d.Errf("collection %s stands there twice", k)
	}
	if g.Collections == nil {
		g.Collections = make(map[string][]string)
	}
	g.Collections[k.String()] = args[1:]
	return noBlock(d, "collection")
}
