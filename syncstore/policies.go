package syncstore

import "sync"

// PolicyOf is what a configuration says of a collection, by the name of its database, of its
// scope and its own; "_default" is written out.
type PolicyOf func(database, scope, collection string) Policy

// policies are those of a store's collections.
type policies struct {
	mu sync.Mutex
	of PolicyOf // nil: "access shared"
}

// SetPolicies gives every collection its policy (see Collection.SetPolicy). Databases and
// collections that are made later have theirs before anybody can use them.
func (s *Store) SetPolicies(of PolicyOf) {
	s.policies.mu.Lock()
	defer s.policies.mu.Unlock()
	s.policies.of = of
	for _, name := range s.Databases() {
		db, err := s.Database(name)
		if err != nil {
			continue // deleted meanwhile
		}
		for _, c := range db.Collections() {
			s.policies.apply(c)
		}
	}
}

// publish makes collections known, by publish, with their policies.
func (p *policies) publish(publish func(), collections ...*Collection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range collections {
		p.apply(c)
	}
	publish()
}

// apply gives a collection its policy. mu is held.
func (p *policies) apply(c *Collection) {
	if p.of != nil {
		c.SetPolicy(p.of(c.db.name, c.id.scope, c.id.name))
	}
}
