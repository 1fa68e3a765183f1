package caddysync

import (
	"errors"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddysync/caddy-sync/replication/rest"
)

// ServerLimits bound what all clients of a store have open together. -1 turns one off.
type ServerLimits struct {
	// How many live feeds and replications may be open at once. Default: 15000.
	Feeds int `json:"feeds,omitempty"`

	// How many of them may come from one address (IPv6: from one /64). This machine's own
	// addresses are not counted. Behind a proxy all clients have its address, unless it is
	// among Caddy's `trusted_proxies`. Default: 1000.
	AddressFeeds int `json:"address_feeds,omitempty"`

	// How many databases there may be when an administrator makes another. Default: 10000.
	Databases int `json:"databases,omitempty"`
}

// parse reads them:
//
//	limits {
//	    feeds <n>|off
//	    address_feeds <n>|off
//	    databases <n>|off
//	}
func (l *ServerLimits) parse(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return parseBlock(d, "limits", func(word string) parseWord {
		switch word {
		case "feeds":
			return numberOrOff(&l.Feeds)
		case "address_feeds":
			return numberOrOff(&l.AddressFeeds)
		case "databases":
			return numberOrOff(&l.Databases)
		}
		return nil
	})
}

func (l *ServerLimits) check() error {
	if l != nil && min(l.Feeds, l.AddressFeeds, l.Databases) < rest.Unlimited {
		return errors.New("limits: a limit is negative")
	}
	return nil
}

// config is the limits as replication/rest takes them.
func (l *ServerLimits) config() rest.ServerLimits {
	if l == nil {
		return rest.ServerLimits{}
	}
	return rest.ServerLimits{Feeds: l.Feeds, AddressFeeds: l.AddressFeeds, Databases: l.Databases}
}
