package engine

import "context"

// Collector is an engine whose files keep the room of what was deleted until it is collected.
type Collector interface {
	// Collect gives room back, as far as it can be told now what was deleted. It returns how many
	// files it rewrote. If it is collecting already, it does nothing.
	Collect(ctx context.Context) (files int, err error)
}
