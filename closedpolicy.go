package caddysync

import (
	"context"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore"
)

// closed is the policy of what the configuration does not know: nobody but administrators
// writes there. What they write is in no channel.
type closed struct{}

// Evaluate implements syncstore.Evaluator.
func (closed) Evaluate(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	if write.Writer != nil {
		return syncstore.Outcome{}, fmt.Errorf("%w: the configuration does not have this collection", syncstore.ErrRejected)
	}
	return syncstore.Outcome{}, nil
}
