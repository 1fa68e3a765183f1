package caddysync

import (
	"context"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"go.uber.org/zap"
)

// Backend is what a guest module of the namespace sync.stores must be: it names a storage
// and opens the engine that documents are kept in.
type Backend interface {
	// Key names the storage, and nothing else about it: configurations with the same
	// key share one open engine. It is valid after Provision.
	Key() string

	// Open opens the engine. It is called when an app starts, never in Provision, so
	// that `caddy validate` works beside a running server. Its errors name the store.
	Open(ctx context.Context, logger *zap.Logger) (engine.Engine, error)

	// Reconfigure compares the backend with the one that opened eng for the same key. It
	// returns ErrRestartNeeded, wrapped, if they differ in what an open engine cannot
	// change.
	Reconfigure(opened Backend) error

	// Memory is how many bytes the engine may use, 0 if unknown.
	Memory() int64
}
