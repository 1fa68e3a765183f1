package mango

import (
	"context"
	"sync"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/syncstore"
)

// Indexes are those of a collection, _all_docs first, and then in the order of the design
// documents' IDs and their names.
func (m *Mango) Indexes(ctx context.Context, c *syncstore.Collection) ([]*Index, error) {
	version := c.DesignVersion()
	if known, ok := m.catalog.get(c, version); ok {
		return known, nil
	}
	docs, err := c.Designs(ctx)
	if err != nil {
		return nil, err
	}
	all := []*Index{AllDocs}
	for _, doc := range docs {
		if d, err := design.Parse(doc); err == nil {
			all = append(all, ofDesign(d, doc.Rev)...)
		}
	}
	m.catalog.put(c, version, all)
	return all, nil
}

// StoredIndexes names the indexes of a design document, with what makes their rows.
func (m *Mango) StoredIndexes(c *syncstore.Collection, d *design.Document) map[syncstore.IndexID]syncstore.Mapper {
	all := make(map[syncstore.IndexID]syncstore.Mapper)
	for _, x := range ofDesign(d, syncstore.Rev{}) {
		all[x.id] = m.mapper(c, x)
	}
	return all
}

// catalog keeps what stands in the design documents of collections, until one changes.
type catalog struct {
	mu  sync.Mutex
	all map[*syncstore.Collection]catalogEntry
}

type catalogEntry struct {
	version uint64
	indexes []*Index
}

// keptCollections is of how many collections the indexes are kept.
const keptCollections = 1000

func (k *catalog) get(c *syncstore.Collection, version uint64) ([]*Index, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	entry, ok := k.all[c]
	return entry.indexes, ok && entry.version == version
}

func (k *catalog) put(c *syncstore.Collection, version uint64, indexes []*Index) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil || len(k.all) >= keptCollections {
		k.all = make(map[*syncstore.Collection]catalogEntry)
	}
	k.all[c] = catalogEntry{version, indexes}
}
