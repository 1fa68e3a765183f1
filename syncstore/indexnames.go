package syncstore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/caddysync/caddy-sync/syncstore/engine"
)

// StoredIndexes are the indexes of which something is stored.
func (c *Collection) StoredIndexes(ctx context.Context) (all []IndexID, err error) {
	err = c.store.engine.View(ctx, func(r engine.Reader) error {
		all, err = c.indexIDs(r)
		return err
	})
	return all, err
}

// indexIDs are the indexes of which something is stored, or about to be. They are looked for once.
func (c *Collection) indexIDs(r engine.Reader) ([]IndexID, error) {
	c.indexing.Lock()
	defer c.indexing.Unlock()
	if c.indexNames == nil {
		found, err := c.scanIndexes(r)
		if err != nil {
			return nil, err
		}
		c.indexNames = make(map[IndexID]struct{})
		for _, id := range found {
			c.indexNames[id] = struct{}{}
		}
		for id := range c.indexBegun {
			c.indexNames[id] = struct{}{}
		}
		c.indexBegun = nil
	}
	return slices.SortedFunc(maps.Keys(c.indexNames), func(a, b IndexID) int { return slices.Compare(a[:], b[:]) }), nil
}

// indexBegins is called before the first documents of an index are mapped.
func (c *Collection) indexBegins(id IndexID) {
	c.indexing.Lock()
	defer c.indexing.Unlock()
	names := &c.indexNames
	if *names == nil {
		names = &c.indexBegun
	}
	if *names == nil {
		*names = make(map[IndexID]struct{})
	}
	(*names)[id] = struct{}{}
}

// indexDropped is called when nothing is stored of an index any more.
func (c *Collection) indexDropped(id IndexID) {
	c.indexing.Lock()
	defer c.indexing.Unlock()
	delete(c.indexNames, id)
	delete(c.indexBegun, id)
}

// scanIndexes looks for the indexes in the store. It passes over everything that was deleted of one
// and is not compacted yet.
func (c *Collection) scanIndexes(r engine.Reader) ([]IndexID, error) {
	var all []IndexID
	prefix := c.scope.prefix(kindIndex, 0)
	in := engine.PrefixRange(prefix)
	in.KeysOnly, in.Limit = true, 1
	for {
		found := false
		pairs, failed := r.Scan(in)
		for key := range pairs {
			var id IndexID
			copy(id[:], key[min(len(prefix), len(key)):])
			all, found = append(all, id), true
			break
		}
		if err := failed(); err != nil {
			return nil, fmt.Errorf("looking for indexes: %w", err)
		}
		if !found {
			return all, nil
		}
		in.Start = engine.PrefixEnd(append(slices.Clip(prefix), all[len(all)-1][:]...))
		if in.Start == nil {
			return all, nil
		}
	}
}
