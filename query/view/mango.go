package view

import (
	"context"

	"github.com/caddysync/caddy-sync/query/design"
	"github.com/caddysync/caddy-sync/query/mango"
	"github.com/caddysync/caddy-sync/syncstore"
)

// Mango answers queries by selectors, whose indexes are looked after as those of views are.
func (v *Views) Mango() *mango.Mango { return v.mango }

// nameMango notes the indexes of fields that stand in a design document, so that they are not dropped.
func (v *Views) nameMango(c *syncstore.Collection, d *design.Document, named map[syncstore.IndexID]bool) {
	for id := range v.mango.StoredIndexes(c, d) {
		named[id] = true
	}
}

// keepUpMango has the indexes of fields that stand in a design document follow the collection.
func (v *Views) keepUpMango(ctx context.Context, c *syncstore.Collection, d *design.Document, until uint64) {
	for id, m := range v.mango.StoredIndexes(c, d) {
		v.follow(ctx, c, id, m, d, until)
	}
}
