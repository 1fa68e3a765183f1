package syncstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// access is what a user has in a database, as one snapshot shows it: channels of its own
// and by its roles, and when it had which. It is shared and does not change.
type access struct {
	viewer Viewer
	// principals are the user and the roles it has or had, by their keys of kindAccess, and
	// the sequences at which what they have changed last.
	principals [][]byte
	sequences  []uint64
	// checked is the database's access sequence at which this was found to be so.
	checked atomic.Uint64

	own   *grantsOf   // of the user itself
	roles []roleTimes // that it has or had, in order, while there were such roles
	// holdings are what the user has: its own, and what each role gave it.
	holdings []*grantsOf
	sets     channelSets
}

// grantReader gathers what the grant index says of principals.
type grantReader struct {
	reader engine.Reader
	scope  scope
	viewer Viewer
	roles  *roleCache
	known  accessSequences
}

// accessSequences are when what principals have changed last, as a snapshot has it: of ten
// thousand members of a role that changed, each principal is looked up once.
type accessSequences struct {
	principals [][]byte
	sequences  []uint64
}

// sequence returns when what a principal has changed last, 0 if it never did.
func (g *grantReader) sequence(principal []byte) (uint64, error) {
	for i, known := range g.known.principals {
		if bytes.Equal(known, principal) {
			return g.known.sequences[i], nil
		}
	}
	sequences, err := readSequences(g.reader, [][]byte{principal})
	if err != nil {
		return 0, err
	}
	g.known.principals = append(g.known.principals, principal)
	g.known.sequences = append(g.known.sequences, sequences[0])
	return sequences[0], nil
}

// entries calls fn with what a principal has and had.
func (g *grantReader) entries(principal string, fn func(granted, interval)) error {
	for _, kind := range []byte{kindGrant, kindLostGrant} {
		pairs, failed := g.reader.Scan(engine.PrefixRange(g.scope.grants(kind, principal)))
		for key, value := range pairs {
			given, rest, err := parseGrant(key)
			if err != nil {
				return err
			}
			during := interval{to: forever}
			if kind == kindLostGrant {
				if len(rest) != 8 {
					return fmt.Errorf("%w: key of a lost grant", ErrDamaged)
				}
				during.to = binary.BigEndian.Uint64(rest)
			}
			if len(value) < 8 {
				return fmt.Errorf("%w: grant", ErrDamaged)
			}
			during.from = binary.BigEndian.Uint64(value)
			if given.source == givenBy(GrantedByToken) && !g.viewer.TokenGrants {
				continue
			}
			fn(given, during)
		}
		if err := failed(); err != nil {
			return fmt.Errorf("reading grants: %w", err)
		}
	}
	return nil
}

// readAccess computes what a viewer has in a snapshot. old, if not nil, is what it had in another,
// whose principals have the sequences known now.
func readAccess(r engine.Reader, s scope, roles *roleCache, viewer Viewer, old *access, known []uint64) (*access, error) {
	g := &grantReader{reader: r, scope: s, viewer: viewer, roles: roles}
	a := &access{viewer: viewer}
	if old != nil {
		g.known = accessSequences{principals: slices.Clip(old.principals), sequences: slices.Clip(known)}
	}
	if old != nil && known[0] == old.sequences[0] { // it is a role that changed
		a.own, a.principals, a.sequences = old.own, old.principals, known
	} else if err := g.readOwn(a); err != nil {
		return nil, err
	}
	a.roles = make([]roleTimes, 0, len(a.own.roles))
	a.holdings = append(make([]*grantsOf, 0, 1+len(a.own.roles)), a.own)
	for _, given := range a.own.roles {
		role, err := g.role(given.role)
		if err != nil {
			return nil, err
		}
		times := given.times.while(role.exists)
		a.roles = append(a.roles, roleTimes{given.role, times})
		if gives := role.during(times); gives != nil {
			a.holdings = append(a.holdings, gives)
		}
	}
	return a, nil
}

// readOwn reads what the viewer itself has, and who its principals are.
func (g *grantReader) readOwn(a *access) (err error) {
	if a.own, err = g.own(g.viewer.Name); err != nil {
		return err
	}
	a.own.public = true
	a.principals = [][]byte{g.scope.access(g.viewer.Name)}
	for _, given := range a.own.roles {
		a.principals = append(a.principals, g.scope.access(RolePrincipal(given.role)))
	}
	a.sequences = make([]uint64, len(a.principals))
	for i, principal := range a.principals {
		if a.sequences[i], err = g.sequence(principal); err != nil {
			return err
		}
	}
	return nil
}

// own returns what a principal was granted.
func (g *grantReader) own(principal string) (*grantsOf, error) {
	var spans []channelSpan
	roles := map[string][]interval{}
	err := g.entries(principal, func(given granted, during interval) {
		if given.in == inRoles {
			roles[given.name] = append(roles[given.name], during)
			return
		}
		spans = append(spans, channelSpan{in: given.in, name: given.name, during: during})
	})
	if err != nil {
		return nil, err
	}
	packNames(spans)
	own := &grantsOf{channels: timesOf(spans)}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		own.roles = append(own.roles, roleTimes{role, merged(roles[role])})
	}
	return own, nil
}

// readSequences returns when what principals have changed last, 0 if it never did.
func readSequences(r engine.Reader, principals [][]byte) ([]uint64, error) {
	values, err := r.GetMany(principals)
	if err != nil {
		return nil, fmt.Errorf("reading access sequences: %w", err)
	}
	sequences := make([]uint64, len(values))
	for i, value := range values {
		if len(value) == 8 {
			sequences[i] = binary.BigEndian.Uint64(value)
		}
	}
	return sequences, nil
}

// in returns the channels that the user has in a collection.
func (a *access) in(collection uint32) *channelSet {
	return a.sets.of(collection, func() *channelSet {
		layers := make([]*channelSet, 0, len(a.holdings))
		for _, holding := range a.holdings {
			if layer := holding.in(collection); layer != nil {
				layers = append(layers, layer)
			}
		}
		if set := joined(layers); set != nil {
			return set
		}
		return mergedIn(collection, a.holdings)
	})
}

// concerns reports whether a principal, by its key of kindAccess, is the user or a role that
// it has or had.
func (a *access) concerns(key string) bool {
	return slices.ContainsFunc(a.principals, func(own []byte) bool { return string(own) == key })
}

// openRoles are the roles that the user has, in order.
func (a *access) openRoles() (roles []string) {
	for _, role := range a.roles {
		if role.times.open() {
			roles = append(roles, role.role)
		}
	}
	return roles
}
