package mango

import (
	"context"

	"github.com/caddysync/caddy-sync/query"
	"github.com/caddysync/caddy-sync/syncstore"
	"go.uber.org/zap"
)

// Mango answers queries. One is enough for a server; it may be used by many goroutines at once.
type Mango struct {
	collation *query.Collation
	logger    *zap.Logger
	catalog   catalog
	// Building, if not nil, is told of an index that a query waits for, and of the design
	// document that it stands in.
	Building func(ctx context.Context, c *syncstore.Collection, index *syncstore.Index, design string)

	turns turns
	// alwaysOwn, in tests, never asks an index for a viewer.
	alwaysOwn bool
}

// New returns what answers queries. A nil logger drops what indexes leave out.
func New(logger *zap.Logger) *Mango {
	if logger == nil {
		logger = zap.NewNop()
	}
	return &Mango{collation: query.NewCollation(), logger: logger, turns: newTurns()}
}
