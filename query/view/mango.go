package view

import (
	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/query/mango"
	"github.com/caddysync/caddy-sync/syncstore"
)

// Mango answers queries by selectors, whose indexes are looked after as those of views are.
func (v *Views) Mango() *mango.Mango { return v.mango }

// nameMango notes the indexes of fields that stand in design documents, so that they are not dropped.
func (v *Views) nameMango(c *syncstore.Collection, docs []*syncstore.Document, named map[syncstore.IndexID]bool) {
	v.eachMango(c, docs, func(id syncstore.IndexID, _ syncstore.Mapper) { named[id] = true })
}

// keepUpMango has the indexes of fields follow the collection.
func (v *Views) keepUpMango(c *syncstore.Collection, docs []*syncstore.Document, until uint64) {
	v.eachMango(c, docs, func(id syncstore.IndexID, m syncstore.Mapper) { c.Index(id).Start(m, until) })
}

func (v *Views) eachMango(c *syncstore.Collection, docs []*syncstore.Document, fn func(syncstore.IndexID, syncstore.Mapper)) {
	for _, doc := range docs {
		d, err := design.Parse(doc)
		if err != nil {
			continue // it was stored before such documents were refused
		}
		for id, m := range v.mango.StoredIndexes(c, d) {
			fn(id, m)
		}
	}
}
