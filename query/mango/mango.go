package mango

import (
	"github.com/caddysync/caddy-sync/query"
	"go.uber.org/zap"
)

// Mango answers queries. One is enough for a server; it may be used by many goroutines at once.
type Mango struct {
	collation *query.Collation
	logger    *zap.Logger
	catalog   catalog
	turns     turns
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
