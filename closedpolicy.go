package caddysync

import (
	"context"
	"fmt"

	"github.com/caddysync/caddy-sync/syncstore"
)

// closed is the policy of what the configuration does not know: nobody but administrators
// writes there. What they write is in no channel. Others come here only by what began under a
// configuration before: they are told to come again, and then that it is not there. By a refusal
// they would take the document for one that the server does not want, and never send it again,
// though the collection may be back soon.
type closed struct{}

// Evaluate implements syncstore.Evaluator.
func (closed) Evaluate(_ context.Context, write syncstore.Evaluation) (syncstore.Outcome, error) {
	if write.Writer != nil {
		return syncstore.Outcome{}, fmt.Errorf("%w: the configuration does not have this collection any more", syncstore.ErrUnavailable)
	}
	return syncstore.Outcome{}, nil
}
