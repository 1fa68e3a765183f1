package caddysync

import (
	"context"
	"errors"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// Open implements Backend.
func (b *Badger) Open(_ context.Context, logger *zap.Logger) (engine.Engine, error) {
	return nil, errors.New("badger is not there yet")
}
