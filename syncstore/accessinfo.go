package syncstore

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// AccessOf returns what a viewer has now: roles, and the channels of a collection with the
// sequences since when; channels by roles are among them, and "!".
func (c *Collection) AccessOf(ctx context.Context, v Viewer) (roles []string, channels map[string]uint64, err error) {
	a, err := c.db.accessNow(ctx, v)
	if err != nil {
		return nil, nil, err
	}
	channels = make(map[string]uint64)
	a.in(c.scope.collection).each(func(name string, since uint64) { channels[name] = since })
	return a.openRoles(), channels, nil
}

// HeldGrant is a grant that counts now.
type HeldGrant struct {
	// Scope and Collection say where the channel is: "_default" is written out. Both are ""
	// for a role, and AllChannel for a channel in all collections.
	Scope, Collection string
	Channel           string
	Role              string // instead of a channel
	// Since is the sequence at which it was granted.
	Since uint64
	// Source is who gave it; "" if a document grants it.
	Source GrantSource
	// Document grants it, in DocumentScope and DocumentCollection.
	Document, DocumentScope, DocumentCollection string
	// Via is the role by which a user has the channel, "" if none.
	Via string
}

// LostGrant is a channel or a role that a principal had from one sequence up to another.
type LostGrant struct {
	Scope, Collection string // as in HeldGrant
	Channel           string
	Role              string // instead of a channel
	From, To          uint64
}

// ChannelOf names a channel of a collection.
type ChannelOf struct{ Scope, Collection, Channel string }

// Grants returns what a principal, a user's name or RolePrincipal of a role, has been granted
// and has now, and for a user also what its roles give. "!" is not in it.
func (d *Database) Grants(ctx context.Context, principal string, tokenGrants bool) (held []HeldGrant, err error) {
	err = d.store.engine.View(ctx, func(r engine.Reader) error {
		g := &grantReader{reader: r, scope: d.scope, viewer: Viewer{Name: principal, TokenGrants: tokenGrants}}
		held = nil
		var roles []string
		err := g.entries(principal, func(given granted, during interval) {
			if during.to != forever {
				return
			}
			held = append(held, d.heldGrant(given, during.from, ""))
			if given.in == inRoles && principal != RolePrincipal(given.name) && !slices.Contains(roles, given.name) {
				roles = append(roles, given.name)
			}
		})
		if err != nil {
			return err
		}
		for _, role := range roles {
			gives, err := d.roleGrants(g, role)
			if err != nil {
				return err
			}
			held = append(held, gives...)
		}
		return nil
	})
	return held, err
}

// roleGrants are the channels that a role gives; none while there is no such role.
func (d *Database) roleGrants(g *grantReader, role string) (held []HeldGrant, err error) {
	exists := false
	err = g.entries(RolePrincipal(role), func(given granted, during interval) {
		switch {
		case during.to != forever:
		case given.in == inRoles:
			exists = exists || given.name == role
		default:
			held = append(held, d.heldGrant(given, during.from, role))
		}
	})
	if !exists {
		return nil, err
	}
	return held, err
}

func (d *Database) heldGrant(g granted, since uint64, via string) HeldGrant {
	h := HeldGrant{Since: since, Via: via}
	if h.Scope, h.Collection = d.nameOf(g.in); g.in == inRoles {
		h.Role = g.name
	} else {
		h.Channel = g.name
	}
	if g.source[0] == sourceGiven {
		h.Source = GrantSource(g.source[1:])
		return h
	}
	if len(g.source) > 5 {
		h.Document = g.source[5:]
		h.DocumentScope, h.DocumentCollection = d.nameOf(binary.BigEndian.Uint32([]byte(g.source[1:5])))
	}
	return h
}

// nameOf returns the names of where something was granted.
func (d *Database) nameOf(in uint32) (scope, collection string) {
	switch in {
	case inRoles:
		return "", ""
	case inEverything:
		return AllChannel, AllChannel
	}
	c, err := d.byNumber(in)
	if err != nil {
		return "", ""
	}
	return c.id.scope, c.id.name
}

// AccessHistory returns what a principal had and lost, as far as it is remembered: the most
// recent first.
func (d *Database) AccessHistory(ctx context.Context, principal string) (lost []LostGrant, err error) {
	err = d.store.engine.View(ctx, func(r engine.Reader) error {
		g := &grantReader{reader: r, scope: d.scope, viewer: Viewer{TokenGrants: true}}
		lost = nil
		return g.entries(principal, func(given granted, during interval) {
			if during.to == forever {
				return
			}
			l := LostGrant{From: during.from, To: during.to}
			if l.Scope, l.Collection = d.nameOf(given.in); given.in == inRoles {
				l.Role = given.name
			} else {
				l.Channel = given.name
			}
			lost = append(lost, l)
		})
	})
	slices.SortStableFunc(lost, func(a, b LostGrant) int { return cmp.Compare(b.To, a.To) })
	return lost, err
}

// CompactAccessHistory forgets that a principal had channels, and returns those of them that
// it had. Nobody is told of their loss after that.
func (d *Database) CompactAccessHistory(ctx context.Context, principal string, channels []ChannelOf) ([]ChannelOf, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found := make(map[ChannelOf]bool)
	set := &changeSet{db: d, apply: func(tx *overlay) error {
		clear(found)
		pairs, failed := tx.tx.Scan(engine.PrefixRange(d.scope.grants(kindLostGrant, principal)))
		for key := range pairs {
			g, _, err := parseGrant(key)
			if err != nil {
				return err
			}
			where := ChannelOf{Channel: g.name}
			where.Scope, where.Collection = d.nameOf(g.in)
			if slices.Contains(channels, where) {
				found[where] = true
				tx.delete(append([]byte(nil), key...))
			}
		}
		return failed()
	}, after: d.accesses.clear}
	d.store.committer.commit(set)
	if set.err != nil {
		return nil, fmt.Errorf("compacting the history of access: %w", set.err)
	}
	compacted := slices.DeleteFunc(slices.Clone(channels), func(c ChannelOf) bool { return !found[c] })
	return compacted, nil
}
