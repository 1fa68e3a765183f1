package mango

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// turns lets so many queries of users work at once as there are processors. What waits for a turn
// holds nothing, and a turn is short, so that many slow queries hold up quick ones for moments only.
type turns chan struct{}

func newTurns() turns { return make(turns, max(1, runtime.GOMAXPROCS(0))) }

func (t turns) take(ctx context.Context) (end func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for other queries: %w", context.Cause(ctx))
	}
}

// UserLimits are the limits of a query of a user: they are not an administrator's.
func (m *Mango) UserLimits(documents int, work time.Duration) Limits {
	return Limits{Documents: documents, Time: work, Turn: m.turns.take}
}
