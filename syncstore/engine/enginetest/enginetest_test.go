package enginetest

import (
	"testing"

	"github.com/caddysync/caddy-sync/syncstore/engine"
	"github.com/caddysync/caddy-sync/syncstore/engine/memory"
)

// TestMemoryEngineConforms runs the suite against the engine that other tests use: they
// mean something only if it behaves like the real one, and so does the suite.
func TestMemoryEngineConforms(t *testing.T) {
	t.Parallel()
	open := func(*testing.T) engine.Engine { return memory.New() }
	Run(t, open)
	RunVersioned(t, open)
}
