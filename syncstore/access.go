package syncstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
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

	own      grantsOf // of the user itself
	roles    map[string]timeline
	channels []channelTimes

	mu   sync.Mutex
	sets map[uint32]*channelSet
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

// readAccess computes what a viewer has in a snapshot. own is what the viewer has without its
// roles, nil if that is to be read; known are the sequences of principals that were read already.
func readAccess(r engine.Reader, s scope, roles *roleCache, viewer Viewer, own *grantsOf, known accessSequences) (*access, error) {
	g := &grantReader{reader: r, scope: s, viewer: viewer, roles: roles, known: known}
	a := &access{viewer: viewer, roles: map[string]timeline{}, sets: map[uint32]*channelSet{}}
	if own == nil {
		read, err := g.own(viewer.Name)
		if err != nil {
			return nil, err
		}
		own = &read
	}
	a.own = *own
	a.principals = append(a.principals, s.access(viewer.Name))
	spans := slices.Clone(own.channels)
	for _, role := range slices.Sorted(maps.Keys(own.roles)) {
		a.principals = append(a.principals, s.access(RolePrincipal(role)))
		has, err := g.role(role)
		if err != nil {
			return nil, err
		}
		a.roles[role] = merged(merged(own.roles[role]).and(has.exists)) // while there was the role
		for _, c := range has.channels {
			for _, during := range c.times.and(a.roles[role]) {
				spans = append(spans, channelSpan{in: c.in, name: c.name, during: during})
			}
		}
	}
	a.channels = timesOf(spans)
	a.sequences = make([]uint64, len(a.principals))
	for i, principal := range a.principals {
		var err error
		if a.sequences[i], err = g.sequence(principal); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// grantsOf are one principal's: of channels, and of roles.
type grantsOf struct {
	channels []channelSpan
	roles    map[string][]interval
}

func (g *grantReader) own(principal string) (grantsOf, error) {
	own := grantsOf{roles: map[string][]interval{}}
	err := g.entries(principal, func(given granted, during interval) {
		if given.in == inRoles {
			own.roles[given.name] = append(own.roles[given.name], during)
			return
		}
		own.channels = append(own.channels, channelSpan{in: given.in, name: given.name, during: during})
	})
	return own, err
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
	a.mu.Lock()
	defer a.mu.Unlock()
	set, ok := a.sets[collection]
	if !ok {
		set = newChannelSet(inCollection(a.channels, collection), inCollection(a.channels, inEverything))
		a.sets[collection] = set
	}
	return set
}

// concerns reports whether a principal, by its key of kindAccess, is the user or a role that
// it has or had.
func (a *access) concerns(key string) bool {
	return slices.ContainsFunc(a.principals, func(own []byte) bool { return string(own) == key })
}

// accessWriter is a user as an Evaluator sees it.
type accessWriter struct {
	access   *access
	channels *channelSet
}

func (w accessWriter) Name() string { return w.access.viewer.Name }

func (w accessWriter) Roles() []string {
	var roles []string
	for role, t := range w.access.roles {
		if t.open() {
			roles = append(roles, role)
		}
	}
	slices.Sort(roles)
	return roles
}

func (w accessWriter) HasRole(role string) bool {
	return w.access.roles[role].open()
}

func (w accessWriter) HasChannel(channel string) bool {
	_, ok := w.channels.since(channel)
	return ok
}
