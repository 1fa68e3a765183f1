package syncstore

import "sync"

// maxRoles is how many roles a database keeps in memory.
const maxRoles = 4096

// roleAccess is what a role gives, as long as its access sequence is sequence. It is shared
// and does not change.
type roleAccess struct {
	sequence uint64
	exists   timeline // when there was the role
	gives    *grantsOf
	// since is the lowest sequence at which the role had any of its channels.
	since uint64
}

// during returns what the role gave to somebody who had it at times, nil if that is nothing. It is
// the same for all who had the role before it had anything, and have it still.
func (r *roleAccess) during(times timeline) *grantsOf {
	if r.gives == nil || len(r.gives.channels) == 0 || len(times) == 0 {
		return nil
	}
	if first := times[0]; first.to == forever && first.from <= r.since {
		return r.gives
	}
	return &grantsOf{channels: timesOf(appendSpans(nil, r.gives.channels, times))}
}

// roleCache keeps what roles give: when a role of ten thousand members changes, the access of
// each is computed anew, and the role read once.
type roleCache struct {
	mu  sync.Mutex
	all map[string]*roleAccess
}

func (c *roleCache) get(role string, sequence uint64) *roleAccess {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.all[role]; r != nil && r.sequence == sequence {
		return r
	}
	return nil
}

func (c *roleCache) put(role string, r *roleAccess) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil || len(c.all) >= maxRoles {
		c.all = make(map[string]*roleAccess)
	}
	c.all[role] = r
}

func (c *roleCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.all)
}

// role returns what a role gives in the reader's snapshot.
func (g *grantReader) role(role string) (*roleAccess, error) {
	sequence, err := g.sequence(g.scope.access(RolePrincipal(role)))
	if err != nil {
		return nil, err
	}
	if sequence == 0 {
		return &roleAccess{}, nil // nobody ever gave it anything
	}
	if r := g.roles.get(role, sequence); r != nil {
		return r, nil
	}
	has, err := g.own(RolePrincipal(role))
	if err != nil {
		return nil, err
	}
	r := &roleAccess{sequence: sequence, gives: has, since: forever}
	for _, c := range has.channels {
		r.since = min(r.since, c.times[0].from)
	}
	for _, self := range has.roles {
		if self.role == role {
			r.exists = self.times
		}
	}
	g.roles.put(role, r)
	return r, nil
}
