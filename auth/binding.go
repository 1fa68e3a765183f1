package auth

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync/atomic"
)

// changeCells is how many counters the changes are spread over. Two that share one make
// each other's bindings stale, which costs a few look-ups and is never wrong.
const changeCells = 1 << 13

// changes count what events changed: users, identities, providers' sessions and refused
// tokens, each in the cell of its key. A count that has not moved says that nothing of the
// cell changed, without a look at the thing itself.
type changes struct {
	seed  maphash.Seed
	cells [changeCells]atomic.Uint64
}

func newChanges() *changes { return &changes{seed: maphash.MakeSeed()} }

// ofKey is the cell of an identityKey or a tokenKey, which are hashes already.
func (c *changes) ofKey(key [32]byte) *atomic.Uint64 {
	return &c.cells[binary.LittleEndian.Uint64(key[:])%changeCells]
}

func (c *changes) ofUser(u userRef) *atomic.Uint64 {
	return &c.cells[maphash.Comparable(c.seed, u)%changeCells]
}

// all counts a change of everything.
func (c *changes) all() {
	for i := range c.cells {
		c.cells[i].Add(1)
	}
}

// mark is a count as it was at some moment.
type mark struct {
	cell  *atomic.Uint64
	count uint64
}

func markOf(cell *atomic.Uint64) mark { return mark{cell, cell.Load()} }

func (m mark) moved() bool { return m.cell.Load() != m.count }

// marks are of all that decides who an applicant is in a database: identity, provider's
// session, token, user.
type marks [4]mark

// marksOf are the marks of an applicant, but for the user. They must be taken before
// anything is read that is judged by them.
func (s *State) marksOf(identity, sid identityKey, token tokenKey) marks {
	return marks{markOf(s.changes.ofKey(identity)), markOf(s.changes.ofKey(sid)), markOf(s.changes.ofKey(token))}
}

// binding is who a token or a session was found to be in a database under a policy. It is
// a short cut and nothing more: it counts only while no event touched the user, the
// identity, the provider's session or the token since before they were read, so that it
// says what reading them now would say (DECISIONS 6). What time decides is not in it.
type binding struct {
	policy *policy // of one configuration
	db     uint32
	next   *binding
	// principal is what the requests get: shared, and not to be changed.
	principal *Principal
	marks     marks
}

// bindings are those of one token or session: a list that is replaced, never changed. Nearly
// all are used in one database.
type bindings struct{ first atomic.Pointer[binding] }

// maxBindings is how many databases a token or session is known in.
const maxBindings = 4

// find returns the binding that holds now, nil if there is none.
func (b *bindings) find(pol *policy, db uint32) *binding {
	for one := b.first.Load(); one != nil; one = one.next {
		if one.policy == pol && one.db == db && one.fresh() {
			return one
		}
	}
	return nil
}

func (b *binding) fresh() bool {
	for i := range b.marks {
		if b.marks[i].moved() {
			return false
		}
	}
	return true
}

// put keeps a new binding, and those of other databases that hold. If two do it at once,
// one may be lost.
func (b *bindings) put(one *binding) {
	last, n := one, 1
	for old := b.first.Load(); old != nil && n < maxBindings; old = old.next {
		if old.db == one.db || !old.fresh() {
			continue
		}
		kept := *old
		kept.next = nil
		last.next = &kept
		last, n = &kept, n+1
	}
	b.first.Store(one)
}

// bind makes the binding of a principal, which is u, that was found for an applicant by what
// was read after the marks m, or nil if what was found is not what is kept of it: then the next request
// looks again. a is nil if the user was found without an identity.
func (s *State) bind(m marks, a *applicant, u *User, p *Principal, pol *policy) *binding {
	ref := userRef{p.db.ID, u.Name}
	m[3] = markOf(s.changes.ofUser(ref))
	if kept, ok := s.users.get(ref); !ok || kept != u {
		return nil // changed meanwhile, or just made
	}
	if a != nil {
		rec, ok := s.identities.get(identityRef{p.db.ID, a.key})
		if !ok || u.outdated(a, rec) {
			return nil // there is something left to write
		}
	}
	p.Roles, p.Channels = slices.Clip(p.Roles), slices.Clip(p.Channels)
	return &binding{marks: m, policy: pol, db: p.db.ID, principal: p}
}
