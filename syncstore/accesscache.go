package syncstore

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// maxAccesses is how many users' access a database keeps in memory.
const maxAccesses = 20_000

// accessCache keeps the access of viewers. What it has is used only if it is what the
// snapshot says (DECISIONS 33): it is compared by the sequences at which what the user and
// its roles have changed last.
type accessCache struct {
	mu    sync.RWMutex
	all   map[Viewer]*access
	roles roleCache
}

func (c *accessCache) init() { c.all = make(map[Viewer]*access) }

func (c *accessCache) get(v Viewer) *access {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.all[v]
}

func (c *accessCache) put(a *access) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) >= maxAccesses {
		n := maxAccesses / 8
		for v := range c.all { // in no order: as good as any
			if n--; n < 0 {
				break
			}
			delete(c.all, v)
		}
	}
	c.all[a.viewer] = a
}

func (c *accessCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.all)
	c.roles.clear()
}

// accessIn returns what a viewer has in a snapshot whose counters are counts.
func (d *Database) accessIn(r engine.Reader, counts *counters, v Viewer) (*access, error) {
	a := d.accesses.get(v)
	if a != nil && a.checked.Load() == counts.Access {
		return a, nil
	}
	var sequences []uint64
	if a != nil {
		var err error
		if sequences, err = readSequences(r, a.principals); err != nil {
			return nil, err
		}
		if slices.Equal(a.sequences, sequences) {
			a.checked.Store(counts.Access)
			return a, nil
		}
	}
	a, err := readAccess(r, d.scope, &d.accesses.roles, v, a, sequences)
	if err != nil {
		return nil, fmt.Errorf("what %q may see: %w", v.Name, err)
	}
	a.checked.Store(counts.Access)
	d.accesses.put(a)
	return a, nil
}

// accessNow returns what a viewer has, as of the last commit or a later one.
func (d *Database) accessNow(ctx context.Context, v Viewer) (*access, error) {
	if a := d.accesses.get(v); a != nil && a.checked.Load() == d.counters.Load().Access {
		return a, nil
	}
	var a *access
	err := d.store.engine.View(ctx, func(r engine.Reader) error {
		counts, err := readCounters(r, d.scope)
		if err != nil {
			return err
		}
		a, err = d.accessIn(r, &counts, v)
		return err
	})
	return a, err
}
