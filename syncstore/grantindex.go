package syncstore

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// Where what was granted is valid, in place of a collection's number.
const (
	inRoles      = math.MaxUint32 - 1 // it is a role
	inEverything = math.MaxUint32     // a channel in all collections
)

// granted is what a principal has from a source: a channel of a collection, or a role.
type granted struct {
	principal string
	in        uint32 // the collection's number, inRoles or inEverything
	name      string // of the channel or the role
	source    string
}

// Sources: who an administrator or a token is, by their GrantSource, or a document.
const (
	sourceGiven    = 'g'
	sourceDocument = 'd'
)

func givenBy(source GrantSource) string { return string(sourceGiven) + string(source) }

// grantedBy is the source that a document of the collection is.
func (s scope) grantedBy(id string) string {
	source := binary.BigEndian.AppendUint32([]byte{sourceDocument}, s.collection)
	return string(append(source, id...))
}

// whole is the scope of what belongs to the database as a whole.
func (s scope) whole() scope { return scope{db: s.db} }

func (s scope) grants(kind byte, principal string) []byte {
	return appendTerminated(s.whole().prefix(kind, len(principal)+64), principal)
}

func (s scope) grant(g granted) []byte {
	key := binary.BigEndian.AppendUint32(s.grants(kindGrant, g.principal), g.in)
	return appendTerminated(appendTerminated(key, g.name), g.source)
}

func (s scope) lostGrant(g granted, to uint64) []byte {
	key := binary.BigEndian.AppendUint32(s.grants(kindLostGrant, g.principal), g.in)
	key = appendTerminated(appendTerminated(key, g.name), g.source)
	return binary.BigEndian.AppendUint64(key, to)
}

func (s scope) access(principal string) []byte { return s.whole().text(kindAccess, principal) }

// parseGrant reads what grant and lostGrant wrote after the kind, database and collection;
// rest is what follows the source.
func parseGrant(key []byte) (g granted, rest []byte, err error) {
	var ok bool
	if g.principal, rest, ok = cutTerminated(key[min(prefixSize, len(key)):]); ok && len(rest) >= 4 {
		g.in = binary.BigEndian.Uint32(rest)
		if g.name, rest, ok = cutTerminated(rest[4:]); ok {
			g.source, rest, ok = cutTerminated(rest)
		}
	} else {
		ok = false
	}
	if !ok {
		return granted{}, nil, fmt.Errorf("%w: key of a grant", ErrDamaged)
	}
	return g, rest, nil
}

// where splits what a Grant of a document gives into a role or a channel of the document's
// collection.
func (s scope) where(name string) (in uint32, what string) {
	if role, ok := strings.CutPrefix(name, rolePrincipal); ok {
		return inRoles, role
	}
	return s.collection, name
}

// grantChanges are what a change set does to the grant index.
type grantChanges struct {
	set *changeSet
	now int64 // seconds since 1970
	// principals are those whose access changes.
	principals map[string]struct{}
}

func newGrantChanges(set *changeSet, now int64) *grantChanges {
	return &grantChanges{set: set, now: now, principals: map[string]struct{}{}}
}

func (c *grantChanges) begin(s scope, g granted) {
	c.add(s, g)
	c.touch(s, g.principal)
}

// add is begin for what gives its principal nothing new.
func (c *grantChanges) add(s scope, g granted) {
	c.set.add(op{key: s.grant(g), value: make([]byte, 8), keySeq: noSeq})
}

// end turns a grant into the record that there was one, which is kept for as long as
// Retention says.
func (c *grantChanges) end(s scope, g granted, from uint64) {
	c.set.delete(s.grant(g))
	key := s.lostGrant(g, 0)
	value := binary.BigEndian.AppendUint64(nil, from)
	value = binary.BigEndian.AppendUint64(value, uint64(c.now))
	c.set.add(op{key: key, value: value, keySeq: len(key) - 8, valueSeq: noSeq})
	due := s.whole().due(c.now+int64(c.set.db.Retention().lostAccess()/time.Second), key)
	c.set.add(op{key: due, keySeq: len(due) - 8, valueSeq: noSeq})
	c.touch(s, g.principal)
}

// touch moves the principal's access sequence.
func (c *grantChanges) touch(s scope, principal string) {
	if _, ok := c.principals[principal]; ok {
		return
	}
	c.principals[principal] = struct{}{}
	key := s.access(principal)
	c.set.add(op{key: key, value: make([]byte, 8), keySeq: noSeq})
	c.set.principals = append(c.set.principals, string(key))
}

// replace makes desired what a source gives to a principal.
func (c *grantChanges) replace(r engine.Reader, s scope, principal, source string, desired map[granted]struct{}) error {
	pairs, failed := r.Scan(engine.PrefixRange(s.grants(kindGrant, principal)))
	for key, value := range pairs {
		g, _, err := parseGrant(key)
		if err != nil {
			return err
		}
		if g.source != source {
			continue
		}
		if _, ok := desired[g]; ok {
			delete(desired, g)
			continue
		}
		if len(value) != 8 {
			return fmt.Errorf("%w: grant", ErrDamaged)
		}
		c.end(s, g, binary.BigEndian.Uint64(value))
	}
	if err := failed(); err != nil {
		return fmt.Errorf("reading grants: %w", err)
	}
	for g := range desired {
		c.begin(s, g)
	}
	return nil
}
